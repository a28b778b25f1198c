"""AU: subtract the parameter updates that the forget set caused during training, then repair briefly."""

import copy
import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor

from labelleak_lib.checks import require_number
from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.models.training import train
from labelleak_lib.registry import METHODS


class RecordedClassifier(Classifier):
    """A classifier that carries the sum of the updates its forget set caused while it was trained.

    `updates` maps parameter names to tensors of the parameters' shapes; it is not part of the state dict.
    """

    updates: dict[str, Tensor]


def subtract_updates(model: Classifier, updates: dict[str, Tensor]) -> None:
    """Subtract recorded updates from the parameters of `model`, in place."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.sub_(updates[name].to(parameter.device))


def shorten_to(model: Classifier, original: Classifier) -> None:
    """Scale every parameter tensor of `model` that is longer than its counterpart in `original` to that one's norm."""
    with torch.no_grad():
        for parameter, before in zip(model.parameters(), original.parameters(), strict=True):
            parameter.mul_((before.norm() / parameter.norm().clamp_min(1e-30)).clamp(max=1))


@METHODS.register("AU")
@dataclass(frozen=True)
class Amnesiac:
    """Amnesiac unlearning (Graves, Nagisetty and Ganesh, 2021) at class level.

    With shuffled batches nearly every batch holds a forgotten sample, so that subtracting all of them would undo the
    training. What is recorded is therefore the forget samples' own share of every step, which is exact on every
    network: a step is linear in the gradients (see :class:`~labelleak_lib.models.shares.GradientShare`). Updates of
    parameters alone are recorded: subtracting those of batch-norm's running variances could make them negative, and
    the repair estimates them anew.

    Parameters
    ----------
    epochs, lr, batch_size, min_steps
        Repair on the retained data: as in :class:`~labelleak_lib.models.recipe.Recipe`, on a one-cycle schedule.
    clip_norm : float
        Repair: largest gradient norm a step may use. Right after the subtraction gradients are large, and a few steps
        along them can silence every ReLU.
    train_lr : float
        Peak learning rate of the original training, in place of its recipe's: the higher it is, the longer and the
        more opposite are the shares of both sides.
    """

    epochs: int = 1
    lr: float = 0.05
    batch_size: int = 128
    min_steps: int = 0
    clip_norm: float = 1.0
    train_lr: float = 0.02
    title: ClassVar[str] = "amnesiac unlearning"
    order: ClassVar[int] = 3
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"epochs": 5, "lr": 0.1, "batch_size": 32, "min_steps": 100},
        "lenet": {"epochs": 5, "lr": 0.1, "batch_size": 128, "min_steps": 1000, "clip_norm": 0.5},
        # Subtracting AU's recorded updates leaves weights of a much larger norm. Batch normalisation hides that norm,
        # but a step turns large weights less, so AU's repair has the higher rate.
        "resnet18": {"epochs": 5, "lr": 0.2, "batch_size": 128, "min_steps": 300},
    }

    def __post_init__(self) -> None:
        require_number("train_lr", self.train_lr, above=0)
        self.recipe()

    def recipe(self) -> Recipe:
        """Return the training run of the repair."""
        return Recipe(self.epochs, self.batch_size, self.lr, min_steps=self.min_steps, clip_norm=self.clip_norm)

    def original_recipe(self, recipe: Recipe) -> Recipe:
        """Return `recipe` at `train_lr`."""
        return dataclasses.replace(recipe, lr=self.train_lr)

    def watch_training(
        self, model: Classifier, samples: Samples, forgotten: Tensor, recipe: Recipe, *, generator: Generator
    ) -> RecordedClassifier:
        """Train `model` by `recipe` and keep the share of the `forgotten` samples, bool (n,), in every step."""
        watched = RecordedClassifier(model.spec, model.features, model.head)
        watched.updates = train(watched, samples, recipe, generator=generator, recorded=forgotten)
        return watched

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a copy of `original` without its recorded updates, repaired on `retain`; `forget` is not read.

        ValueError if `original` was not trained by `watch_training`.
        """
        if not isinstance(original, RecordedClassifier):
            name = type(original).__name__
            raise ValueError(f"original is a {name!r}; it must be a model trained by Amnesiac.watch_training")
        model = Classifier(original.spec, copy.deepcopy(original.features), copy.deepcopy(original.head))
        subtract_updates(model, original.updates)
        shorten_to(model, original)
        train(model, retain, self.recipe(), generator=generator)
        return model
