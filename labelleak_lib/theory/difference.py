"""The difference attack (IV-B1): norms of w_u - w', and why a tree separates any two groups of classes."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

from labelleak_lib.theory.heads import Array


def squared_distances(target: ArrayLike, heads: ArrayLike) -> Array:
    """Return ``|w_u - w_i|^2`` (h,) of a target head (m, d) to heads (h, m, d).

    It equals ``|w_u|^2`` + ``|w_i|^2`` - 2 <w_u, w_i>: beyond a head's own length it knows what the dot product
    knows, and where that product is zero it is the sum of the two squared lengths.
    """
    return np.square(np.asarray(heads, dtype=np.float64) - np.asarray(target, dtype=np.float64)).sum((1, 2))


def absolute_sums(target: ArrayLike, heads: ArrayLike) -> Array:
    """Return ``sum |w_u - w_i|`` (h,), the quantity of the paper's Figure 11."""
    return np.abs(np.asarray(heads, dtype=np.float64) - np.asarray(target, dtype=np.float64)).sum((1, 2))


def tree_accuracy(target: ArrayLike, heads: ArrayLike, called_forgotten: ArrayLike, seed: int) -> float:
    """Return a decision tree's balanced accuracy on the 20% of difference vectors (h, m, d) it was not fitted on.

    Heads of one class stand on both sides of the split, as in the published protocol. A head trained on
    class c differs from the others in row c above all, so any grouping of classes is separable, a placebo's
    too.
    """
    differences = (np.asarray(heads) - np.asarray(target)).reshape(len(np.asarray(heads)), -1)
    labels = np.asarray(called_forgotten)
    parts = train_test_split(differences, labels, test_size=0.2, stratify=labels, random_state=seed)
    tree = DecisionTreeClassifier(random_state=seed).fit(parts[0], parts[2])
    return float(balanced_accuracy_score(parts[3], tree.predict(parts[1])))


def norm_frame(target: ArrayLike, heads: ArrayLike) -> pd.DataFrame:
    """Return columns sum (``|w_u|^2`` + ``|w_i|^2``) and distance (``|w_u - w_i|^2``), one row for each head."""
    own = np.square(np.asarray(heads, dtype=np.float64)).sum((1, 2))
    total = np.square(np.asarray(target, dtype=np.float64)).sum() + own
    return pd.DataFrame({"sum": total, "distance": squared_distances(target, heads)})
