"""Intervals: Student's t for means over trials, Clopper and Pearson's for counts and shares of clusters."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from labelleak_lib.evidence import Floats

ENOUGH = 5
"""Trials of each data set from which on an interval over trials is shown."""
CLEAR = 5.0
"""Points above the placebo from which on an excess is called clear."""
LEVEL = 0.95


class Interval(NamedTuple):
    """A mean with a 95% interval over `n` trials; NaN where there is no interval."""

    mean: float
    low: float = float("nan")
    high: float = float("nan")
    n: int = 0

    def percent(self, mean: str, low: str, high: str) -> dict[str, float]:
        """Return mean and bounds in percent, as they are, under the names of three columns.

        >>> Interval(0.5, 0.25, 0.75, n=8).percent("measured", "low", "high")
        {'measured': 50.0, 'low': 25.0, 'high': 75.0}
        """
        return {mean: 100 * self.mean, low: 100 * self.low, high: 100 * self.high}


def mean_interval(values: ArrayLike) -> Interval:
    """Return the mean of per-trial `values` (n,) with Student's 95% interval; NaN values are left out.

    One method whatever the values are, so that the bounds are continuous in them: where all trials are equal the
    interval has no width, and where rates are near 1 it can reach beyond (it is cut to the range when it is shown).
    Below `ENOUGH` trials there is none.

    >>> [round(value, 4) for value in mean_interval([1.0, 1.0, 1.0, 1.0, 0.5])[:3]]
    [0.9, 0.6224, 1.1776]
    >>> mean_interval([0.5, 0.5])
    Interval(mean=0.5, low=nan, high=nan, n=2)
    """
    return over_datasets([pd.Series(np.asarray(values, float))])


def over_datasets(groups: Sequence[pd.Series]) -> Interval:
    """Return the mean of the groups' means with Student's 95% interval; a group holds the trials of one data set.

    Trials vary within their data set: the variances of the groups' means add up, with Welch and Satterthwaite's degrees
    of freedom. Where a data set has fewer than `ENOUGH` trials there is no interval.

    >>> over_datasets([pd.Series([0.5, 0.7]), pd.Series([1.0])]).mean
    0.8
    """
    samples = [group.dropna().to_numpy(float) for group in groups]
    samples = [sample for sample in samples if len(sample)]
    if not samples:
        return Interval(float("nan"))
    n, mean = sum(map(len, samples)), float(np.mean([sample.mean() for sample in samples]))
    if min(map(len, samples)) < ENOUGH:
        return Interval(mean, n=n)
    half = _half_width(samples)
    return Interval(mean, mean - half, mean + half, n)


def _half_width(samples: Sequence[Floats]) -> float:
    variances = np.array([sample.var(ddof=1) / len(sample) for sample in samples])
    if not variances.any():
        return 0.0
    freedom = np.array([len(sample) - 1 for sample in samples])
    # of shares, so that nothing underflows
    shares = variances / variances.sum()
    t = stats.t.ppf(0.5 + LEVEL / 2, 1 / (shares**2 / freedom).sum())
    return float(t * np.sqrt(variances.sum()) / len(samples))


def clopper_pearson(hits: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """Return the exact interval of a share, from `hits` of `n` (which need not be whole, see `of_clusters`).

    >>> [round(bound, 4) for bound in clopper_pearson(0, 58)]
    [0.0, 0.0616]
    """
    tail = (1 - level) / 2
    low = 0.0 if hits <= 0 else float(stats.beta.ppf(tail, hits, n - hits + 1))
    high = 1.0 if hits >= n else float(stats.beta.ppf(1 - tail, hits + 1, n - hits))
    return low, high


def clopper_pearson_p(hits: float, n: float, share: float) -> float:
    """Return the two-sided p-value of a `share` under :func:`clopper_pearson`: its level where the share is a bound.

    >>> round(clopper_pearson_p(5, 5, 0.9975), 4), round(clopper_pearson_p(20, 20, 0.6), 6)
    (1.0, 7.3e-05)
    """
    above = 1.0 if hits <= 0 else float(stats.beta.cdf(share, hits, n - hits + 1))
    below = 1.0 if hits >= n else float(stats.beta.sf(share, hits + 1, n - hits))
    return min(1.0, 2 * min(above, below))


def of_clusters(groups: Sequence[pd.Series]) -> tuple[float, float]:
    """Return a 95% interval of the mean of the groups' means, of shares in 0 .. 1 that clusters of outcomes have.

    A group holds the clusters of one data set. Clopper and Pearson's interval with clusters for outcomes, as Korn and
    Graubard do for surveys: however alike the outcomes of a cluster are, a cluster tells at least as much as one
    outcome does, since no share in 0 .. 1 varies more than an outcome of the same mean. With one group, `n` is its
    number of clusters; with several, the number that a single sample of the same precision would have.

    >>> [round(bound, 3) for bound in of_clusters([pd.Series([1.0, 1.0, 0.5, 1.0])])]
    [0.284, 1.0]
    """
    n = len(groups) ** 2 / sum(1 / len(group) for group in groups)
    mean = float(np.mean([group.mean() for group in groups]))
    return clopper_pearson(mean * n, n)


def holm(p_values: ArrayLike) -> Floats:
    """Return Holm's adjusted p-values (n,): those below a level are significant with all n asked at once.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, float)
    order = np.argsort(values, kind="stable")
    raised = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(raised, 1)
    return adjusted


def summarise(records: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """Return mean, low, high and n of `value` over the trials of every group of `by`.

    A trial counts with its mean over what else varies, such as unlearning methods. Intervals as of `mean_interval`.
    """
    trials = records.groupby([*by, "trial"], sort=False)[value].mean().reset_index()
    rows = []
    for key, group in trials.groupby(list(by), sort=False):
        rows.append((*key, *mean_interval(group[value])))
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
