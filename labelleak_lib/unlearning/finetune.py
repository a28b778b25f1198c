"""FT: go on training on the retained data alone, and let catastrophic forgetting do the rest."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Generator

from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.models.training import train
from labelleak_lib.registry import METHODS


@METHODS.register("FT")
@dataclass(frozen=True)
class FineTune:
    """Fine-tune the original model on D_r at a high learning rate (paper, section V-C).

    `lr` is the peak of a one-cycle schedule; the others are as in :class:`~labelleak_lib.models.recipe.Recipe`.
    """

    epochs: int = 3
    lr: float = 0.1
    batch_size: int = 128
    min_steps: int = 0
    title: ClassVar[str] = "fine-tune"
    order: ClassVar[int] = 1
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"epochs": 20, "lr": 0.1, "batch_size": 16, "min_steps": 400},
        "lenet": {"epochs": 3, "lr": 0.15, "batch_size": 128, "min_steps": 300},
        "resnet18": {"epochs": 2, "lr": 0.1, "batch_size": 128, "min_steps": 300},
    }

    def __post_init__(self) -> None:
        self.recipe()

    def recipe(self) -> Recipe:
        """Return the training run that this method makes."""
        return Recipe(epochs=self.epochs, lr=self.lr, batch_size=self.batch_size, min_steps=self.min_steps)

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a fine-tuned copy of `original`; `forget` is not read."""
        model = copy.deepcopy(original)
        train(model, retain, self.recipe(), generator=generator)
        return model
