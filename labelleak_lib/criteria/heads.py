"""Criteria on auxiliary heads (paper, IV-A1, IV-B1): they label single heads.

A class is called forgotten when most of its heads are. Under the `paper` protocol every head's label is known and the
rule is fitted on the heads it labels (a tree: on four fifths of them, labelling the rest). Under the `attacker`
protocol the rule is fitted anew for each judged class, without that class's heads.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from labelleak_lib.criteria.arithmetic import lower_cluster, youden_threshold
from labelleak_lib.criteria.base import Criterion
from labelleak_lib.evidence import Bools, Evidence, Floats, HeadEvidence, both_kinds
from labelleak_lib.registry import CRITERIA


class HeadLabels(NamedTuple):
    """What a criterion says of single heads: degree float (m,) in any scale, called bool (m,), judged bool (m,)."""

    degree: Floats
    called: Bools
    judged: Bools


class HeadCriterion(Criterion):
    """A rule on auxiliary heads."""

    reads: ClassVar[str] = "heads"
    everywhere: ClassVar[bool] = False

    @abstractmethod
    def label_heads(self, evidence: Evidence) -> HeadLabels:
        """Return what the rule says of every head it judges."""

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return the classes most of whose judged heads are called forgotten, less those that are known as retained."""
        labels, heads = self.label_heads(evidence), self.heads(evidence)
        share = heads.class_means(np.where(labels.judged, labels.called, np.nan), evidence.classes)
        known = frozenset(heads.source[heads.label == 0].tolist()) if evidence.protocol == "attacker" else frozenset()
        return frozenset(np.flatnonzero(share > 0.5).tolist()) - known

    def heads(self, evidence: Evidence) -> HeadEvidence:
        """Return the heads; ValueError where the evidence has none."""
        if evidence.heads is None:
            raise ValueError(
                f"evidence is of {evidence.attack!r}; criterion {self.name!r} needs evidence with auxiliary heads"
            )
        return evidence.heads


@CRITERIA.register("youden")
@dataclass(frozen=True)
class Youden(HeadCriterion):
    """Call a head forgotten when its value lies below the threshold of Youden's index."""

    title: ClassVar[str] = "Youden"

    def label_heads(self, evidence: Evidence) -> HeadLabels:
        """Fit the threshold in sample (`paper`) or without the judged class (`attacker`)."""
        heads = self.heads(evidence)
        degree, called = -heads.value, np.zeros(len(heads.source), dtype=bool)
        everything = np.ones(len(heads.source), dtype=bool)
        folds = [(everything, everything)]
        if evidence.protocol == "attacker":
            folds = heads.leave_class_out(evidence.classes)
        for fit, judged in folds:
            if both_kinds(heads.label[fit]):
                called[judged] = degree[judged] >= youden_threshold(heads.label[fit], degree[fit])
        return HeadLabels(degree, called, heads.source >= 0)


@CRITERIA.register("kmeans")
@dataclass(frozen=True)
class KMeansSplit(HeadCriterion):
    """Split the values of all heads by 2-means and call the lower cluster forgotten; needs no labels."""

    title: ClassVar[str] = "k-means"

    def label_heads(self, evidence: Evidence) -> HeadLabels:
        """Cluster the heads of all classes (heads on unrelated data take no part)."""
        heads = self.heads(evidence)
        judged = heads.source >= 0
        called = np.zeros(len(judged), dtype=bool)
        called[judged] = lower_cluster(heads.value[judged])
        return HeadLabels(-heads.value, called, judged)


@CRITERIA.register("decision_tree")
@dataclass(frozen=True)
class DecisionTree(HeadCriterion):
    """Call a head forgotten when the attack's decision tree puts it into a leaf where most heads are."""

    title: ClassVar[str] = "tree"

    def label_heads(self, evidence: Evidence) -> HeadLabels:
        """Return what the tree of the attack `difference` said of the heads that it judged."""
        heads = self.heads(evidence)
        judged = np.isfinite(heads.value) & (heads.source >= 0)
        share = np.where(judged, heads.value, 0.0)
        return HeadLabels(share, share > 0.5, judged)

    def score(self, evidence: Evidence) -> Floats:
        """Return the mean of the tree's shares over each class's judged heads, 0 for a class without any."""
        heads = self.heads(evidence)
        return np.nan_to_num(heads.class_means(heads.value, evidence.classes))


def judged_by_head(criterion: str, protocol: str) -> bool:
    """Say whether single auxiliary heads are judged, and not classes.

    There alone a placebo informs. By class it is arithmetic: whom a rule accuses on M_o does not depend on which class
    is called forgotten, so that over the classes its balanced accuracy is one half, whatever the attack does.

    >>> judged_by_head("youden", "paper"), judged_by_head("youden", "attacker"), judged_by_head("entropy", "paper")
    (True, False, False)
    """
    return protocol == "paper" and CRITERIA.attribute(criterion, "reads", "") == HeadCriterion.reads
