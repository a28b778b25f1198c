"""Lines of defended models and tables of what leaks, made up, that several tests share."""

import json

import numpy as np
import pandas as pd

from labelleak_lib.results import defended

ATTACKS = {
    "passive_answers": "labels_only", "query_reach": "black_box", "gradient_reach": "white_box",
    "missing_by_samples": "samples", "row_distance": "white_box", "class_list": "names",
}  # fmt: skip
"""Attacks, with the access of each."""


def line(named=(), *, attack="passive_answers", code="RT", trial=0, defence="mask", names=range(4), **values):
    """Return one line in which `attack` names the classes `named`; class 2 was forgotten."""
    rule = "reach" if attack.endswith(("reach", "answers")) else "above_half"
    hidden = np.isin(list(names), list(named))
    reach = np.where(hidden, -1.0, 1.0) if rule == "reach" else None
    facts = {
        "dataset": "digits", "profile": "paper", "seed": 0, "trial": trial, "unlearning": code, "forgotten": "2",
        "defence": defence, "parameters": json.dumps({}), "line": f"{trial}-{code}-{defence}",
        "retain_acc_plain": 0.9, "retain_acc_after": 0.9, "forget_acc_before": 0.9,
        "forget_acc_after": 0.0 if code else 0.9, "brier_plain": 0.1, "brier_after": 0.1, "seconds": 1.0,
        "epsilon": float("nan"), "attack": attack, "access": ATTACKS[attack], "criterion": rule, "names": list(names),
        "score": hidden.astype(float) if reach is None else None, "reach": reach, "queries": 9, "adaptive": False,
    }  # fmt: skip
    return facts | values


def lines(*rows):
    return pd.DataFrame(rows)


def leak(defence, hits, n, *, attack="passive_answers", unlearning="RT", dataset="digits", chance=0.1):
    """Return a line of `leaks`: of `n` targets `hits` are named exactly, with silence on M_o."""
    low, high = defended.clopper_pearson(hits, n)
    return {
        "dataset": dataset, "defence": defence, "unlearning": unlearning, "attack": attack,
        "access": defended.ACCESSES[ATTACKS[attack]], "common": attack not in ("row_distance", "class_list"),
        "adaptive": False, "n": n, "exact": hits / n, "first": hits / n, "silent": 1.0, "ranks": False,
        "both": hits / n, "low": low, "high": high, "chance": chance,
        "verdict": defended.verdict(hits / n, low, chance),
    }  # fmt: skip


def cost(table, **points):
    """Return a line of `prices` for every published model of a table of leaks, with `points` by defence, else 0."""
    rows = table.drop_duplicates(defended.UNIT)[defended.UNIT]
    lost = rows.defence.map(points).fillna(0.0)
    return rows.assign(n=5, forgot=5, points=lost, low=lost, high=lost, brier=lost / 100, seconds=1.0, epsilon=np.nan)
