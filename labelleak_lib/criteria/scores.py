"""Criteria on the per-class score alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelleak_lib.criteria import Criterion, lower_cluster
from labelleak_lib.evidence import Evidence
from labelleak_lib.registry import CRITERIA


@CRITERIA.register("none")
@dataclass(frozen=True)
class Nothing(Criterion):
    """Call no class forgotten."""

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return the empty set."""
        return frozenset()


@CRITERIA.register("above_half")
@dataclass(frozen=True)
class AboveHalf(Criterion):
    """Call a class forgotten when its score, in [0, 1], lies above one half."""

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return {c: score_c > 1/2}."""
        return frozenset(np.flatnonzero(evidence.score > 0.5).tolist())


@CRITERIA.register("two_means")
@dataclass(frozen=True)
class TwoMeans(Criterion):
    """Split the classes' scores by 2-means and call the higher cluster forgotten."""

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return the classes of the higher cluster (none if all scores are equal)."""
        return frozenset(np.flatnonzero(lower_cluster(-evidence.score[:, None], evidence.seed)).tolist())
