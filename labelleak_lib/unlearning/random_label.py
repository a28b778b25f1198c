"""RL: go on training with wrong labels on the forget set."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor

from labelleak_lib.checks import require
from labelleak_lib.data.samples import Samples, join
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.models.training import train
from labelleak_lib.registry import METHODS


def draw_wrong_labels(n: int, retained: Tensor, generator: Generator) -> Tensor:
    """Draw `n` labels uniformly from the `retained` classes, none of which is a forgotten sample's true one."""
    return retained[torch.randint(len(retained), (n,), generator=generator)]


@METHODS.register("RL")
@dataclass(frozen=True)
class RandomLabel:
    """Relabel D_f with retained classes drawn anew, then train on D_r and D_f together (paper, section V-C).

    `lr` is the peak of a one-cycle schedule; the others are as in :class:`~labelleak_lib.models.recipe.Recipe`.
    """

    epochs: int = 2
    lr: float = 0.05
    batch_size: int = 128
    min_steps: int = 0
    title: ClassVar[str] = "random label"
    order: ClassVar[int] = 2
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"epochs": 10, "lr": 0.05, "batch_size": 32, "min_steps": 200},
        "lenet": {"epochs": 1, "lr": 0.1, "batch_size": 128, "min_steps": 200},
        "resnet18": {"epochs": 1, "lr": 0.03, "batch_size": 128, "min_steps": 150},
    }

    def __post_init__(self) -> None:
        self.recipe()

    def recipe(self) -> Recipe:
        """Return the training run that this method makes."""
        return Recipe(epochs=self.epochs, lr=self.lr, batch_size=self.batch_size, min_steps=self.min_steps)

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a copy of `original` trained on `retain` and on `forget` under wrong labels."""
        forgotten = forget.labels.unique()
        retained = torch.tensor([c for c in range(original.spec.classes) if c not in set(forgotten.tolist())])
        require(len(retained) > 0, "forget", "all classes", "a set that leaves at least one class retained")
        wrong = Samples(forget.images, draw_wrong_labels(len(forget), retained, generator))
        model = copy.deepcopy(original)
        train(model, join(retain, wrong), self.recipe(), generator=generator)
        return model
