"""What stored evidence says about many forgotten classes: the threshold's collapse, and rules that do not collapse."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score

from labelleak_lib.names import ATTACK_NAMES
from labelleak_lib.results.inverted import kinds
from labelleak_lib.results.markdown import span
from labelleak_lib.theory.collapse import below_threshold, collapse_fraction, two_means_split
from labelleak_lib.trials.records import with_cells

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
TIE = 1e-6


def stored_ipvs(records: pd.DataFrame, evidence: pd.DataFrame) -> pd.DataFrame:
    """Return every stored set of inverted prediction vectors, of target models and of placebos, one row each.

    Parameters
    ----------
    records, evidence : DataFrame
        Of `sweep.collect` or of a record store.

    Returns
    -------
    DataFrame
        Columns ``attack control unlearning trial k forgotten`` (bool (C,)) and ``ipv`` (float (C, C)).
    """
    rows = []
    for row, ipv, cell in with_cells(evidence[evidence.kind == "ipv"], records):
        found = {"attack": row["attack"], "control": row["control"], "unlearning": cell.unlearning}
        found |= {"trial": int(cell.trial), "k": int(cell.k)}
        rows.append(found | {"forgotten": kinds(len(ipv), cell.forgotten) == "forgotten", "ipv": ipv})
    return pd.DataFrame(rows, columns=["attack", "control", "unlearning", "trial", "k", "forgotten", "ipv"])


def alpha_sweep(stored: pd.DataFrame, alphas: Sequence[float]) -> pd.DataFrame:
    """Apply the threshold criterion with every alpha to the target models' maxima, and predict whether it can work.

    Parameters
    ----------
    stored : DataFrame
        Of :func:`stored_ipvs`.
    alphas : sequence of float
        Positive.

    Returns
    -------
    DataFrame
        One row a stored set and alpha: ``attack unlearning trial k alpha``, ``recall`` (share of the forgotten classes
        found), ``limit`` (C / (1 + alpha^2)), ``noisy_limit`` (with the spread within each kind, see
        `collapse_fraction`), ``works`` (more than half found).
    """
    rows = []
    for cell in stored[stored.control == "none"].to_dict("records"):
        peak, lost = cell["ipv"].max(1), cell["forgotten"]
        distance = peak[~lost].mean() - peak[lost].mean()
        inner = np.where(lost, peak - peak[lost].mean(), peak - peak[~lost].mean()).std()
        noise = float(inner / distance) if distance > 0 else 1e3
        shared = {name: cell[name] for name in ("attack", "unlearning", "trial", "k")}
        for alpha in map(float, alphas):
            recall, limit = below_threshold(peak, alpha)[lost].mean(), len(peak) * collapse_fraction(alpha)
            noisy = len(peak) * collapse_fraction(alpha, noise)
            found = {"recall": recall, "limit": limit, "noisy_limit": noisy, "works": recall > 0.5}
            rows.append({**shared, "alpha": alpha, **found})
    return pd.DataFrame(rows)


def agreement(swept: pd.DataFrame) -> pd.DataFrame:
    """Count by attack how often the criterion works exactly where the prediction says so; ties at the limit left out.

    Returns
    -------
    DataFrame
        ``attack cells share share_noisy``: share of (stored set, alpha) in which the prediction without, and with, the
        spread within each kind holds.
    """
    rows = []
    for attack, group in swept.groupby("attack", sort=False):
        shares = []
        for column in ("limit", "noisy_limit"):
            clear = group[(group.k - group[column]).abs() > TIE]
            shares.append(float((clear.works == (clear.k < clear[column])).mean()))
        rows.append({"attack": attack, "cells": len(group), "share": shares[0], "share_noisy": shares[1]})
    return pd.DataFrame(rows)


def _lowest(values: Floats) -> Bools:
    """Return the lower of two clusters of values (C,), none if all are equal."""
    called = np.zeros(len(values), dtype=bool)
    called[np.argsort(values, kind="stable")[: two_means_split(values)]] = np.ptp(values) > 0
    return called


# each maps IPVs (C, C) to the classes called forgotten, bool (C,)
RULES: dict[str, Callable[[Floats], Bools]] = {
    "threshold": lambda ipv: below_threshold(ipv.max(1), 1.0),
    "two-means on maxima": lambda ipv: _lowest(ipv.max(1)),
    "two-means on the class aimed at": lambda ipv: _lowest(np.diagonal(ipv)),
}


def rules_by_k(stored: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """Judge stored vectors by rules with and without mean and deviation, beside the direct probe.

    Returns
    -------
    DataFrame
        ``attack rule control k trial balanced_accuracy``, one row a stored set and rule; the direct probe's stand
        under each attack.
    """
    rows = [
        {"attack": cell["attack"], "rule": rule, "control": cell["control"], "k": cell["k"], "trial": cell["trial"],
         "balanced_accuracy": balanced_accuracy_score(cell["forgotten"], decide(cell["ipv"]))}
        for cell in stored.to_dict("records") for rule, decide in RULES.items()
    ]  # fmt: skip
    probe = records[(records.attack == "direct_probe") & (records.criterion == "two_means")]
    probe = probe[probe.protocol == "attacker"][["control", "k", "trial", "balanced_accuracy"]]
    parts = [probe.assign(attack=attack, rule="direct probe") for attack in stored.attack.unique()]
    return pd.concat([pd.DataFrame(rows), *parts], ignore_index=True)


def answers(records: pd.DataFrame, evidence: pd.DataFrame, alphas: Sequence[float]) -> str:
    """Return a table of balanced accuracy by rule and k, and how often the predicted collapse comes true.

    Parameters
    ----------
    records, evidence : DataFrame
        Of one data set in a record store.
    alphas : sequence of float
        Of the threshold criterion, positive.

    Returns
    -------
    str
        Markdown: balanced accuracy in percent, averaged over trials and methods, of target models and of placebos,
        then two sentences.
    """
    stored = stored_ipvs(records, evidence)
    judged = rules_by_k(stored, records).replace({"attack": ATTACK_NAMES, "control": {"none": "target"}})
    means = judged.pivot_table("balanced_accuracy", ["attack", "rule", "control"], "k", sort=False).sort_index(axis=1)
    table = (100 * means).reset_index().to_markdown(index=False, floatfmt=".0f")
    tested = agreement(alpha_sweep(stored, alphas)).replace({"attack": ATTACK_NAMES})
    lines = tested.to_dict("records")
    right = "; ".join(f"{line['attack']} {100 * line['share']:.1f}% of {line['cells']} cases" for line in lines)
    trials = records.groupby("k").trial.nunique()
    return f"{table}\n\nTrials: {span(trials)} a $k$. The prediction is right for {right}."
