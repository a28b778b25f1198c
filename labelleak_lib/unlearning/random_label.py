"""RL: go on training with wrong labels on the forget set."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from labelleak_lib.checks import require
from labelleak_lib.data.samples import Samples, join
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.training import Recipe, train
from labelleak_lib.registry import METHODS


def draw_wrong_labels(n: int, retained: Tensor, generator: torch.Generator) -> Tensor:
    """Draw `n` labels uniformly from the `retained` classes, none of which is a forgotten sample's true one."""
    return retained[torch.randint(len(retained), (n,), generator=generator)]


@METHODS.register("RL")
@dataclass(frozen=True)
class RandomLabel:
    """Relabel D_f with retained classes drawn anew, then train on D_r and D_f together (paper, section V-C).

    Parameters
    ----------
    epochs, batch_size : int
        Passes over the data, samples a step.
    lr : float
        Peak learning rate of the one-cycle schedule.
    min_steps : int
        On small data, passes are added until there are at least so many steps.
    """

    epochs: int = 2
    lr: float = 0.05
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
        """Return a copy of `original` trained on `retain` and on `forget` under wrong labels."""
        forgotten = forget.labels.unique()
        retained = torch.tensor([c for c in range(original.spec.classes) if c not in set(forgotten.tolist())])
        require(len(retained) > 0, "forget", "all classes", "a set that leaves at least one class retained")
        wrong = Samples(forget.images, draw_wrong_labels(len(forget), retained, generator))
        model = copy.deepcopy(original)
        train(model, join(retain, wrong), self.recipe(), generator=generator)
        return model
