"""A class that is rare, or wrongly labelled in part, from the start: the neighbours of a forgotten one."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from labelleak_lib.checks import require, require_int, require_number
from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.registry import NULLS
from labelleak_lib.trials.originals import trained
from labelleak_lib.trials.seeds import make_generator
from labelleak_lib.trials.specification import TrialSpec


@NULLS.register("rare")
@dataclass(frozen=True)
class RareClass:
    """Train with a share of the samples of one class.

    Parameters
    ----------
    label : int
        The class.
    share : float
        Share of its training samples, in (0, 1]; at least one is kept.
    """

    label: int
    share: float
    name: ClassVar[str]
    title: ClassVar[str] = "rare class"
    order: ClassVar[int] = 6

    def __post_init__(self) -> None:
        _require(self.label, self.share)

    def make(self, spec: TrialSpec) -> Classifier:
        """Return the model."""
        samples = spec.part("train")
        drawn = _some(samples, self.label, 1 - self.share, spec)
        kept = torch.ones(len(samples), dtype=torch.bool)
        kept[drawn] = False
        return trained(spec, samples.where(kept), spec.settings.recipe)


@NULLS.register("noisy")
@dataclass(frozen=True)
class NoisyClass:
    """Train with a share of the labels of one class replaced by random other ones.

    Parameters
    ----------
    label : int
        The class.
    share : float
        Share of its training samples whose labels are wrong, in (0, 1].
    """

    label: int
    share: float = 0.3
    name: ClassVar[str]
    title: ClassVar[str] = "noisy class"
    order: ClassVar[int] = 7

    def __post_init__(self) -> None:
        _require(self.label, self.share)

    def make(self, spec: TrialSpec) -> Classifier:
        """Return the model."""
        samples = spec.part("train")
        drawn = _some(samples, self.label, self.share, spec)
        labels, generator = samples.labels.clone(), make_generator(spec.train_seed, "noise")
        labels[drawn] = (
            self.label + torch.randint(1, spec.data.classes, (len(drawn),), generator=generator)
        ) % spec.data.classes
        return trained(spec, Samples(samples.images, labels), spec.settings.recipe)


def _require(label: int, share: float) -> None:
    require_int("label", label, low=0)
    require_number("share", share, above=0, high=1)


def _some(samples: Samples, label: int, share: float, spec: TrialSpec) -> torch.Tensor:
    """Return the indices of a random share of a class's samples, never of all."""
    own = torch.nonzero(samples.labels == label).flatten()
    require(len(own) > 0, "label", label, f"a class below {spec.data.classes}")
    order = own[torch.randperm(len(own), generator=make_generator(spec.train_seed, "share"))]
    return order[: min(round(share * len(own)), len(own) - 1)]
