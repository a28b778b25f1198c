"""Metrics of a decision: of classes, or of single auxiliary heads."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Scores(NamedTuple):
    """Metrics in [0, 1].

    `asr` is the paper's attack success rate, right labels over labels; `tpr` the true positive rate at the largest
    false positive rate up to 5%, which among few classes is none.
    """

    asr: float
    balanced_accuracy: float
    exact_match: float
    auc: float
    tpr: float


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
        Where one kind alone is present, balanced accuracy is that kind's recall; AUC and TPR are then NaN, and where a
        degree is not finite.

    >>> scores([True, False, False], [True, True, False], [0.9, 0.8, 0.1], exact=False)
    Scores(asr=0.6666666666666666, balanced_accuracy=0.75, exact_match=0.0, auc=1.0, tpr=1.0)
    """
    truth, called, degree = np.asarray(truth, bool), np.asarray(called, bool), np.asarray(degree, float)
    right, forgotten = truth == called, degree[truth]
    # counts, since numpy's means cost ten times as much on ten classes
    n, n_right, n_forgotten = len(truth), int(np.count_nonzero(right)), len(forgotten)
    n_found, n_retained = int(np.count_nonzero(right[truth])), n - n_forgotten
    recalls = [hits / size for hits, size in ((n_found, n_forgotten), (n_right - n_found, n_retained)) if size]
    auc, tpr = float("nan"), float("nan")
    if len(recalls) == 2 and np.isfinite(degree).all():
        retained = np.sort(degree[~truth])
        above = np.searchsorted(retained, forgotten, "left") + np.searchsorted(retained, forgotten, "right")
        auc = int(above.sum()) / (2 * n_forgotten * n_retained)
        # so many retained ones may stand above the threshold
        allowed = int(0.05 * n_retained + 1e-9)
        tpr = int(np.count_nonzero(forgotten > retained[n_retained - 1 - allowed])) / n_forgotten
    return Scores(n_right / n, sum(recalls) / len(recalls), float(exact), auc, tpr)
