"""Heads under the softmax cross-entropy, as deployed: what their rows and inner products measure."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from labelleak_lib.checks import require, require_number
from labelleak_lib.theory.heads import Array


def softmax_head_path(
    phi: ArrayLike, labels: ArrayLike, classes: int, rate: float, steps: Sequence[int],
    initial: ArrayLike | None = None, momentum: float = 0.0,
) -> Array:  # fmt: skip
    """Train heads by full-batch descent on the cross-entropy and keep them at some steps: (len(steps), h, C, d).

    Parameters
    ----------
    phi, labels : arrays (h, n, d) and (h, n)
        One set for each head; append the constant feature for a bias.
    rate : float, positive (ValueError otherwise)
        Learning rate.
    steps : increasing sequence of int (ValueError otherwise)
        Step counts at which the heads are kept.
    initial : array (C, d) or (h, C, d), optional
        Start; zero when left out.
    momentum : float in [0, 1) (ValueError otherwise)
        Of heavy-ball descent; a head that moves steadily goes 1 / (1 - momentum) times as far.
    """
    require_number("rate", rate, above=0)
    require_number("momentum", momentum, low=0, high=0.999)
    increasing = len(steps) > 0 and all(a < b for a, b in zip([-1, *steps], steps, strict=False))
    require(increasing, "steps", list(steps), "increasing counts, the first at least 0")
    features = torch.as_tensor(np.asarray(phi, dtype=np.float64))
    heads, count, dimension = features.shape
    targets = torch.nn.functional.one_hot(torch.as_tensor(np.asarray(labels, dtype=np.int64)), classes).transpose(1, 2)
    # Samples last: a softmax along rows of ten numbers takes several times as long.
    by_feature = features.transpose(1, 2).contiguous()
    weight = torch.zeros(heads, classes, dimension, dtype=torch.float64)
    if initial is not None:
        weight = weight + torch.as_tensor(np.asarray(initial, dtype=np.float64))
    kept, velocity = [], torch.zeros_like(weight)
    for step in range(steps[-1] + 1):
        if step in steps:
            kept.append(weight.clone())
        residual = targets - (weight @ by_feature).softmax(dim=1)
        velocity = momentum * velocity + residual @ features / count
        weight = weight + rate * velocity
    return torch.stack(kept).numpy()


def first_order_head(phi: ArrayLike, labels: ArrayLike, classes: int, time: float) -> Array:
    """Return t E[(e_y - 1/C) phi'] (C, d): a head after training from zero for time t = rate * steps.

    First order in t. The row of a class absent from the set is -(t/C) E[phi]: pushed down, not zero. If no
    feature is ever negative (ReLU), the sign holds for each entry, at every step and for every rate.
    """
    features, values = np.asarray(phi, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    push = np.eye(classes)[values] - 1 / classes
    return time * push.T @ features / len(features)


def mean_margins(phi: ArrayLike, labels: ArrayLike, head: ArrayLike) -> Array:
    """Return M_u's mean logit of each set's own class less its mean over all classes (h,).

    This is sum_j (1{j=c} - 1/C) w_u,j . mean(phi). A head trained on class c from zero for a short time t has
    the inner product <W_u, W_c> = t times it: the parameter attack asks what classifying would answer.
    Beyond first order, such a head stays (e_c - 1/C) u' C/(C-1), where u is a sum of the samples' features
    with positive weights: at every step <W_u, W_c> is a positively weighted sum of the samples' margins.

    `phi` (h, n, d) holds the features of h sets of one class each, `labels` (h,) those classes; `head` is (C, d).
    """
    logits = np.asarray(phi, dtype=np.float64).mean(axis=1) @ np.asarray(head, dtype=np.float64).T
    return logits[np.arange(len(logits)), np.asarray(labels)] - logits.mean(axis=1)


def single_class_sets(
    phi: ArrayLike, labels: ArrayLike, sets: int, size: int, generator: np.random.Generator
) -> tuple[Array, NDArray[np.int64]]:
    """Draw the attacker's sets D_r' and D_f': random samples of one class each, without replacement.

    Of each class `sets` sets of `size` samples, or of as many as the smallest class has: their features (h, m, d) and
    classes (h,).
    """
    features, values = np.asarray(phi, dtype=np.float64), np.asarray(labels)
    members = [np.flatnonzero(values == c) for c in np.unique(values)]
    size = min(size, *(len(m) for m in members))
    chosen = np.array([generator.permutation(m)[:size] for m in members for _ in range(sets)])
    return features[chosen], np.repeat(np.unique(values), sets)
