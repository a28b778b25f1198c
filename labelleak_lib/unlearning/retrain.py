"""RT: train anew on the retained data alone (exact unlearning, the reference)."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Generator

from labelleak_lib.checks import require
from labelleak_lib.data.samples import Samples
from labelleak_lib.models import classifier
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.models.training import train
from labelleak_lib.registry import METHODS


@METHODS.register("RT")
@dataclass(frozen=True)
class Retrain:
    """Retrain from a fresh initialisation on D_r by `recipe`, that of the original model (paper, section V-C)."""

    recipe: Recipe = field(default_factory=Recipe)
    title: ClassVar[str] = "retrain"
    order: ClassVar[int] = 0

    def __post_init__(self) -> None:
        require(isinstance(self.recipe, Recipe), "recipe", self.recipe, "a Recipe")

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a model of `original`'s architecture, freshly drawn and trained on `retain`; `forget` is not read."""
        seed = int(torch.randint(2**31, (1,), generator=generator))
        device = next(original.parameters()).device
        model = classifier.build(original.spec, seed=seed).to(device)
        train(model, retain, self.recipe, generator=generator)
        return model
