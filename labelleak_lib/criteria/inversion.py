"""Criteria on inverted prediction vectors (paper, IV-C4, equations 27 to 31)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy
from sklearn.cluster import KMeans

from labelleak_lib.checks import require_number
from labelleak_lib.criteria.base import Criterion
from labelleak_lib.evidence import Evidence, Floats
from labelleak_lib.registry import CRITERIA


def _ipv(evidence: Evidence, criterion: str) -> Floats:
    if evidence.ipv is None:
        raise ValueError(
            f"evidence is of {evidence.attack!r}; criterion {criterion!r} needs inverted prediction vectors"
        )
    return evidence.ipv


@CRITERIA.register("threshold")
@dataclass(frozen=True)
class Threshold(Criterion):
    """Call class c forgotten when m_c = max_j IPV_c[j] lies below mean - alpha * deviation (equations 27 to 30).

    Parameters
    ----------
    alpha : float
        How many standard deviations below the mean the threshold lies.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        require_number("alpha", self.alpha, low=0)

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return {c: m_c < tau}."""
        peak = _ipv(evidence, self.name).max(1)
        tau = peak.mean() - self.alpha * peak.std()
        return frozenset(np.flatnonzero(peak < tau).tolist())


@CRITERIA.register("entropy")
@dataclass(frozen=True)
class EntropyCriterion(Criterion):
    """Split the sorted IPVs by 2-means and call the cluster of higher mean entropy forgotten (equation 31).

    The classes are those the inversions aimed at. The published reading, the argmax of each vector, is
    `EntropyArgmax`: where the inversion of a forgotten class fails, its IPV peaks at some other class, which is then
    called forgotten instead.
    """

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return the aimed-at classes of the cluster of higher entropy (none if all vectors are equal)."""
        return frozenset(np.flatnonzero(self._uncertain(evidence)).tolist())

    def score(self, evidence: Evidence) -> Floats:
        """Return the entropy of each IPV in nats."""
        return entropy(_ipv(evidence, self.name), axis=1)

    def _uncertain(self, evidence: Evidence) -> NDArray[np.bool_]:
        ipv = np.sort(_ipv(evidence, self.name), axis=1)
        if np.ptp(ipv, axis=0).max() == 0:
            return np.zeros(len(ipv), dtype=bool)
        cluster = KMeans(2, n_init=10, random_state=evidence.seed).fit_predict(ipv)
        nats = entropy(ipv, axis=1)
        higher = int(nats[cluster == 1].mean() > nats[cluster == 0].mean())
        return cluster == higher


@CRITERIA.register("entropy_argmax")
@dataclass(frozen=True)
class EntropyArgmax(EntropyCriterion):
    """As `EntropyCriterion`, but the class is read from the argmax of each vector, as published."""

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return the argmax classes of the vectors in the cluster of higher entropy."""
        ipv = _ipv(evidence, self.name)
        return frozenset(ipv[self._uncertain(evidence)].argmax(1).tolist())
