"""What leaks, for whoever holds the original model and the truth: each reading on the target, and on the original."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from labelleak_lib.audit.report import AuditReport
from labelleak_lib.criteria.scores import AboveHalf, TwoMeans
from labelleak_lib.evidence import Evidence, Floats

READINGS = {
    "head_bias": "head",
    "head_row_sum": "head",
    "dot_product": "head and samples",
    "difference": "head and samples",
}
"""Readings of the last layer, and the access that each needs."""
COLUMNS = ("reading", "access", "auc", "named", "exact", "accused")


@dataclass(frozen=True)
class Reading:
    """One way of reading both models.

    Parameters
    ----------
    name, access : str
        What is read, and what it needs.
    score : ndarray
        float (C,); of the target, the higher the more forgotten.
    named : frozenset of int
        What its rule names on the target.
    accused : frozenset of int, optional
        What it names on the original, from which nothing was forgotten; None where it needs both models.
    """

    name: str
    access: str
    score: Floats
    named: frozenset[int]
    accused: frozenset[int] | None


def leaks(audited: Sequence[tuple[str, AuditReport, AuditReport]], forgotten: frozenset[int]) -> pd.DataFrame:
    """Return `table` for (access, report on the target, report on its original), one entry or more.

    The class tables of the last entry are read, too.
    """
    _, target, original = audited[-1]
    verdicts = [_by_verdict(*each) for each in audited]
    return table([*verdicts, *by_columns(target.classes, original.classes)], forgotten)


def _by_verdict(access: str, target: AuditReport, original: AuditReport) -> Reading:
    return Reading("reach", access, -target.classes.reach.to_numpy(float), target.forgotten, original.forgotten)


def table(read: Iterable[Reading], forgotten: frozenset[int]) -> pd.DataFrame:
    """Judge readings by the truth.

    Returns
    -------
    DataFrame
        One line a reading: ``reading access auc named exact accused``. `auc` is how well the score ranks the
        forgotten classes above the others; `named` and `accused` are sorted tuples, `accused` None where the original
        is part of the reading; `exact` is whether just the forgotten classes are named.
    """
    lines = []
    for each in read:
        truth = np.isin(np.arange(len(each.score)), sorted(forgotten))
        ranked = np.nan_to_num(each.score, nan=np.nanmin(each.score))
        lines.append({
            "reading": each.name, "access": each.access, "auc": float(roc_auc_score(truth, ranked)),
            "named": tuple(sorted(each.named)), "exact": each.named == forgotten,
            "accused": None if each.accused is None else tuple(sorted(each.accused)),
        })  # fmt: skip
    return pd.DataFrame(lines, columns=list(COLUMNS))


def by_columns(target: pd.DataFrame, original: pd.DataFrame) -> list[Reading]:
    """Return what stands in the class tables of both audits: readings of the head, accuracy, and the two compared.

    Scores are split by 2-means, which always names some class, accuracies at one half.
    """
    c = len(target)
    two, half = TwoMeans(), AboveHalf()
    read = []
    for name, access in READINGS.items():
        if name in target and name in original:
            own, other = (Evidence(name, c, each[name].to_numpy(float)) for each in (target, original))
            read.append(Reading(name, access, own.score, two.decide(own), two.decide(other)))
    if "accuracy" in target:
        own, other = (Evidence("accuracy", c, 1 - each.accuracy.to_numpy(float)) for each in (target, original))
        read.append(Reading("accuracy", "samples", own.score, half.decide(own), half.decide(other)))
    lost = Evidence("reach lost", c, (original.reach - target.reach).to_numpy(float))
    return [*read, Reading("reach lost", "both models", lost.score, two.decide(lost), None)]
