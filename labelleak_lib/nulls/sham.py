"""Sham unlearning: a method runs as ever, but what it is told to forget is no class."""

import copy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from labelleak_lib.checks import require_number
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.training import train
from labelleak_lib.registry import NULLS
from labelleak_lib.trials.originals import original_model, watched
from labelleak_lib.trials.seeds import make_generator
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.unlearning import RecordsTraining, apply_method
from labelleak_lib.unlearning.finetune import FineTune


@NULLS.register("sham")
@dataclass(frozen=True)
class Sham:
    """Run an unlearning method on a random share of the samples of all classes, by its own schedule.

    Parameters
    ----------
    method : str
        The method's code.
    share : float
        Share of the training samples that are told to be forgotten, in (0, 1).
    """

    method: str
    share: float = 0.1
    name: ClassVar[str]
    title: ClassVar[str] = "sham unlearning"
    order: ClassVar[int] = 2

    def __post_init__(self) -> None:
        require_number("share", self.share, above=0, high=0.9)

    def make(self, spec: TrialSpec) -> Classifier:
        """Return the model; every class keeps most of its samples."""
        method, samples = spec.method(self.method), spec.part("train")
        forgotten = self._drawn(len(samples), spec)
        original = original_model(spec, method)
        if isinstance(method, RecordsTraining):
            original = watched(spec, method, original, forgotten)
        parts = samples.where(~forgotten), samples.where(forgotten)
        return apply_method(method, original, *parts, generator=make_generator(spec.unlearn_seed, "sham", self.method))

    def _drawn(self, n: int, spec: TrialSpec) -> Tensor:
        return torch.rand(n, generator=make_generator(spec.unlearn_seed, "sham share")) < self.share


@NULLS.register("further")
@dataclass(frozen=True)
class Further:
    """Train M_o further on everything, by the fine-tuning schedule of the trial."""

    name: ClassVar[str]
    title: ClassVar[str] = "trained further"
    order: ClassVar[int] = 1

    def make(self, spec: TrialSpec) -> Classifier:
        """Return the model."""
        model, method = copy.deepcopy(original_model(spec)), spec.method("FT")
        assert isinstance(method, FineTune)
        train(model, spec.part("train"), method.recipe(), generator=make_generator(spec.train_seed, "further"))
        return model
