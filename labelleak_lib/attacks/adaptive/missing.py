"""Which of the classes that an attacker knows of has no output: by names, by samples, or by the original's answers."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from labelleak_lib.checks import require_number
from labelleak_lib.data.samples import to_input
from labelleak_lib.evidence import Evidence, Floats
from labelleak_lib.models.access import BlackBoxWithSamples
from labelleak_lib.registry import ADAPTIVE


@dataclass(frozen=True)
class NamedOutputs:
    """What a provider tells of its outputs: which class each is called by, of `classes` known ones."""

    names: tuple[int, ...]
    classes: int


@ADAPTIVE.register("class_list")
@dataclass(frozen=True)
class ClassList:
    """Read the names of the outputs: a class of the list that none is called by is missing. No query."""

    name: ClassVar[str]
    title: ClassVar[str] = "list of classes"
    order: ClassVar[int] = 6
    access_kind: ClassVar[str] = "names"
    criterion: ClassVar[str] = "above_half"

    def evidence(self, access: NamedOutputs, *, generator: torch.Generator) -> Evidence:
        """Return 1 for the classes without an output."""
        missing = [float(c not in access.names) for c in range(access.classes)]
        return Evidence(self.name, access.classes, np.array(missing))


def without_output(counts: Floats) -> Floats:
    """Return 1 less the share of each class's inputs that the output matched with it gets: float (C,).

    `counts` (C, outputs) says how often inputs of each class are answered with each output. Classes and outputs are
    matched one to one, so that most inputs agree; of a class that is left over, the share is 0.

    >>> without_output(np.array([[0.0, 9.0], [4.0, 5.0], [8.0, 2.0]])).round(1).tolist()
    [0.0, 1.0, 0.2]
    """
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    found = np.zeros(len(counts))
    rows, columns = linear_sum_assignment(-share)
    found[rows] = share[rows, columns]
    return np.asarray(1 - found)


@ADAPTIVE.register("unlabelled_samples")
@dataclass(frozen=True)
class UnlabelledSamples:
    """Ask about inputs of the task, whatever their classes: an output that hardly answers any has none of its own.

    Parameters
    ----------
    share : float
        Of an output's even share of the answers; below it, an output is out of reach.
    """

    share: float = 0.1
    name: ClassVar[str]
    title: ClassVar[str] = "unlabelled samples"
    order: ClassVar[int] = 7
    access_kind: ClassVar[str] = "samples"
    criterion: ClassVar[str] = "reach"

    def __post_init__(self) -> None:
        require_number("share", self.share, low=0, high=1)

    def evidence(self, access: BlackBoxWithSamples, *, generator: torch.Generator) -> Evidence:
        """Return minus each output's reach, how far its share of the answers is above the least; no label is read."""
        answered = access.box.query(to_input(access.images)).argmax(1).cpu()
        counts = torch.bincount(answered, minlength=access.box.classes).double().numpy()
        reach = counts / len(answered) - self.share / access.classes
        return Evidence(self.name, access.box.classes, -reach, reach=reach, queries=len(answered))


@ADAPTIVE.register("missing_by_samples")
@dataclass(frozen=True)
class MissingBySamples:
    """Classify labelled samples, and match outputs with classes: the class without an output of its own is missing."""

    name: ClassVar[str]
    title: ClassVar[str] = "labelled samples"
    order: ClassVar[int] = 8
    access_kind: ClassVar[str] = "samples"
    criterion: ClassVar[str] = "above_half"

    def evidence(self, access: BlackBoxWithSamples, *, generator: torch.Generator) -> Evidence:
        """Return the share of each class's samples that its output does not get."""
        answered = access.box.query(to_input(access.images)).argmax(1).cpu()
        pairs = access.labels.cpu() * access.box.classes + answered
        counts = torch.bincount(pairs, minlength=access.classes * access.box.classes)
        score = without_output(counts.view(access.classes, -1).double().numpy())
        return Evidence(self.name, access.classes, score, queries=len(pairs))


@ADAPTIVE.register("missing_by_original")
@dataclass(frozen=True)
class MissingByOriginal(MissingBySamples):
    """Match by unrelated inputs, each taken for a sample of the class that M_o answers with.

    Two models agree on such inputs now and then, no more. But the attacker counts the outputs, and so knows how many
    classes are missing: it names as many as have the least agreement, and none where none is missing.
    """

    title: ClassVar[str] = "original model"
    order: ClassVar[int] = 9
    access_kind: ClassVar[str] = "original"

    def evidence(self, access: BlackBoxWithSamples, *, generator: torch.Generator) -> Evidence:
        """Return 1 for the classes that are named, 0 for the others."""
        found = super().evidence(access, generator=generator)
        missing = max(0, access.classes - access.box.classes)
        score = np.zeros(access.classes)
        score[np.argsort(-found.score, kind="stable")[:missing]] = 1
        return Evidence(self.name, access.classes, score, queries=found.queries)
