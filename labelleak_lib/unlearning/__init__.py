"""Unlearning methods, one file each; every file's class is found by its code (RT, FT, RL, AU, NG).

A method is a frozen dataclass with one verb, `unlearn(original, retain, forget, *, generator)`, that returns a new
model and leaves `original` unchanged. A method that has to watch the original training (as amnesiac unlearning does)
also has `train_original(spec, retain, forget, recipe, *, seed, generator, device)`; its result is then the original
model M_o of that method.
"""

import copy
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Generator

from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier, ModelSpec
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

    def train_original(
        self, spec: ModelSpec, retain: Samples, forget: Samples, recipe: Recipe, *, seed: int, generator: Generator,
        device: torch.device,
    ) -> Classifier:  # fmt: skip
        """Return the original model, trained on both sets under this method's observation."""


PlainMethod = Callable[..., Classifier]


def apply_method(
    method: UnlearningMethod | PlainMethod, original: Classifier, retain: Samples, forget: Samples, *,
    generator: Generator,
) -> Classifier:  # fmt: skip
    """Unlearn by a method or by a plain function `f(original, retain, forget, generator=...)`.

    It gets a copy of `original`, since much code works in place.
    """
    verb = method.unlearn if isinstance(method, UnlearningMethod) else method
    return verb(copy.deepcopy(original), retain, forget, generator=generator).eval()


__all__ = ["METHODS", "PlainMethod", "RecordsTraining", "UnlearningMethod", "apply_method"]
