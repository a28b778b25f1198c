"""Criteria on auxiliary heads (paper, IV-A1, IV-B1): they label single heads.

A class is called forgotten when most of its heads are. Under the `paper` protocol every head's label is known and the
rule is fitted on the heads it labels (a tree: on four fifths of them, labelling the rest). Under the `attacker`
protocol the rule is fitted anew for each judged class, without that class's heads.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import roc_curve
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

from labelleak_lib.checks import require, require_number
from labelleak_lib.criteria.base import Criterion
from labelleak_lib.evidence import Evidence, Floats, HeadEvidence, Ints
from labelleak_lib.registry import CRITERIA

Bools = NDArray[np.bool_]


class HeadLabels(NamedTuple):
    """What a criterion says of single heads: degree float (m,) in any scale, called bool (m,), judged bool (m,)."""

    degree: Floats
    called: Bools
    judged: Bools


class HeadCriterion(Criterion):
    """A rule on auxiliary heads."""

    @abstractmethod
    def label_heads(self, evidence: Evidence) -> HeadLabels:
        """Return what the rule says of every head it judges."""

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return the classes most of whose judged heads are called forgotten."""
        source, labels = _heads(evidence, self.name).source, self.label_heads(evidence)
        share = [labels.called[labels.judged & (source == c)] for c in range(evidence.classes)]
        return frozenset(c for c, called in enumerate(share) if len(called) and called.mean() > 0.5)


def _heads(evidence: Evidence, criterion: str) -> HeadEvidence:
    if evidence.heads is None:
        raise ValueError(
            f"evidence is of {evidence.attack!r}; criterion {criterion!r} needs evidence with auxiliary heads"
        )
    return evidence.heads


def leave_class_out(heads: HeadEvidence, classes: int) -> list[tuple[Bools, Bools]]:
    """Return (fit, judged) masks, one pair a class: labelled heads of other sources, and the class's own heads."""
    return [((heads.label >= 0) & (heads.source != c), heads.source == c) for c in range(classes)]


def both_kinds(labels: Ints) -> bool:
    """Say whether `labels` hold 0 and 1.

    Without the heads of the only class that the attacker knows to be retained, no 0 is left: nothing can be fitted, and
    that class is called retained, as it is known to be.
    """
    return len(np.unique(labels)) == 2


def youden_threshold(label: Ints, degree: Floats) -> float:
    """Return the threshold on `degree` (m,) that maximises sensitivity + specificity - 1 (Youden, 1950).

    `label` (m,) is 1 for the side that lies above. The threshold lies midway between the two neighbouring degrees.
    """
    false_positive, true_positive, thresholds = roc_curve(label, degree, drop_intermediate=False)
    best = int(np.argmax(true_positive - false_positive))
    if best == 0:
        return float(np.max(degree) + 1)
    below = degree[degree < thresholds[best]]
    return float((thresholds[best] + below.max()) / 2) if len(below) else float(thresholds[best])


@CRITERIA.register("youden")
@dataclass(frozen=True)
class Youden(HeadCriterion):
    """Call a head forgotten when its value lies below the threshold of Youden's index."""

    def label_heads(self, evidence: Evidence) -> HeadLabels:
        """Fit the threshold in sample (`paper`) or without the judged class (`attacker`)."""
        heads = _heads(evidence, self.name)
        degree, called = -heads.vectors[:, 0], np.zeros(len(heads.source), dtype=bool)
        everything = np.ones(len(heads.source), dtype=bool)
        folds = [(everything, everything)]
        if evidence.protocol == "attacker":
            folds = leave_class_out(heads, evidence.classes)
        for fit, judged in folds:
            if both_kinds(heads.label[fit]):
                called[judged] = degree[judged] >= youden_threshold(heads.label[fit], degree[fit])
        return HeadLabels(degree, called, heads.source >= 0)


@CRITERIA.register("kmeans")
@dataclass(frozen=True)
class KMeansSplit(HeadCriterion):
    """Split the values of all heads by 2-means and call the lower cluster forgotten; needs no labels."""

    def label_heads(self, evidence: Evidence) -> HeadLabels:
        """Cluster the heads of all classes (heads on unrelated data take no part)."""
        heads = _heads(evidence, self.name)
        judged = heads.source >= 0
        low = lower_cluster(heads.vectors[judged, :1], evidence.seed)
        called = np.zeros(len(judged), dtype=bool)
        called[judged] = low
        return HeadLabels(-heads.vectors[:, 0], called, judged)


def lower_cluster(values: Floats, seed: int) -> Bools:
    """Return which rows of `values` (m, 1) fall into the lower of two k-means clusters (none if all are equal)."""
    if np.ptp(values) == 0:
        return np.zeros(len(values), dtype=bool)
    means = KMeans(2, n_init=10, random_state=seed).fit(values)
    return means.labels_ == int(np.argmin(means.cluster_centers_[:, 0]))


@CRITERIA.register("decision_tree")
@dataclass(frozen=True)
class DecisionTree(HeadCriterion):
    """Separate difference vectors with a decision tree.

    Parameters
    ----------
    test_share : float
        Share of the heads that the tree labels under the `paper` protocol; it learns from the others.
    """

    test_share: float = 0.2

    def __post_init__(self) -> None:
        require_number("test_share", self.test_share, above=0, high=0.9)

    def label_heads(self, evidence: Evidence) -> HeadLabels:
        """Fit the tree on a random split (`paper`) or without the judged class (`attacker`)."""
        heads = _heads(evidence, self.name)
        m = len(heads.source)
        degree, seen = np.zeros(m), np.zeros(m, dtype=bool)
        folds = leave_class_out(heads, evidence.classes)
        if evidence.protocol == "paper":
            valid = "at least 3 heads a side, so that a fifth of them can be set apart"
            require(np.bincount(heads.label, minlength=2).min() >= 3, "heads", m, valid)
            fit, judged = np.zeros(m, dtype=bool), np.zeros(m, dtype=bool)
            fit_index, test_index = train_test_split(
                np.arange(m), test_size=self.test_share, random_state=evidence.seed, stratify=heads.label
            )
            fit[fit_index], judged[test_index] = True, True
            folds = [(fit, judged)]
        for fit, judged in folds:
            seen |= judged
            if not both_kinds(heads.label[fit]):
                continue
            tree = DecisionTreeClassifier(random_state=evidence.seed).fit(heads.vectors[fit], heads.label[fit])
            degree[judged] = tree.predict_proba(heads.vectors[judged])[:, list(tree.classes_).index(1)]
        return HeadLabels(degree, degree > 0.5, seen)

    def score(self, evidence: Evidence) -> Floats:
        """Return the mean of the tree's probabilities over each class's judged heads."""
        source, labels = _heads(evidence, self.name).source, self.label_heads(evidence)
        members = [labels.degree[labels.judged & (source == c)] for c in range(evidence.classes)]
        return np.array([values.mean() if len(values) else 0.0 for values in members])
