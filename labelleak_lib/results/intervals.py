"""Means over trials with their intervals."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

ENOUGH = 3
"""Trials from which on an interval over trials or data sets is shown."""
CLEAR = 5.0
"""Points above the placebo from which on an excess is called clear."""


class Interval(NamedTuple):
    """A mean with a 95% interval over `n` trials; NaN where there is no interval."""

    mean: float
    low: float = float("nan")
    high: float = float("nan")
    n: int = 0

    def percent(self, mean: str, low: str, high: str) -> dict[str, float]:
        """Return mean and bounds in percent under the names of three columns.

        >>> Interval(0.5, 0.25, 0.75, n=8).percent("measured", "low", "high")
        {'measured': 50.0, 'low': 25.0, 'high': 75.0}
        """
        return {mean: 100 * self.mean, low: 100 * self.low, high: 100 * self.high}


def mean_interval(values: ArrayLike, *, seed: int = 0) -> Interval:
    """Return the mean of per-trial `values` (n,) with its 95% interval.

    The BCa bootstrap of scipy; Wilson's interval where all values are 0 or 1, which the bootstrap would call certain
    when they are equal. NaN where neither says anything: other equal values, or a single trial.

    >>> [round(value, 4) for value in mean_interval([1.0, 1.0, 1.0, 0.0])[:3]]
    [0.75, 0.3006, 0.9544]
    >>> mean_interval([0.5, 0.5])
    Interval(mean=0.5, low=nan, high=nan, n=2)
    """
    x = np.asarray(values, float)
    x = x[np.isfinite(x)]
    if len(x) == 0:
        return Interval(float("nan"))
    mean = float(x.mean())
    if np.isin(x, (0, 1)).all():
        wilson = stats.binomtest(int(x.sum()), len(x)).proportion_ci(method="wilson")
        return Interval(mean, float(wilson.low), float(wilson.high), len(x))
    if len(x) < 2 or np.ptp(x) == 0:
        return Interval(mean, n=len(x))
    method = "BCa" if len(x) > 2 else "percentile"
    bounds = stats.bootstrap((x,), np.mean, method=method, rng=np.random.default_rng(seed)).confidence_interval
    low, high = bounds if np.isfinite(bounds.low) else (x.min(), x.max())
    return Interval(mean, float(low), float(high), len(x))


def over_trials(values: pd.Series, *, plain: bool = False) -> Interval:
    """Return :func:`mean_interval`, but NaN for a single trial, and for equal `plain` values.

    Plain are accuracies and differences: when they are 0 or 1 in every trial, that says nothing about their spread.
    """
    if len(values) < 2 or (plain and values.nunique() == 1):
        return Interval(float(values.mean()), n=len(values))
    return mean_interval(values)


def over_datasets(groups: Sequence[pd.Series], *, plain: bool = False) -> Interval:
    """Return the mean of the groups' means with a 95% interval: trials are drawn anew within each data set.

    One group, or equal values throughout, are left to `over_trials`. Below `ENOUGH` trials, or with a group of one,
    there is no interval.

    >>> over_datasets([pd.Series([0.5, 0.7]), pd.Series([1.0])]).mean
    0.8
    """
    values, mean = pd.concat(groups), float(np.mean([group.mean() for group in groups]))
    if len(values) >= ENOUGH and (len(groups) == 1 or values.nunique() == 1):
        return over_trials(values, plain=plain)
    if len(values) < ENOUGH or min(map(len, groups)) < 2:
        return Interval(mean, n=len(values))

    def statistic(*samples: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.mean([sample.mean(axis=axis) for sample in samples], axis=0)

    samples = [group.to_numpy(float) for group in groups]
    drawn = stats.bootstrap(samples, statistic, method="percentile", rng=np.random.default_rng(0)).confidence_interval
    return Interval(mean, float(drawn.low), float(drawn.high), len(values))


def clopper_pearson(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share, from `hits` of `n`.

    >>> [round(bound, 4) for bound in clopper_pearson(0, 58)]
    [0.0, 0.0616]
    """
    interval = stats.binomtest(hits, n).proportion_ci(level, method="exact")
    return float(interval.low), float(interval.high)


def summarise(records: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """Return mean, low, high and n of `value` over the trials of every group of `by`.

    A trial counts with its mean over what else varies, such as unlearning methods. Below `ENOUGH` trials there is no
    interval (NaN).
    """
    trials = records.groupby([*by, "trial"], sort=False)[value].mean().reset_index()
    rows = []
    for key, group in trials.groupby(list(by), sort=False):
        found = mean_interval(group[value])
        rows.append((*key, *(found if found.n >= ENOUGH else Interval(found.mean, n=found.n))))
    return pd.DataFrame(rows, columns=[*by, *Interval._fields])


def excess_over_placebo(records: pd.DataFrame, value: str = "asr") -> pd.DataFrame:
    """Add `value` of each record's placebo and, as ``excess``, the difference; a record without one is a ValueError."""
    keys = ["dataset", "profile", "seed", "trial", "forgotten", "unlearning", "attack", "criterion", "protocol"]
    placebo = records[records.control == "placebo"][[*keys, value]]
    joined = records[records.control == "none"].merge(
        placebo, on=keys, how="left", suffixes=("", "_placebo"), validate="one_to_one", indicator="_paired"
    )
    missing = joined.pop("_paired") == "left_only"
    if missing.any():
        first = joined[missing].iloc[0][keys].to_dict()
        raise ValueError(f"{missing.sum()} records have no placebo beside them; the first: {first}")
    return joined.assign(excess=joined[value] - joined[f"{value}_placebo"])
