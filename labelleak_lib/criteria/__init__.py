"""Criteria: rules that turn evidence into the set of classes held to be forgotten. A new one is one new file."""

from labelleak_lib.criteria.base import Criterion, criterion_for
from labelleak_lib.criteria.heads import (
    DecisionTree,
    HeadCriterion,
    HeadLabels,
    KMeansSplit,
    Youden,
    both_kinds,
    leave_class_out,
    lower_cluster,
    youden_threshold,
)
from labelleak_lib.criteria.inversion import EntropyArgmax, EntropyCriterion, Threshold

__all__ = [
    "Criterion",
    "DecisionTree",
    "EntropyArgmax",
    "EntropyCriterion",
    "HeadCriterion",
    "HeadLabels",
    "KMeansSplit",
    "Threshold",
    "Youden",
    "both_kinds",
    "criterion_for",
    "leave_class_out",
    "lower_cluster",
    "youden_threshold",
]
