"""Where the two screening criteria of IV-C4 must fail, whatever the model leaks."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from labelleak_lib.checks import require, require_int, require_number
from labelleak_lib.theory.heads import Array


def below_threshold(maxima: ArrayLike, alpha: float) -> NDArray[np.bool_]:
    """Return which classes lie below mu - alpha sigma (equations 27 to 30), for maxima (..., C) in [0, 1]."""
    values = np.asarray(maxima, dtype=np.float64)
    mean, deviation = values.mean(axis=-1, keepdims=True), values.std(axis=-1, keepdims=True)
    return values < mean - alpha * deviation


def collapse_fraction(alpha: float, noise: float = 0.0) -> float:
    """Return the share q* = k/C of forgotten classes from which the threshold criterion finds none.

    Without noise q* = 1 / (1 + alpha^2). With noise it is where the threshold meets the forgotten classes'
    mean, so that half of them are found (many classes).

    Parameters
    ----------
    alpha : float, positive
    noise : float, at least 0
        Standard deviation of the maxima within each group over the distance between the groups' means.

    Returns
    -------
    float in [0, 1); 0 where the noise alone hides the forgotten classes

    Raises
    ------
    ValueError
        If alpha is not positive or noise is negative.
    """
    require_number("alpha", alpha, above=0)
    require_number("noise", noise, low=0)
    # (1-q)^2 = alpha^2 (q (1-q) + noise^2), the smaller root.
    a, b, c = 1 + alpha**2, 2 + alpha**2, 1 - (alpha * noise) ** 2
    return max(0.0, float((b - np.sqrt(b**2 - 4 * a * c)) / (2 * a)))


def expected_detection(classes: int, forgotten: int, alpha: float, miss: float, leak: float) -> tuple[float, float]:
    """Return the threshold criterion's expected recall and false-alarm rate when inversions fail at random.

    Each retained class is inverted (maximum near 1) with probability 1 - miss, each forgotten one with
    probability leak. Exact: the number of failed inversions is a sum of two binomials. The values of the
    two maxima cancel, since mu - alpha sigma moves with them.

    Parameters
    ----------
    classes, forgotten : int
        C and k, 0 < k < C.
    alpha : float, positive
    miss, leak : float in [0, 1]

    Returns
    -------
    recall, false_alarm : float in [0, 1]

    Raises
    ------
    ValueError
        If forgotten lies outside (0, classes).
    """
    require_int("classes", classes, low=2)
    require_int("forgotten", forgotten, low=1, high=classes - 1)
    retained = classes - forgotten

    def still_works(others_forgotten: int, others_retained: int) -> float:
        failed = np.convolve(
            binom.pmf(np.arange(others_forgotten + 1), others_forgotten, 1 - leak),
            binom.pmf(np.arange(others_retained + 1), others_retained, miss),
        )
        count = 1 + np.arange(len(failed))
        return float(failed[count * (1 + alpha**2) < classes].sum())

    return (1 - leak) * still_works(forgotten - 1, retained), miss * still_works(forgotten, retained - 1)


def sorted_ipv(maximum: ArrayLike, classes: int) -> Array:
    """Return sorted IPVs (..., C) with the given maxima (...) in [1/C, 1] and the rest spread evenly.

    They lie on one line, so that two-means on them is two-means on the maxima.
    """
    top = np.asarray(maximum, dtype=np.float64)[..., None]
    return np.concatenate([top, np.repeat((1 - top) / (classes - 1), classes - 1, axis=-1)], axis=-1)


def two_means_split(values: ArrayLike) -> int:
    """Return how many of the smallest values form the lower cluster of the optimal two-means split.

    On a line the clusters are intervals, so the best of the n - 1 cuts is the optimum: the cut with the
    largest n_low n_high (mean_high - mean_low)^2. Both clusters hold a value always: where nothing was
    forgotten the entropy criterion accuses at least one class.

    Raises
    ------
    ValueError
        If there are fewer than two values.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    count = len(ordered)
    require(count >= 2, "number of values", count, "at least 2")
    low = np.arange(1, count)
    total = np.cumsum(ordered)
    difference = (total[-1] - total[:-1]) / (count - low) - total[:-1] / low
    return int(low[np.argmax(low * (count - low) * difference**2)])


def criterion_sweep(
    classes: int,
    alphas: tuple[float, ...],
    miss: float,
    leak: float,
    draws: int,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Simulate both criteria for k = 1 to C - 1 forgotten classes, with inversions that fail at random.

    A successful inversion has the maximum 0.99, a failed one 0.3: any two values give the same decisions.

    Returns
    -------
    DataFrame with columns k, criterion, predicted (closed form) and measured share of forgotten classes
    found, limit (C / (1 + alpha^2); not a number for two-means, which has none)
    """
    rows = []
    for k in range(1, classes):
        chance = np.where(np.arange(classes) < k, leak, 1 - miss)
        maxima = np.where(generator.random((draws, classes)) < chance, 0.99, 0.3)
        for alpha in alphas:
            recall = expected_detection(classes, k, alpha, miss, leak)[0]
            found = below_threshold(maxima, alpha)[:, :k].mean()
            rows.append((k, f"threshold, alpha = {alpha}", recall, found, classes * collapse_fraction(alpha)))
        # Two-means on two values cuts between them; on one value any cut is arbitrary and counts as none.
        both = maxima.min(axis=1) < maxima.max(axis=1)
        mixed = 1 - leak - (1 - leak) ** k * miss ** (classes - k)
        found = ((maxima[:, :k] < 0.5) & both[:, None]).mean()
        rows.append((k, "entropy (two-means)", mixed, found, np.nan))
    return pd.DataFrame(rows, columns=["k", "criterion", "predicted", "measured", "limit"])
