"""Where the two screening criteria of IV-C4 must fail, whatever the model leaks."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import binom

from labelleak_lib.checks import require_int, require_number
from labelleak_lib.criteria.arithmetic import below_threshold
from labelleak_lib.theory.heads import Array


def collapse_fraction(alpha: float, noise: float = 0.0) -> float:
    """Return the share q* = k/C of forgotten classes, in [0, 1), from which the threshold criterion finds none.

    Without noise q* = 1 / (1 + alpha^2). With noise it is where the threshold meets the forgotten classes'
    mean, so that half of them are found (many classes); 0 where the noise alone hides them. `noise` is the standard
    deviation of the maxima within each group over the distance between the groups' means. ValueError for a negative
    one, or an `alpha` that is not positive.

    >>> collapse_fraction(1.0), collapse_fraction(2.0), collapse_fraction(1.0, noise=1.0)
    (0.5, 0.2, 0.0)
    """
    require_number("alpha", alpha, above=0)
    require_number("noise", noise, low=0)
    # (1-q)^2 = alpha^2 (q (1-q) + noise^2), the smaller root.
    a, b, c = 1 + alpha**2, 2 + alpha**2, 1 - (alpha * noise) ** 2
    return max(0.0, float((b - np.sqrt(b**2 - 4 * a * c)) / (2 * a)))


def expected_detection(classes: int, forgotten: int, alpha: float, miss: float, leak: float) -> tuple[float, float]:
    """Return the threshold criterion's expected recall and false-alarm rate when inversions fail at random.

    Each retained class of C is inverted (maximum near 1) with probability 1 - miss, each of the k forgotten ones with
    probability leak. Exact: the number of failed inversions is a sum of two binomials. The values of the
    two maxima cancel, since mu - alpha sigma moves with them. ValueError unless 0 < k < C.
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


def criterion_sweep(
    classes: int, alphas: Sequence[float], miss: float, leak: float, draws: int, generator: np.random.Generator
) -> pd.DataFrame:
    """Simulate both criteria for k = 1 to C - 1 forgotten classes, with inversions that fail at random.

    A successful inversion has the maximum 0.99, a failed one 0.3: any two values give the same decisions. Columns: k,
    criterion, predicted (closed form) and measured share of forgotten classes found, limit (C / (1 + alpha^2); not a
    number for two-means, which has none).
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
