"""The exact arithmetic of the criteria, on plain arrays: thresholds, two-means, Youden's index."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelleak_lib.checks import require

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

EXACT_ROWS = 12
"""Rows up to which two-means of vectors tries every split."""
MOST_STARTS = 64


def below_threshold(maxima: ArrayLike, alpha: float) -> Bools:
    """Return which classes lie below mu - alpha sigma (equations 27 to 30), for maxima (..., C) in [0, 1].

    >>> below_threshold([0.99, 0.98, 0.3, 0.99], alpha=1.0).tolist()
    [False, False, True, False]
    """
    values = np.asarray(maxima, dtype=np.float64)
    mean, deviation = values.mean(axis=-1, keepdims=True), values.std(axis=-1, keepdims=True)
    return values < mean - alpha * deviation


def two_means_split(values: ArrayLike) -> int:
    """Return how many of the smallest values form the lower cluster of the optimal two-means split.

    On a line the clusters are intervals, so the best of the n - 1 cuts is the optimum: the cut with the
    largest n_low n_high (mean_high - mean_low)^2. Both clusters hold a value always: where nothing was
    forgotten the entropy criterion accuses at least one class.

    >>> two_means_split([5.0, 0.1, 4.8, 0.3, 5.1])
    2

    Raises
    ------
    ValueError
        If there are fewer than two values.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    count = len(ordered)
    require(count >= 2, "number of values", count, "at least 2")
    low = np.arange(1, count)
    # from the mean, so that a common offset costs no digits; twice, since the first mean is rounded to the offset's
    centred = ordered - ordered.mean()
    total = np.cumsum(centred - centred.mean())
    difference = -total[:-1] / (count - low) - total[:-1] / low
    return int(low[np.argmax(low * (count - low) * difference**2)])


def lower_cluster(values: ArrayLike) -> Bools:
    """Return which of `values` (n,) fall into the lower of two clusters (none if all are equal).

    >>> lower_cluster([5.0, 0.1, 4.8]).tolist(), lower_cluster([1.0, 1.0]).tolist()
    ([False, True, False], [False, False])
    """
    numbers = np.asarray(values, dtype=np.float64)
    if len(numbers) < 2 or np.ptp(numbers) == 0:
        return np.zeros(len(numbers), dtype=bool)
    return numbers <= np.sort(numbers)[two_means_split(numbers) - 1]


def two_clusters(rows: ArrayLike) -> Bools:
    """Return one side of the two-means split of `rows` (n, p), n at least 2: bool (n,), True and False both occur.

    The split with the least sum of squares. Up to `EXACT_ROWS` rows all splits are tried; beyond, the best that Lloyd's
    algorithm reaches from cuts along the first principal axis. No seed enters either.
    """
    vectors = np.asarray(rows, dtype=np.float64)
    n = len(vectors)
    require(n >= 2, "number of rows", n, "at least 2")
    centred = vectors - vectors.mean(axis=0)
    if n <= EXACT_ROWS:
        sides = (np.arange(1, 2 ** (n - 1))[:, None] >> np.arange(n)) & 1 == 1
    else:
        along = np.argsort(np.argsort(centred @ np.linalg.svd(centred, full_matrices=False)[2][0], kind="stable"))
        sides = along < np.unique(np.linspace(1, n - 1, MOST_STARTS).astype(int))[:, None]
        sides = np.concatenate([_lloyd(centred, sides), sides])  # rows that are nearly equal leave Lloyd no second side
    return np.asarray(sides[np.argmax(_between(centred, sides))])


def _between(centred: Floats, sides: Bools) -> Floats:
    """Return the sum of squares between the two sides of every split (s, n) of rows (n, p) whose mean is zero."""
    n, size = len(centred), sides.sum(axis=1)
    proper = (size > 0) & (size < n)
    sums = ((sides @ centred) ** 2).sum(axis=1)
    return np.where(proper, sums * n / np.maximum(size * (n - size), 1), -np.inf)


def _lloyd(centred: Floats, sides: Bools) -> Bools:
    n = len(centred)
    for _ in range(100):
        size, sums = sides.sum(axis=1, keepdims=True), sides @ centred
        here, there = sums / np.maximum(size, 1), -sums / np.maximum(n - size, 1)
        nearer = 2 * (here - there) @ centred.T > (here**2 - there**2).sum(axis=1, keepdims=True)
        if (nearer == sides).all():
            break
        sides = nearer
    return sides


def apart(values: ArrayLike, separation: float) -> Bools:
    """Return which of `values` (n,) lie in the lower of two clusters, if these are far enough apart; else none.

    Far enough: the clusters' means differ by at least `separation` pooled standard deviations within the clusters.

    >>> apart([5.0, 0.1, 4.8, 5.1], separation=6.0).tolist(), apart([5.0, 4.6, 4.8, 5.1], separation=6.0).tolist()
    ([False, True, False, False], [False, False, False, False])
    """
    numbers = np.asarray(values, dtype=np.float64)
    low = lower_cluster(numbers)
    if not low.any():
        return low
    within = np.sqrt((low.sum() * numbers[low].var() + (~low).sum() * numbers[~low].var()) / len(numbers))
    return low & (numbers[~low].mean() - numbers[low].mean() >= separation * within)


def gap_ratio(values: ArrayLike) -> float:
    """Return how many times as wide the widest gap between neighbouring `values` (n,) is as the next; 1 where equal.

    >>> gap_ratio([5.0, 0.0, 4.0, 6.0]), gap_ratio([1.0, 1.0])
    (4.0, 1.0)
    """
    gaps = np.sort(np.diff(np.sort(np.asarray(values, dtype=np.float64))))
    if len(gaps) < 2 or gaps[-1] == 0:
        return 1.0
    return float(gaps[-1] / gaps[-2]) if gaps[-2] > 0 else float("inf")


def below_gap(values: ArrayLike, ratio: float) -> Bools:
    """Return which of `values` (n,) lie below the widest gap, if it is `ratio` times as wide as the next; else none.

    >>> below_gap([5.0, 0.1, 4.8, 5.1], ratio=3.0).tolist(), below_gap([5.0, 4.6, 4.8, 5.1], ratio=3.0).tolist()
    ([False, True, False, False], [False, False, False, False])
    """
    numbers = np.asarray(values, dtype=np.float64)
    ordered = np.sort(numbers)
    gaps = np.diff(ordered)
    if len(gaps) < 2 or gaps.max() == 0 or gap_ratio(numbers) < ratio:
        return np.zeros(len(numbers), dtype=bool)
    return np.asarray(numbers <= ordered[gaps.argmax()])


def youden_threshold(label: ArrayLike, degree: ArrayLike) -> float:
    """Return the threshold on `degree` (m,) that maximises sensitivity + specificity - 1 (Youden, 1950).

    `label` (m,) is 1 for the side that lies above. The threshold lies midway between the two neighbouring degrees; of
    several best ones it is the highest.

    >>> youden_threshold([0, 0, 1, 1], [0.1, 0.3, 0.5, 0.9])
    0.4
    """
    labels, degrees = np.asarray(label), np.asarray(degree, dtype=np.float64)
    order = np.argsort(-degrees, kind="stable")
    ordered, positive = degrees[order], labels[order] == 1
    last = np.append(np.diff(ordered) != 0, True)
    # a threshold at each distinct degree calls everything from there up; times both counts, so that what is equal
    # is not told apart by rounding
    gains = np.cumsum(positive)[last] * (~positive).sum() - np.cumsum(~positive)[last] * positive.sum()
    distinct = ordered[last]
    best = int(np.argmax(gains))
    if gains[best] <= 0:
        return float(distinct[0] + 1)
    return float((distinct[best] + distinct[best + 1]) / 2) if best + 1 < len(distinct) else float(distinct[best])
