"""metrics."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import balanced_accuracy_score, roc_auc_score, roc_curve


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
