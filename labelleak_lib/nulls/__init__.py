"""Models from which nothing was forgotten, one file a kind: what every rule has to meet with silence.

A kind is a frozen dataclass with one verb, `make(spec)`, that trains a model on the data, with the architecture and by
the seeds of a trial.
"""

from typing import ClassVar, Protocol

from labelleak_lib.models.classifier import Classifier
from labelleak_lib.registry import NULLS
from labelleak_lib.trials.specification import TrialSpec


class NeverUnlearned(Protocol):
    """What a kind of never-unlearned model offers."""

    name: ClassVar[str]
    title: ClassVar[str]
    order: ClassVar[int]

    def make(self, spec: TrialSpec) -> Classifier:
        """Return a trained model that forgot nothing."""
        ...


__all__ = ["NULLS", "NeverUnlearned"]
