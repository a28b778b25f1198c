"""Criteria on the per-class score alone."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from labelleak_lib.checks import require_number
from labelleak_lib.criteria.arithmetic import apart, below_gap, lower_cluster
from labelleak_lib.criteria.base import Criterion
from labelleak_lib.evidence import Evidence
from labelleak_lib.registry import CRITERIA


@CRITERIA.register("none")
@dataclass(frozen=True)
class Nothing(Criterion):
    """Call no class forgotten."""

    title: ClassVar[str] = ""
    everywhere: ClassVar[bool] = False

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return the empty set."""
        return frozenset()


@CRITERIA.register("above_half")
@dataclass(frozen=True)
class AboveHalf(Criterion):
    """Call a class forgotten when its score, in [0, 1], lies above one half."""

    title: ClassVar[str] = ""
    everywhere: ClassVar[bool] = False

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return {c: score_c > 1/2}."""
        return frozenset(np.flatnonzero(evidence.score > 0.5).tolist())


@CRITERIA.register("two_means")
@dataclass(frozen=True)
class TwoMeans(Criterion):
    """Split the classes' scores by 2-means and call the higher cluster forgotten."""

    title: ClassVar[str] = ""

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return the classes of the higher cluster (none if all scores are equal)."""
        return frozenset(np.flatnonzero(lower_cluster(-evidence.score)).tolist())


@CRITERIA.register("clusters")
@dataclass(frozen=True)
class Clusters(Criterion):
    """As `TwoMeans`, but silent unless the two clusters are far enough apart.

    Parameters
    ----------
    separation : float
        Distance of their means, in pooled standard deviations within them.
    """

    separation: float = 6.0
    title: ClassVar[str] = "two clusters"
    order: ClassVar[int] = 6

    def __post_init__(self) -> None:
        require_number("separation", self.separation, above=0)

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return the classes of the cluster of higher scores, or nothing."""
        return frozenset(np.flatnonzero(apart(-evidence.score, self.separation)).tolist())


@CRITERIA.register("deviations")
@dataclass(frozen=True)
class Deviations(Criterion):
    """Call a class forgotten when its score lies above mean + alpha deviations.

    Parameters
    ----------
    alpha : float
        How many standard deviations of the classes' scores.
    """

    alpha: float = 1.0
    title: ClassVar[str] = "mean and deviation"
    order: ClassVar[int] = 7

    def __post_init__(self) -> None:
        require_number("alpha", self.alpha, low=0)

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return {c: score_c > mean + alpha * deviation}."""
        score = evidence.score
        return frozenset(np.flatnonzero(score > score.mean() + self.alpha * score.std()).tolist())


@CRITERIA.register("largest_gap")
@dataclass(frozen=True)
class LargestGap(Criterion):
    """Call the classes above the widest gap between neighbouring scores forgotten, if no other gap comes near it.

    Parameters
    ----------
    ratio : float
        How many times as wide as the next gap it must be.
    """

    ratio: float = 2.0
    title: ClassVar[str] = "largest gap"
    order: ClassVar[int] = 8

    def __post_init__(self) -> None:
        require_number("ratio", self.ratio, low=1)

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return the classes above the gap, or nothing."""
        return frozenset(np.flatnonzero(below_gap(-evidence.score, self.ratio)).tolist())
