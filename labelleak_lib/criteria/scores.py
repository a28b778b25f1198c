"""Criteria on the per-class score alone."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from labelleak_lib.criteria.arithmetic import lower_cluster
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
    everywhere: ClassVar[bool] = False

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return the classes of the higher cluster (none if all scores are equal)."""
        return frozenset(np.flatnonzero(lower_cluster(-evidence.score)).tolist())
