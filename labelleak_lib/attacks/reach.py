"""Reach: how far above every other class some input lifts a class, `max_x log p_c(x) - max_{j != c} log p_j(x)`."""

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from labelleak_lib.evidence import Floats

SMALLEST = 1e-30
"""What a probability of zero counts as, so that its logarithm is finite."""


def margins(log_p: Tensor) -> Tensor:
    """Return log p_c - max_{j != c} log p_j of every class c: float64 (n, C), from log-probabilities or logits (n, C).

    >>> margins(torch.tensor([[3.0, 1.0, 0.0]])).tolist()
    [[2.0, -2.0, -3.0]]
    """
    values = log_p.cpu().double()
    best, second = values.topk(2, dim=1).values.T[:, :, None]
    return torch.where(values == best, best - second, values - best)


def answered_margins(probabilities: Tensor) -> Tensor:
    """Return the margins of probabilities (n, C) as a black box answers them: float64 (n, C)."""
    return margins(probabilities.cpu().double().clamp_min(SMALLEST).log())


def relative_reach(reach: ArrayLike) -> Floats:
    """Return `reach` (C,) in units of its own upper quartile, or of its maximum where that is not positive.

    NaN where no class is reached.

    >>> relative_reach([8.0, 8.0, -2.0, 4.0]).tolist(), relative_reach([-1.0, -1.0, -2.0, 4.0, -4.0]).tolist()
    ([1.0, 1.0, -0.25, 0.5], [-0.25, -0.25, -0.5, 1.0, -1.0])
    """
    values = np.asarray(reach, dtype=np.float64)
    quartile, largest = np.quantile(values, 0.75), values.max()
    scale = quartile if quartile > 0 else largest
    return values / scale if scale > 0 else np.full(len(values), np.nan)
