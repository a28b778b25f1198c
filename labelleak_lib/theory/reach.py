"""Why no input reaches a class without samples: how far its row can stand above the others, and how far it does.

Features are never negative, as after a ReLU. A class without samples has the gradient `E[p_u phi] >= 0`, so that its
row can only fall, and the gradients of all rows sum to zero. A `head` is (C, d + 1), weight and bias.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import linprog

from labelleak_lib.checks import require, require_number
from labelleak_lib.theory import softmax
from labelleak_lib.theory.heads import Array, with_intercept


def kept_of_start(rates: ArrayLike, momentum: float, decay: float) -> float:
    """Return A, the share of a parameter's start that is left where no gradient ever comes: only decay works on it.

    Parameters
    ----------
    rates : array (T,)
        Learning rate of every step, at least 0.
    momentum, decay : float
        Of SGD with Nesterov momentum as `torch.optim.SGD` does it, and its weight decay.

    Examples
    --------
    >>> kept_of_start([0.1] * 3, momentum=0.9, decay=0.0)
    1.0
    >>> round(kept_of_start([0.1] * 3, momentum=0.0, decay=0.5), 6)
    0.857375
    """
    steps = _rates(rates)
    value, velocity = 1.0, 0.0
    for rate in steps:
        slope = decay * value
        velocity = momentum * velocity + slope
        value -= rate * (slope + momentum * velocity)
    return float(value)


def left_of_steps(rates: ArrayLike, momentum: float, decay: float) -> Array:
    """Return K (T,): how far the gradient of each step, as a unit, has moved a parameter downwards in the end.

    Arguments are as for :func:`kept_of_start`. Where no K is negative, gradients that are never negative leave a
    parameter at or below A times its start; constant rates up to (1 - sqrt(momentum))^2 / decay are enough for that.
    """
    steps = _rates(rates)
    moved, velocity = np.zeros((2, len(steps)))
    for t, rate in enumerate(steps):
        slope = decay * moved
        slope[t] -= 1
        velocity = momentum * velocity + slope
        moved = moved - rate * (slope + momentum * velocity)
    return np.asarray(moved, dtype=np.float64)


def _rates(rates: ArrayLike) -> Array:
    steps = np.asarray(rates, dtype=np.float64)
    require(steps.ndim == 1 and bool((steps >= 0).all()), "rates", steps.shape, "(T,), none below 0")
    return steps


def above_mean(logits: ArrayLike) -> Array:
    """Return C / (C - 1) times each logit less their mean (n, C): no margin over the best other logit is larger.

    >>> above_mean([[3.0, 1.0, -1.0]]).tolist()
    [[3.0, 0.0, -3.0]]
    """
    values = np.asarray(logits, dtype=np.float64)
    classes = values.shape[-1]
    return np.asarray(classes / (classes - 1) * (values - values.mean(axis=-1, keepdims=True)))


def start_bound(start: ArrayLike, kept: float, phi: ArrayLike) -> Array:
    """Return the largest margin that each class has on features `phi` (n, d) if none has samples: (n, C).

    `start` is the head (C, d + 1) that training began with and `kept` what :func:`kept_of_start` says. The bound asks
    nothing of the trained head; it is `kept` times :func:`above_mean` of what the start answers.
    """
    return kept * above_mean(with_intercept(phi) @ np.asarray(start, dtype=np.float64).T)


def box_reach(head: ArrayLike, label: int, upper: float = 1.0) -> float:
    """Return the largest margin of the class `label` over all features in [0, upper]^d, by a linear programme.

    No input of any kind has a larger margin if its features lie there. ValueError if `upper` is not positive.
    """
    require_number("upper", upper, above=0)
    rows = np.asarray(head, dtype=np.float64)
    lead = np.delete(rows[label] - rows, label, axis=0)
    # the margin m is the last variable: m <= lead_j . (phi, 1) for every other class j
    limits = np.column_stack([-lead[:, :-1], np.ones(len(lead))])
    bounds = [(0, upper)] * (rows.shape[1] - 1) + [(None, None)]
    found = linprog(np.append(np.zeros(rows.shape[1] - 1), -1), limits, lead[:, -1], bounds=bounds)
    return float(-found.fun)


def dose_path(
    phi: ArrayLike, labels: ArrayLike, classes: int, rare: int, kept: Sequence[int], rate: float, steps: Sequence[int]
) -> pd.DataFrame:
    """Train heads from zero with only the first `kept` samples of one class, and measure its reach along training.

    Parameters
    ----------
    phi, labels : arrays (n, d) and (n,)
        Features, never negative, and classes.
    rare : int
        The class of which samples are left out.
    kept : sequence of int
        Numbers of its samples.
    rate, steps : float, increasing sequence of int
        Full-batch gradient descent, and when it is looked at.

    Returns
    -------
    DataFrame
        ``samples share time reach`` (over all features in the box of the training features; positive: some feature
        vector is answered with the class) and ``bound``, which the dose alone allows: C / (C - 1) share time R, where
        R is the largest inner product of a sample's features with any in the box.
    """
    features, values = np.asarray(phi, dtype=np.float64), np.asarray(labels)
    own, upper = np.flatnonzero(values == rare), float(features.max())
    widest = with_intercept(np.full((1, features.shape[1]), upper))
    rows = []
    for number in kept:
        chosen = np.concatenate([np.flatnonzero(values != rare), own[:number]])
        x = with_intercept(features[chosen])
        path = softmax.softmax_head_path(x[None], values[chosen][None], classes, rate, steps)[:, 0]
        inner = float((x[values[chosen] == rare] @ widest.T).max()) if number else 0.0
        for step, head in zip(steps, path, strict=True):
            share = number / len(chosen)
            bound = classes / (classes - 1) * share * rate * step * inner
            rows.append((number, share, rate * step, box_reach(head, rare, upper), bound))
    return pd.DataFrame(rows, columns=["samples", "share", "time", "reach", "bound"])
