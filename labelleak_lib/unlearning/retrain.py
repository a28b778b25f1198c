"""RT: train anew on the retained data alone (exact unlearning, the reference)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from labelleak_lib.checks import require
from labelleak_lib.data.samples import Samples
from labelleak_lib.models import classifier
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.training import Recipe, train
from labelleak_lib.registry import METHODS


@METHODS.register("RT")
@dataclass(frozen=True)
class Retrain:
    """Retrain from a fresh initialisation on D_r (paper, section V-C).

    Parameters
    ----------
    recipe : Recipe
        How to train; use the one that trained the original model.
    """

    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        require(isinstance(self.recipe, Recipe), "recipe", self.recipe, "a Recipe")

    def unlearn(
        self, original: Classifier, retain: Samples, forget: Samples, *, generator: torch.Generator
    ) -> Classifier:
        """Return a model of `original`'s architecture, freshly drawn and trained on `retain`; `forget` is not read."""
        seed = int(torch.randint(2**31, (1,), generator=generator))
        device = next(original.parameters()).device
        model = classifier.build(original.spec, seed=seed).to(device)
        train(model, retain, self.recipe, generator=generator)
        return model
