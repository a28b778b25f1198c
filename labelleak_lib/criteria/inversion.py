"""Criteria on inverted prediction vectors (paper, IV-C4, equations 27 to 31)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import entr

from labelleak_lib.checks import require_number
from labelleak_lib.criteria.arithmetic import below_threshold, two_clusters
from labelleak_lib.criteria.base import Criterion
from labelleak_lib.evidence import Bools, Evidence, Floats
from labelleak_lib.registry import CRITERIA


class InversionCriterion(Criterion):
    """A rule on inverted prediction vectors."""

    reads: ClassVar[str] = "ipv"
    everywhere: ClassVar[bool] = False

    def vectors(self, evidence: Evidence) -> Floats:
        """Return the vectors, float (C, C); ValueError where the evidence has none."""
        if evidence.ipv is None:
            raise ValueError(
                f"evidence is of {evidence.attack!r}; criterion {self.name!r} needs inverted prediction vectors"
            )
        return evidence.ipv


@CRITERIA.register("threshold")
@dataclass(frozen=True)
class Threshold(InversionCriterion):
    """Call class c forgotten when m_c = max_j IPV_c[j] lies below mean - alpha * deviation (equations 27 to 30).

    Parameters
    ----------
    alpha : float
        How many standard deviations below the mean the threshold lies.
    """

    alpha: float = 1.0
    title: ClassVar[str] = "threshold"

    def __post_init__(self) -> None:
        require_number("alpha", self.alpha, low=0)

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return {c: m_c < tau}."""
        return frozenset(np.flatnonzero(below_threshold(self.vectors(evidence).max(1), self.alpha)).tolist())


@CRITERIA.register("entropy")
@dataclass(frozen=True)
class EntropyCriterion(InversionCriterion):
    """Split the sorted IPVs by 2-means and call the cluster of higher mean entropy forgotten (equation 31).

    The classes are those the inversions aimed at. The published reading, the argmax of each vector, is
    `EntropyArgmax`: where the inversion of a forgotten class fails, its IPV peaks at some other class, which is then
    called forgotten instead.
    """

    title: ClassVar[str] = "entropy"

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return the aimed-at classes of the cluster of higher entropy (none if all vectors are equal)."""
        return frozenset(np.flatnonzero(self.uncertain(evidence)).tolist())

    def score(self, evidence: Evidence) -> Floats:
        """Return the entropy of each IPV in nats."""
        return entr(self.vectors(evidence)).sum(axis=1)

    def uncertain(self, evidence: Evidence) -> Bools:
        """Return which vectors lie in the cluster of higher mean entropy: bool (C,)."""
        ordered = np.sort(self.vectors(evidence), axis=1)
        if np.ptp(ordered, axis=0).max() == 0:
            return np.zeros(len(ordered), dtype=bool)
        side, nats = two_clusters(ordered), entr(ordered).sum(axis=1)
        return side if nats[side].mean() > nats[~side].mean() else ~side


@CRITERIA.register("entropy_argmax")
@dataclass(frozen=True)
class EntropyArgmax(EntropyCriterion):
    """As `EntropyCriterion`, but the class is read from the argmax of each vector, as published."""

    title: ClassVar[str] = "entropy, argmax"

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return the argmax classes of the vectors in the cluster of higher entropy."""
        return frozenset(self.vectors(evidence)[self.uncertain(evidence)].argmax(1).tolist())

    def score(self, evidence: Evidence) -> Floats:
        """Return for each class the largest entropy, in nats, of the vectors that peak at it; 0 where none does."""
        vectors, scores = self.vectors(evidence), np.zeros(evidence.classes)
        np.maximum.at(scores, vectors.argmax(1), entr(vectors).sum(axis=1))
        return scores
