"""Take the forgotten classes out of the last layer."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from labelleak_lib.data.samples import Samples
from labelleak_lib.defences.rows import gone, with_head
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.registry import DEFENCES


@DEFENCES.register("drop_rows")
@dataclass(frozen=True)
class DropRows:
    """Remove the rows of the forgotten classes and number the others anew.

    The other logits are what they were. Every output that is left is a retained class, so that no reading of the
    outputs alone can name what is missing. Who knows the list of classes reads it off the names of the outputs; where
    these carry none, it takes samples of every class, or the original model, to match outputs with classes.
    """

    title: ClassVar[str] = "rows removed"
    order: ClassVar[int] = 1
    publishes: ClassVar[str] = "other outputs"
    adaptive: ClassVar[tuple[str, ...]] = ("class_list", "missing_by_original")

    def defend(self, model: Classifier, retain: Samples, forget: Samples, *, generator: torch.Generator) -> Classifier:
        """Return a model with one output a retained class, in their order; no random number is drawn."""
        kept = ~gone(model, forget)
        return with_head(model, model.head.weight[kept], model.head.bias[kept])
