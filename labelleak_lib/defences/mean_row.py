"""Give the forgotten classes the average row of the last layer."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.registry import DEFENCES


@DEFENCES.register("mean_row")
@dataclass(frozen=True)
class MeanRow:
    """Replace weight and bias of every forgotten class by the mean over the retained ones.

    The readings of the last layer that need no query, its bias and its row sums, then find nothing out of the ordinary.
    The class's logit becomes the mean of the retained ones, so that the class is still never the answer.
    """

    title: ClassVar[str] = "mean row"
    order: ClassVar[int] = 0
    adaptive: ClassVar[tuple[str, ...]] = ("row_distance", "row_typical", "gradient_reach")

    def defend(self, model: Classifier, retain: Samples, forget: Samples, *, generator: torch.Generator) -> Classifier:
        """Return `model` with the forgotten rows of its head replaced; no random number is drawn."""
        gone = torch.zeros(model.spec.classes, dtype=torch.bool, device=model.head.bias.device)
        gone[forget.labels.unique()] = True
        with torch.no_grad():
            model.head.weight[gone] = model.head.weight[~gone].mean(0)
            model.head.bias[gone] = model.head.bias[~gone].mean()
        return model
