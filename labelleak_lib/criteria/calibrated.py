"""Rules whose thresholds come from models that forgot nothing."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from labelleak_lib.attacks.reach import relative_reach
from labelleak_lib.checks import require, require_number
from labelleak_lib.criteria.arithmetic import gap_ratio
from labelleak_lib.criteria.base import Criterion
from labelleak_lib.criteria.reach import Reach, reached
from labelleak_lib.criteria.scores import LargestGap
from labelleak_lib.evidence import Evidence
from labelleak_lib.registry import CRITERIA

LIMITS = Path(__file__).with_name("limits.json")
LEVEL = 0.05


@functools.cache
def limits() -> dict[str, float]:
    """Return each attack's limit at the level of 5%, from the null bank (see `nulls.calibration`)."""
    return dict(json.loads(LIMITS.read_text(encoding="utf-8"))["limits"])


def statistic(evidence: Evidence) -> float:
    """Return how much a model looks as if it had forgotten something: the higher, the more.

    Where the evidence tells reach, minus the least relative reach of any class; else how many times as wide the widest
    gap between neighbouring scores is as the next one.
    """
    if Reach().can_read(evidence):
        return float(-np.nan_to_num(relative_reach(reached(evidence)), nan=np.inf).min())
    return gap_ratio(evidence.score)


def limit(null: ArrayLike, level: float = LEVEL) -> float:
    """Return the smallest limit that a new value exceeds with probability `level` at most; infinite for few values.

    Of n + 1 exchangeable values the new one is above the limit, the k-th largest of the others, in at most
    k of n + 1 cases (conformal prediction, Vovk, Gammerman and Shafer, 2005).

    >>> limit(range(1, 20)), limit([1.0, 2.0])
    (19.0, inf)
    """
    require_number("level", level, above=0, high=1)
    values = np.sort(np.asarray(null, dtype=np.float64))[::-1]
    k = int(level * (len(values) + 1) + 1e-9)
    return float(values[k - 1]) if k else float("inf")


@CRITERIA.register("calibrated")
@dataclass(frozen=True)
class Calibrated(Criterion):
    """Call classes forgotten as `Reach`, else as `LargestGap` does, beyond a limit that 5% of the null bank exceeds.

    Parameters
    ----------
    limit : float, optional
        Of the statistic; that of the null bank, if not given. An attack of which the bank knows nothing is judged by
        no rule: nothing is called forgotten.
    """

    limit: float | None = None
    title: ClassVar[str] = "calibrated"
    order: ClassVar[int] = 9

    def __post_init__(self) -> None:
        if self.limit is not None:
            require_number("limit", self.limit)

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return the classes beyond the limit, or nothing."""
        at = limits().get(evidence.attack) if self.limit is None else self.limit
        if at is None or statistic(evidence) <= at:
            return frozenset()
        if Reach().can_read(evidence):
            # strictly below, so that a value as large as the limit is no alarm
            return Reach(threshold=float(np.nextafter(-at, -np.inf))).decide(evidence)
        return LargestGap(ratio=1.0).decide(evidence)


@dataclass(frozen=True)
class AgainstReferences:
    """What a target's scores say beside those of never-unlearned models of the same recipe.

    Parameters
    ----------
    p_value : float
        Of "nothing was forgotten", in (0, 1]: the share of the models, the target among them, whose most outlying class
        lies at least as far out.
    named : frozenset of int
        Classes of the target that lie farther out than any class of any reference; empty where the p-value is above
        the level.
    """

    p_value: float
    named: frozenset[int]


def against_references(score: ArrayLike, references: ArrayLike, level: float = LEVEL) -> AgainstReferences:
    """Compare scores (C,) with those of n never-unlearned models of the same recipe (n, C), n at least 3.

    Scores are standardised class by class over all models, the target among them, which puts the models in the order
    that leaving each out would; a model's statistic is its largest over classes, so that their number is allowed for.
    The p-value is at most `level` with probability `level` at most where nothing was forgotten, for the models are then
    exchangeable.
    """
    values = np.vstack([np.asarray(score, dtype=np.float64), np.asarray(references, dtype=np.float64)])
    require(len(values) >= 4, "number of references", len(values) - 1, "at least 3")
    deviation = values.std(axis=0)
    outlying = (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    largest = outlying.max(axis=1)
    p_value = float((largest >= largest[0]).mean())
    beyond = np.flatnonzero(outlying[0] > largest[1:].max()).tolist() if p_value <= level else []
    return AgainstReferences(p_value, frozenset(beyond))
