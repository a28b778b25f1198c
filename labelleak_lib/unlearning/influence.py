"""IU: one Newton step of the head towards the optimum on the retained data."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor

from labelleak_lib.checks import require, require_int, require_number
from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier, extract_features
from labelleak_lib.registry import METHODS
from labelleak_lib.unlearning.descent import finished

TOLERANCE = 1e-8
"""Largest residual of the linear system, relative to its right side."""


def newton_step(weights: Tensor, phi: Tensor, labels: Tensor, penalty: float, most: int) -> Tensor:
    """Return the Newton step H^-1 g of softmax regression with an L2 penalty, at `weights`; same shape as `weights`.

    Parameters
    ----------
    weights : Tensor
        float64 (C, d).
    phi, labels : Tensor
        float64 (n, d), int64 (n,).
    penalty : float
        The objective is the mean cross-entropy + penalty / 2 ||weights||^2.
    most : int
        Iterations of conjugate gradients, which ends earlier at a relative residual of 1e-8.
    """
    p = (phi @ weights.T).softmax(1)

    def curved(v: Tensor) -> Tensor:
        u = phi @ v.T
        return (p * (u - (p * u).sum(1, keepdim=True))).T @ phi / len(phi) + penalty * v

    error = p - torch.nn.functional.one_hot(labels, len(weights))
    return _solved(curved, error.T @ phi / len(phi) + penalty * weights, most)


def _solved(matrix: Callable[[Tensor], Tensor], right: Tensor, most: int) -> Tensor:
    """Return the solution of a positive definite system by conjugate gradients."""
    x, residual = torch.zeros_like(right), right
    direction, size = residual, residual.square().sum()
    goal = TOLERANCE**2 * size
    for _ in range(most):
        if size <= goal:
            break
        image = matrix(direction)
        pace = size / (direction * image).sum()
        x, residual = x + pace * direction, residual - pace * image
        before, size = size, residual.square().sum()
        direction = residual + size / before * direction
    return x


@METHODS.register("IU")
@dataclass(frozen=True)
class Influence:
    """Influence unlearning of the head: theta - scale H^-1 g (Koh and Liang, ICML 2017; Guo et al., ICML 2020).

    g and H are gradient and Hessian, at M_o, of the mean cross-entropy over D_r + penalty / 2 ||head||^2, features
    fixed. Where M_o's head minimises the same objective over all data, the step is the change of that minimum to first
    order in D_f's weight. Theirs: the equation. (The baseline of Jia et al., NeurIPS 2023, moves all weights, by a
    low-rank estimate of H times a scale.) Ours: the head alone, for which H is exact; a penalty that is the weight
    decay M_o was trained with. D_r says little about a class that it lacks, so a step of scale 1 need not forget it.

    Parameters
    ----------
    penalty : float
        Weight of the L2 penalty; it makes H invertible.
    scale : float
        Multiple of the Newton step.
    iterations : int
        Most iterations of the linear solver.
    """

    penalty: float = 5e-4
    scale: float = 1.0
    iterations: int = 1000
    title: ClassVar[str] = "influence (one Newton step)"
    order: ClassVar[int] = 16
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"penalty": 0.0005, "scale": 1.0},
        "lenet": {"penalty": 0.01},
    }

    def __post_init__(self) -> None:
        require_number("penalty", self.penalty, above=0)
        require_number("scale", self.scale, above=0)
        require_int("iterations", self.iterations, low=1)

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a copy of `original` with another head; `forget` is not read, and nothing is drawn."""
        require(len(retain) > 0, "retain", "empty", "at least one labelled image")
        model = copy.deepcopy(original)
        phi = extract_features(original, retain.images).double()
        phi = torch.cat([phi, torch.ones_like(phi[:, :1])], dim=1)
        with torch.no_grad():
            weights = torch.cat([model.head.weight, model.head.bias[:, None]], dim=1).double()
            labels = retain.labels.to(weights.device)
            moved = weights - self.scale * newton_step(weights, phi, labels, self.penalty, self.iterations)
            model.head.weight.copy_(moved[:, :-1])
            model.head.bias.copy_(moved[:, -1])
        return finished(model)
