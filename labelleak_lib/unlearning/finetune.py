"""FT: go on training on the retained data alone, and let catastrophic forgetting do the rest."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch

from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.training import Recipe, train
from labelleak_lib.registry import METHODS


@METHODS.register("FT")
@dataclass(frozen=True)
class FineTune:
    """Fine-tune the original model on D_r at a high learning rate (paper, section V-C).

    Parameters
    ----------
    epochs, batch_size : int
        Passes over the retained data, samples a step.
    lr : float
        Peak learning rate of the one-cycle schedule.
    min_steps : int
        On small data, passes are added until there are at least so many steps.
    """

    epochs: int = 3
    lr: float = 0.1
    batch_size: int = 128
    min_steps: int = 0

    def __post_init__(self) -> None:
        self.recipe()

    def recipe(self) -> Recipe:
        """Return the training run that this method makes."""
        return Recipe(epochs=self.epochs, lr=self.lr, batch_size=self.batch_size, min_steps=self.min_steps)

    def unlearn(
        self, original: Classifier, retain: Samples, forget: Samples, *, generator: torch.Generator
    ) -> Classifier:
        """Return a fine-tuned copy of `original`; `forget` is not read."""
        model = copy.deepcopy(original)
        train(model, retain, self.recipe(), generator=generator)
        return model
