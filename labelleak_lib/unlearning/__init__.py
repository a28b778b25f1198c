"""Unlearning methods, one file each; every file's class is found by its code (RT, FT, RL, AU, NG).

A method is a frozen dataclass with one verb, `unlearn(original, retain, forget, *, generator)`, that returns a new
model and leaves `original` unchanged. A method that has to watch the original training (as amnesiac unlearning does)
also has `original_recipe(recipe)`, by which its M_o is trained, and `watch_training(model, samples, forgotten, recipe,
*, generator)`; what that returns is then its `original`.
"""

import copy
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from torch import Generator, Tensor

from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.devices import has_float64, with_float64
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.registry import METHODS


@runtime_checkable
class UnlearningMethod(Protocol):
    """What an unlearning method offers."""

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a model that should behave as if `forget` had never been seen; `original` stays as it is."""


@runtime_checkable
class RecordsTraining(Protocol):
    """A method that has to watch the training of the original model."""

    def original_recipe(self, recipe: Recipe) -> Recipe:
        """Return how its M_o is trained where the others' is trained by `recipe`."""
        ...

    def watch_training(
        self, model: Classifier, samples: Samples, forgotten: Tensor, recipe: Recipe, *, generator: Generator
    ) -> Classifier:
        """Return `model` trained on `samples` as `training.train` would, with what the method keeps of it.

        `forgotten`, bool (n,), says which samples will be forgotten. The weights are those of a training that nobody
        watches: M_o does not depend on what will be forgotten.
        """


PlainMethod = Callable[..., Classifier]


def apply_method(
    method: UnlearningMethod | PlainMethod, original: Classifier, retain: Samples, forget: Samples, *,
    generator: Generator,
) -> Classifier:  # fmt: skip
    """Unlearn by a method or by a plain function `f(original, retain, forget, generator=...)`.

    It gets a copy of `original`, since much code works in place. One that asks for float64 on a device that has none
    runs on the CPU.
    """
    verb = method.unlearn if isinstance(method, UnlearningMethod) else method
    device, drawn = next(original.parameters()).device, generator.get_state()
    try:
        return verb(copy.deepcopy(original), retain, forget, generator=generator).eval()
    except TypeError:
        if has_float64(device):
            raise
    generator.set_state(drawn)
    return verb(with_float64(original), retain, forget, generator=generator).eval().to(device)


__all__ = ["METHODS", "PlainMethod", "RecordsTraining", "UnlearningMethod", "apply_method"]
