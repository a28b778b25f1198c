"""What each attack needs, and its rates over unlearning methods, trials and data sets beside its placebo."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from labelleak_lib.criteria.heads import judged_by_head
from labelleak_lib.names import PAPER_ROWS, attack_title
from labelleak_lib.paper.published import datasets, published_asr
from labelleak_lib.registry import ATTACKS, CRITERIA
from labelleak_lib.results.intervals import over_datasets
from labelleak_lib.results.leakage import baseline, of_rows

TRIAL = ["dataset", "seed", "trial", "forgotten"]
CONTROL_ROWS = (
    *((name, "two_means") for name in ("direct_probe", "random_inputs", "random_noise", "random_photos")),
    *(("head_bias", "two_means"), ("head_row_sum", "two_means"), ("trivial", "none"), ("random", "above_half")),
)
"""Control and criterion of every row that an attack has to beat."""
SIGHTS = ("answers to queries", "parameters", "a few samples of every class")
GRANTS = {"labels_only": SIGHTS[:1], "black_box": SIGHTS[:1], "white_box": SIGHTS[:2], "white_box_with_samples": SIGHTS}


def access_table() -> pd.DataFrame:
    """Return who can see what: one line an attack x criterion row, from what each attack declares that it needs."""
    table = pd.DataFrame(PAPER_ROWS, columns=["attack", "criterion"])
    granted = table.attack.map(lambda name: GRANTS[ATTACKS[name].access_kind])
    seen = {name: granted.map(lambda held, name=name: "yes" if name in held else "no") for name in SIGHTS}
    return table.assign(attack=table.attack.map(attack_title), criterion=table.criterion.map(CRITERIA.title), **seen)


def passing(records: pd.DataFrame) -> pd.DataFrame:
    """Return the records whose target passes the gate."""
    return records[records.unlearned.astype(bool)]


def of_the_paper(records: pd.DataFrame) -> pd.DataFrame:
    """Return the records of the paper's own data sets: nothing else is pooled where a page compares with it."""
    return records[records.dataset.isin(datasets())]


def attackers(records: pd.DataFrame, attack: str, criterion: str) -> pd.DataFrame:
    """Return the records of one attack x criterion row, decided by class."""
    same = (records.attack == attack) & (records.criterion == criterion)
    return records[same & (records.protocol == "attacker")]


def compare(
    records: pd.DataFrame, value: str, protocol: str, rows: Sequence[tuple[str, str]], unlearning: str = "mean"
) -> pd.DataFrame:
    """Summarise each attack x criterion row over methods, trials and data sets, beside its placebo.

    Of targets that pass the gate. A trial counts with its mean of `value` (a metric, in 0 .. 1) over unlearning
    methods, a data set with its mean over trials, all data sets alike. One line a row that the records hold:
    ``attack criterion trials measured low high ungated placebo placebo_low placebo_high excess excess_low excess_high
    published chance``, in percent. Placebo and excess are NaN where classes are judged (see `judged_by_head`).
    ``ungated`` is the mean over all targets, whether they pass or not. ``published`` is the rate of `unlearning` (a
    method's code, or ``mean``), NaN where `value` is not `asr`, nothing is printed, or a data set is not the
    paper's.
    """
    by = ["attack", "criterion", *TRIAL]
    judged = of_rows(records[records.protocol == protocol], rows)
    everything = judged.pivot_table(value, by, "control", aggfunc="mean").reset_index()
    by_trial = passing(judged).pivot_table(value, by, "control", aggfunc="mean").reset_index()
    by_trial = by_trial.reindex(columns=everything.columns)
    classes, k = int(records.classes.iloc[0]), int(records.k.iloc[0])
    comparable = value == "asr" and set(records.dataset) <= datasets()
    lines = []
    for attack, criterion in rows:
        same, trials = (x[(x.attack == attack) & (x.criterion == criterion)] for x in (everything, by_trial))
        if same.empty:
            continue
        trials = trials.assign(excess=trials["none"] - trials.placebo)
        if not judged_by_head(criterion, protocol):
            trials = trials.assign(placebo=np.nan, excess=np.nan)
        groups = [group for _, group in trials.groupby("dataset")]
        measured, placebo, excess = ([group[column] for group in groups] for column in ("none", "placebo", "excess"))
        printed = published_asr(attack, criterion, unlearning, k) if comparable else None
        lines.append({
            "attack": attack, "criterion": criterion, "trials": int(trials["none"].notna().sum()),
            **over_datasets(measured).percent("measured", "low", "high"),
            "ungated": 100 * same.groupby("dataset")["none"].mean().mean(),
            **over_datasets(placebo).percent("placebo", "placebo_low", "placebo_high"),
            **over_datasets(excess).percent("excess", "excess_low", "excess_high"),
            "published": np.nan if printed is None else printed, "chance": baseline(criterion, protocol, k, classes),
        })  # fmt: skip
    return pd.DataFrame(lines)
