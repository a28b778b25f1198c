"""Attacks summarised over unlearning methods, trials and data sets, each beside its placebo."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from labelleak_lib.paper.published import published_asr
from labelleak_lib.results.intervals import Interval, over_trials
from labelleak_lib.results.leakage import baseline
from labelleak_lib.trials.settings import PAPER_ROWS

TRIAL = ["dataset", "seed", "trial", "forgotten"]
CONTROL_ROWS = (
    *((name, "two_means") for name in ("direct_probe", "random_inputs", "random_noise", "random_photos")),
    *(("head_bias", "two_means"), ("head_row_sum", "two_means"), ("trivial", "none"), ("random", "above_half")),
)
"""Control and criterion of every row that an attack has to beat."""
ENOUGH = 3
"""Trials from which on an interval says something."""
UNITS = ("success rate, ASR (%)", "balanced accuracy (%)")
"""What the two panels of :func:`judged_both_ways` measure."""


def judged_both_ways(
    records: pd.DataFrame, *, extra: Sequence[tuple[str, str]] = (), unlearning: str = "mean"
) -> dict[str, pd.DataFrame]:
    """Return the two panels of `attack_rows`: success rates as published, and balanced accuracy of an attacker.

    Parameters
    ----------
    records : DataFrame
        As for :func:`compare`.
    extra : sequence of (str, str)
        Controls that the second panel shows below the paper's rows.
    unlearning : str
        As for :func:`compare`.
    """
    attacker = compare(records, "balanced_accuracy", "attacker", (*PAPER_ROWS, *extra))
    return {
        "judged as published": compare(records, "asr", "paper", PAPER_ROWS, unlearning),
        "judged as an attacker could": attacker.assign(chance=50.0),
    }


def compare(
    records: pd.DataFrame, value: str, protocol: str, rows: Sequence[tuple[str, str]], unlearning: str = "mean"
) -> pd.DataFrame:
    """Summarise each attack x criterion row over methods, trials and data sets, beside its placebo.

    A trial counts with its mean over unlearning methods, a data set with its mean over trials, all data sets alike.

    Parameters
    ----------
    records : DataFrame
        With `records.COLUMNS`, the placebo of every record among them.
    value : str
        A metric's column, in 0 .. 1.
    protocol : {"paper", "attacker"}
    rows : sequence of (str, str)
        Attack and criterion.
    unlearning : str
        Whose published rate to show: a method's code, or ``mean`` over the five.

    Returns
    -------
    DataFrame
        One line a row that the records hold: ``attack criterion measured low high placebo placebo_low placebo_high
        excess excess_low excess_high published chance``, in percent. ``published`` is NaN where `value` is
        not `asr`, or nothing is printed.
    """
    chosen = records[records.protocol == protocol]
    by_trial = chosen.pivot_table(value, ["attack", "criterion", *TRIAL], "control", aggfunc="mean").reset_index()
    classes, k = int(records.classes.iloc[0]), int(records.k.iloc[0])
    lines = []
    for attack, criterion in rows:
        trials = by_trial[(by_trial.attack == attack) & (by_trial.criterion == criterion)]
        if trials.empty:
            continue
        line: dict[str, object] = {"attack": attack, "criterion": criterion}
        excess = trials.assign(excess=trials["none"] - trials.placebo)
        for name, low, high, column in (
            ("measured", "low", "high", "none"),
            ("placebo", "placebo_low", "placebo_high", "placebo"),
            ("excess", "excess_low", "excess_high", "excess"),
        ):
            by_dataset = [group[column] for _, group in excess.groupby("dataset")]
            found = over_datasets(by_dataset, plain=name == "excess")
            line |= {name: 100 * found.mean, low: 100 * found.low, high: 100 * found.high}
        printed = published_asr(attack, criterion, unlearning, k) if value == "asr" else None
        line["published"] = np.nan if printed is None else printed
        lines.append(line | {"chance": baseline(criterion, protocol, k, classes)})
    return pd.DataFrame(lines)


def over_datasets(groups: Sequence[pd.Series], *, plain: bool = False) -> Interval:
    """Return the mean of the groups' means with a 95% interval: trials are drawn anew within each data set.

    One group, or equal values throughout, are left to `tables.over_trials`. Below `ENOUGH` trials, or with a group of
    one, there is no interval.
    """
    values = pd.concat(groups)
    mean = float(np.mean([group.mean() for group in groups]))
    if len(values) < ENOUGH:
        return Interval(mean, float("nan"), float("nan"), len(values))
    if len(groups) == 1 or values.nunique() == 1:
        return over_trials(values, plain=plain)
    if min(map(len, groups)) < 2:
        return Interval(mean, float("nan"), float("nan"), len(values))

    def statistic(*samples: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.mean([sample.mean(axis=axis) for sample in samples], axis=0)

    samples = [group.to_numpy(float) for group in groups]
    drawn = stats.bootstrap(samples, statistic, method="percentile", rng=np.random.default_rng(0)).confidence_interval
    return Interval(mean, float(drawn.low), float(drawn.high), len(values))
