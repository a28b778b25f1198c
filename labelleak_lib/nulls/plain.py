"""Plainly trained models: the recipe of the book, or a shorter one, or one without weight decay."""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from labelleak_lib.checks import require_int, require_number
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.registry import NULLS
from labelleak_lib.trials.originals import original_model, trained
from labelleak_lib.trials.specification import TrialSpec


@NULLS.register("plain")
@dataclass(frozen=True)
class Plain:
    """Train M_o by the recipe of the trial."""

    name: ClassVar[str]
    title: ClassVar[str] = "plain"
    order: ClassVar[int] = 0

    def make(self, spec: TrialSpec) -> Classifier:
        """Return M_o."""
        return original_model(spec)


@NULLS.register("short")
@dataclass(frozen=True)
class Short:
    """Train by the recipe of the trial, for few steps.

    Parameters
    ----------
    epochs : int
        Passes over the data; no least number of steps is kept.
    """

    epochs: int = 1
    name: ClassVar[str]
    title: ClassVar[str] = "few epochs"
    order: ClassVar[int] = 3

    def __post_init__(self) -> None:
        require_int("epochs", self.epochs, low=1)

    def make(self, spec: TrialSpec) -> Classifier:
        """Return the model."""
        return _by_recipe(spec, epochs=self.epochs, min_steps=0)


@NULLS.register("decay")
@dataclass(frozen=True)
class WeightDecay:
    """Train by the recipe of the trial, at another weight decay.

    Parameters
    ----------
    weight_decay : float
        As in `torch.optim.SGD`.
    """

    weight_decay: float = 0.0
    name: ClassVar[str]
    title: ClassVar[str] = "no weight decay"
    order: ClassVar[int] = 4

    def __post_init__(self) -> None:
        require_number("weight_decay", self.weight_decay, low=0)

    def make(self, spec: TrialSpec) -> Classifier:
        """Return the model."""
        return _by_recipe(spec, weight_decay=self.weight_decay)


def _by_recipe(spec: TrialSpec, **changes: Any) -> Classifier:
    return trained(spec, spec.part("train"), dataclasses.replace(spec.settings.recipe, **changes))
