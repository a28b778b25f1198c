"""Means over trials with their intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.stats.proportion import proportion_confint


def over_trials(values: pd.Series, *, plain: bool = False) -> Interval:
    """Return mean and 95% interval of per-trial `values`; without an interval (NaN) for a single trial.

    Rates that are 0 or 1 in every trial get Wilson's interval. `plain` values (accuracies, differences) do not: when
    they are equal, they say nothing about their spread.
    """
    if len(values) < 2 or (plain and values.nunique() == 1):
        return Interval(float(values.mean()), float("nan"), float("nan"), len(values))
    return mean_interval(values)


class Interval(NamedTuple):
    """A mean with a 95% interval over `n` trials."""

    mean: float
    low: float
    high: float
    n: int


def mean_interval(values: ArrayLike, *, seed: int = 0) -> Interval:
    """Return the mean of per-trial `values` with its 95% interval.

    The BCa bootstrap of scipy; Wilson's interval where all values are 0 or 1, which the bootstrap would call certain
    when they are equal. NaN where neither says anything: other equal values, or a single trial.
    """
    x = np.asarray(values, float)
    x = x[np.isfinite(x)]
    if len(x) == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    mean = float(x.mean())
    if np.isin(x, (0, 1)).all():
        low, high = proportion_confint(int(x.sum()), len(x), method="wilson")
        return Interval(mean, float(low), float(high), len(x))
    if len(x) < 2 or np.ptp(x) == 0:
        return Interval(mean, float("nan"), float("nan"), len(x))
    method = "BCa" if len(x) > 2 else "percentile"
    found = stats.bootstrap((x,), np.mean, method=method, rng=np.random.default_rng(seed)).confidence_interval
    low, high = (float(found.low), float(found.high)) if np.isfinite(found.low) else (float(x.min()), float(x.max()))
    return Interval(mean, low, high, len(x))


def summarise(records: pd.DataFrame, by: list[str], value: str = "asr") -> pd.DataFrame:
    """Return mean, low, high and n of `value` over the trials of every group of `by`."""
    rows = [
        {
            **dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True)),
            **mean_interval(group[value])._asdict(),
        }
        for key, group in records.groupby(by, sort=False, observed=True)
    ]
    return pd.DataFrame(rows, columns=[*by, "mean", "low", "high", "n"])


def excess_over_placebo(records: pd.DataFrame, value: str = "asr") -> pd.DataFrame:
    """Return `value` of each record minus that of its placebo, paired by trial.

    Raises
    ------
    ValueError
        If a record has no placebo beside it.
    """
    keys = [
        "dataset",
        "profile",
        "seed",
        "trial",
        "forgotten",
        "unlearning",
        "attack",
        "criterion",
        "protocol",
    ]
    attacks = records[records.control == "none"]
    placebo = records[records.control == "placebo"][[*keys, value]]
    joined = attacks.merge(
        placebo, on=keys, how="left", suffixes=("", "_placebo"), validate="one_to_one", indicator="_paired"
    )
    missing = joined.pop("_paired") == "left_only"
    if missing.any():
        raise ValueError(
            f"{int(missing.sum())} records have no placebo beside them; "
            f"the first: {joined[missing].iloc[0][keys].to_dict()}"
        )
    return joined.assign(excess=joined[value] - joined[f"{value}_placebo"])
