"""What softmax heads measure on a model's own features: along training, and beside a direct probe."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from labelleak_lib.theory import heads, softmax
from labelleak_lib.theory.heads import Array

UNIT_STEP = 0.03
"""Learning rate times ``E|phi|^2``: small enough for the first steps to be first order."""


def _schedule(phi: Array, times: Sequence[float]) -> tuple[float, list[int], list[float]]:
    rate = UNIT_STEP / float(np.square(phi).sum(axis=-1).mean())
    steps = sorted({max(1, round(time / UNIT_STEP)) for time in times})
    return rate, steps, [UNIT_STEP * step for step in steps]


def torch_start(count: int, classes: int, width: int, generator: np.random.Generator) -> Array:
    """Draw `count` heads (count, classes, width), bias included, as torch starts a linear layer."""
    bound = 1 / np.sqrt(width - 1)
    return generator.uniform(-bound, bound, (count, classes, width))


def absent_row_path(
    phi: ArrayLike, labels: ArrayLike, classes: int, absent: int, times: Sequence[float]
) -> pd.DataFrame:
    """Measure how far training on a set, with features `phi` (n, d), pushes the row of a class absent from it.

    Training `times` count learning rate times steps times ``E|phi|^2``. Columns: time, predicted (to first order),
    measured, positive (share of entries).
    """
    features, values = np.asarray(phi, dtype=np.float64), np.asarray(labels)
    rate, steps, reached = _schedule(features, times)
    path = softmax.softmax_head_path(features[None], values[None], classes, rate, steps)[:, 0, absent]
    first = [softmax.first_order_head(features, values, classes, rate * n)[absent] for n in steps]
    lengths = {"predicted": np.linalg.norm(first, axis=1), "measured": np.linalg.norm(path, axis=1)}
    return pd.DataFrame({"time": reached, **lengths, "positive": (path > 0).mean(axis=1)})


def margin_agreement(
    target: ArrayLike, sets: ArrayLike, own: ArrayLike, times: Sequence[float], generator: np.random.Generator
) -> pd.DataFrame:
    """Correlate <W_u, W_c> with M_u's mean margins over heads, as the heads train.

    `target` is M_u's head (C, d), `sets` (h, n, d) are features of one class each and `own` (h,) those classes; `times`
    are as for :func:`absent_row_path`, and `generator` draws the random starts.

    Columns: time, start (``zero``, ``random``, ``random, start subtracted``), correlation, sign (share of heads whose
    inner product has the sign of the mean margin), gap (largest distance from the margin at the head's own row times
    C/(C-1), over the largest inner product: 0 from a zero start).
    """
    goal, features = np.asarray(target, dtype=np.float64), np.asarray(sets, dtype=np.float64)
    rate, steps, reached = _schedule(features, times)
    labels = np.repeat(np.asarray(own)[:, None], features.shape[1], axis=1)
    margins = softmax.mean_margins(features, own, goal)
    drawn = torch_start(len(features), len(goal), features.shape[2], generator)
    zero = softmax.softmax_head_path(features, labels, len(goal), rate, steps)
    random = softmax.softmax_head_path(features, labels, len(goal), rate, steps, drawn)
    paths = {"zero": zero, "random": random, "random, start subtracted": random - drawn}
    rows = []
    for start, path in paths.items():
        for time, at in zip(reached, path, strict=True):
            inner = heads.inner_products(goal, at)
            own_row = at[np.arange(len(at)), np.asarray(own)][:, None]
            exact = softmax.mean_margins(own_row, own, goal) * len(goal) / (len(goal) - 1)
            gap = np.abs(inner - exact).max() / np.abs(inner).max()
            sign = (np.sign(inner) == np.sign(margins)).mean()
            rows.append((time, start, np.corrcoef(inner, margins)[0, 1], sign, gap))
    return pd.DataFrame(rows, columns=["time", "start", "correlation", "sign", "gap"])


def deployed_heads(
    sets: ArrayLike, own: ArrayLike, classes: int, generator: np.random.Generator,
    rate: float, steps: int, momentum: float,
) -> Array:  # fmt: skip
    """Train one softmax head on each single-class set (h, n, d) as the attack does, from torch's start: (h, C, d)."""
    features = np.asarray(sets, dtype=np.float64)
    labels = np.repeat(np.asarray(own)[:, None], features.shape[1], axis=1)
    start = torch_start(len(features), classes, features.shape[2], generator)
    return softmax.softmax_head_path(features, labels, classes, rate, [steps], start, momentum)[0]


def class_evidence(target: ArrayLike, sets: ArrayLike, own: ArrayLike, trained: ArrayLike) -> pd.DataFrame:
    """Average, class by class, what the dot product attack and the direct probe see on the same sets.

    As for :func:`margin_agreement`, with the heads `trained` (h, C, d) on the sets. Columns: inner, margin (mean logit
    less the mean over classes), accuracy; indexed by class.
    """
    logits = np.asarray(sets) @ np.asarray(target).T
    inner, margin = heads.inner_products(target, trained), softmax.mean_margins(sets, own, target)
    accuracy = (logits.argmax(axis=2) == np.asarray(own)[:, None]).mean(axis=1)
    frame = pd.DataFrame({"class": np.asarray(own), "inner": inner, "margin": margin, "accuracy": accuracy})
    return frame.groupby("class").mean()
