"""Metrics of one cell, and intervals over trials."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, roc_auc_score, roc_curve
from statsmodels.stats.proportion import proportion_confint


class Scores(NamedTuple):
    """Metrics in [0, 1]: `asr` is the paper's attack success rate, right labels over labels."""

    asr: float
    balanced_accuracy: float
    exact_match: float
    auc: float
    tpr_at_5fpr: float


def scores(truth: ArrayLike, called: ArrayLike, degree: ArrayLike, exact: bool) -> Scores:
    """Score labels against the truth.

    Parameters
    ----------
    truth, called : array_like
        bool (n,); what is forgotten, and what was called so (classes, or auxiliary heads).
    degree : array_like
        float (n,); the higher, the more forgotten it looks.
    exact : bool
        Whether the set of classes was found exactly.

    Returns
    -------
    Scores
        AUC and TPR are NaN where only one kind is present or a degree is not finite.
    """
    truth, called, degree = np.asarray(truth, bool), np.asarray(called, bool), np.asarray(degree, float)
    with warnings.catch_warnings():
        # a test split may hold one kind only: the balanced accuracy is then that kind's recall
        warnings.simplefilter("ignore", UserWarning)
        balanced = float(balanced_accuracy_score(truth, called))
    auc, tpr = float("nan"), float("nan")
    if 0 < truth.sum() < len(truth) and np.isfinite(degree).all():
        auc = float(roc_auc_score(truth, degree))
        false_positive, true_positive, _ = roc_curve(truth, degree, drop_intermediate=False)
        tpr = float(true_positive[false_positive <= 0.05].max())
    return Scores(float((truth == called).mean()), balanced, float(exact), auc, tpr)


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
