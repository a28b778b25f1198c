"""Synthetic features on which every assumption of IV-B holds exactly, with a dial to break each one alone."""

from dataclasses import dataclass

import numpy as np

from labelleak_lib.checks import require, require_int, require_number
from labelleak_lib.theory import heads
from labelleak_lib.theory.heads import Array


@dataclass(frozen=True)
class ExactFeatures:
    """Balanced classes whose sample moments are exact, not only in expectation.

    With all dials at rest class c has mean ``scale`` times the unit vector e_c and second moment I (so its
    covariance is I - mu_c mu_c'): H = I on every class and on every mixture of classes at once. This needs
    ``|mu_c|`` <= 1. The sampling dial is the number of samples drawn afterwards from these features. A value out of its
    range is a ValueError.

    Parameters
    ----------
    classes, dim, per_class : int, at least 2, classes + 1 and dim + 1
        Classes, features, and samples of each class.
    scale : float in (0, 1)
        Norm of each class mean.
    overlap : float in [0, 1]
        Orthogonality dial: cosine between any two class means.
    spread : float in [0, 1]
        Whitening dial: how far each class's second moment moves from I to one of its own.
    dead : int in [0, dim - classes - 1]
        Positive-definiteness dial: features that are always 0, as ReLU units may be.
    """

    classes: int = 8
    dim: int = 24
    per_class: int = 120
    scale: float = 0.9
    overlap: float = 0.0
    spread: float = 0.0
    dead: int = 0

    def __post_init__(self) -> None:
        require_int("classes", self.classes, low=2)
        require_int("dim", self.dim, low=self.classes + 1)
        require_int("per_class", self.per_class, low=self.dim + 1)
        require_int("dead", self.dead, low=0, high=self.dim - self.classes - 1)
        require(0 < self.scale < 1, "scale", self.scale, "above 0 and below 1")
        require_number("overlap", self.overlap, low=0, high=1)
        require_number("spread", self.spread, low=0, high=1)

    def means(self) -> Array:
        """Return the class means (classes, dim): norm `scale`, pairwise cosine `overlap`."""
        own = np.eye(self.classes, self.dim)
        shared = np.eye(self.dim)[self.classes]
        return self.scale * (np.sqrt(1 - self.overlap) * own + np.sqrt(self.overlap) * shared)

    def draw(self, generator: np.random.Generator) -> tuple[Array, np.ndarray]:
        """Return features (classes * per_class, dim), float64, and labels (classes * per_class,), int64."""
        live = self.dim - self.dead
        blocks = [self._one_class(mean[:live], generator) for mean in self.means()]
        phi = np.pad(np.vstack(blocks), ((0, 0), (0, self.dead)))
        return phi, np.repeat(np.arange(self.classes), self.per_class)

    def _one_class(self, mean: Array, generator: np.random.Generator) -> Array:
        live = len(mean)
        own = generator.standard_normal((live, 2 * live))
        covariance = (1 - self.spread) * (np.eye(live) - np.outer(mean, mean))
        covariance += self.spread * (own @ own.T) / (2 * live)
        noise = generator.standard_normal((self.per_class, live))
        noise -= noise.mean(axis=0)
        # Left singular vectors times sqrt(n): sample mean 0 and sample covariance I to rounding.
        white = np.sqrt(self.per_class) * np.linalg.svd(noise, full_matrices=False)[0]
        return mean + white @ np.linalg.cholesky(covariance).T


@dataclass(frozen=True)
class Sets:
    """D_r, D_r' (class 0) and D_f' (the last class, forgotten) of one draw of synthetic features."""

    design: ExactFeatures
    phi: Array
    labels: np.ndarray

    @classmethod
    def draw(cls, design: ExactFeatures, seed: int) -> "Sets":
        """Draw the features of `design`."""
        return cls(design, *design.draw(np.random.default_rng(seed)))

    def masks(self) -> dict[str, np.ndarray]:
        """Return which samples belong to each set, by name."""
        last = self.design.classes - 1
        return {"D_r": self.labels < last, "D_r'": self.labels == 0, "D_f'": self.labels == last}

    def part(self, name: str, scalar: bool = False) -> tuple[Array, Array]:
        """Return features and targets of a set: one-hot, or the scalar 1 for each sample."""
        return self._part(self.masks()[name], scalar)

    def _part(self, mask: np.ndarray, scalar: bool) -> tuple[Array, Array]:
        one_hot = heads.one_hot(self.labels[mask], self.design.classes)
        return self.phi[mask], np.ones((mask.sum(), 1)) if scalar else one_hot

    def head(self, name: str, scalar: bool = False) -> Array:
        """Return the minimiser on a set."""
        return heads.squared_loss_head(*self.part(name, scalar))

    def class_head(self, label: int, scalar: bool = False) -> Array:
        """Return the minimiser on the samples of one class."""
        return heads.squared_loss_head(*self._part(self.labels == label, scalar))

    def inner(self, first: str, second: str, scalar: bool = False) -> float:
        """Return the inner product of the minimisers on two sets."""
        return float((self.head(first, scalar) * self.head(second, scalar)).sum())
