"""How far real features are from the assumptions of IV-B: one measure for each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from labelleak_lib.checks import require
from labelleak_lib.theory.heads import Array, label_features, one_hot, second_moment


@dataclass(frozen=True)
class Spectrum:
    """Spectrum of H_S, which tells whether the Hessian is positive definite.

    `eigenvalues` (d,) descend and are never negative; `rank` counts those above 1e-10 of the largest.
    """

    eigenvalues: Array
    rank: int

    @property
    def relative(self) -> Array:
        """Return the eigenvalues over the largest (d,), not a number beyond the rank."""
        return np.where(np.arange(len(self.eigenvalues)) < self.rank, self.eigenvalues / self.eigenvalues[0], np.nan)


def spectrum(phi: ArrayLike) -> Spectrum:
    """Return the `Spectrum` of H_S for features (n, d)."""
    values = np.clip(np.linalg.eigvalsh(second_moment(phi))[::-1], 0, None)
    return Spectrum(values, int((values > 1e-10 * values[0]).sum()))


@dataclass(frozen=True)
class ZCA:
    """The whitening that moves features least: x -> (x - mean) Cov^-1/2, with a symmetric `transform` (d, d).

    Directions without variance are mapped to 0, since no scale makes them 1.
    """

    mean: Array
    transform: Array

    @classmethod
    def fit(cls, phi: ArrayLike) -> "ZCA":
        """Fit on features (n, d)."""
        features = np.asarray(phi, dtype=np.float64)
        mean = features.mean(axis=0)
        values, vectors = np.linalg.eigh(second_moment(features - mean))
        live = values > 1e-10 * values[-1]
        root = np.where(live, 1 / np.sqrt(np.where(live, values, 1)), 0)
        return cls(mean, (vectors * root) @ vectors.T)

    def apply(self, phi: ArrayLike) -> Array:
        """Return whitened features (n, d)."""
        return (np.asarray(phi, dtype=np.float64) - self.mean) @ self.transform


def distance_from_identity(phi: ArrayLike) -> float:
    """Return ``|H_S - I|_F / sqrt(d)``: 0 under equation 9, and 1 for features that are all 0."""
    moment = second_moment(phi)
    return float(np.linalg.norm(moment - np.eye(len(moment))) / np.sqrt(len(moment)))


def whitening_distances(phi: ArrayLike, labels: ArrayLike, forgotten: Sequence[int]) -> pd.DataFrame:
    """Measure equation 9 on D_r and on every single-class set, before and after ZCA fitted on D_r.

    Before whitening the features `phi` (n, d) are scaled so that H_r has trace d: the most favourable unit. Columns:
    set (``D_r``, ``retained class``, ``forgotten class``), class (-1 for D_r), before, after.
    """
    features, values = np.asarray(phi, dtype=np.float64), np.asarray(labels)
    retain = ~np.isin(values, list(forgotten))
    unit = np.sqrt(np.square(features[retain]).mean())
    whitening = ZCA.fit(features[retain])
    rows = []
    for label in [-1, *np.unique(values).tolist()]:
        chosen = features[retain if label == -1 else values == label]
        kind = "forgotten class" if label in forgotten else "D_r" if label == -1 else "retained class"
        before = distance_from_identity(chosen / unit)
        rows.append((kind, label, before, distance_from_identity(whitening.apply(chosen))))
    return pd.DataFrame(rows, columns=["set", "class", "before", "after"])


def class_cosines(phi: ArrayLike, labels: ArrayLike, classes: int) -> Array:
    """Return the cosines (C, C) between the classes' label features E[phi 1{y=c}]: equations 13 and 14.

    ValueError if a class has no sample.
    """
    rows = label_features(phi, one_hot(labels, classes))
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    empty = np.flatnonzero(norms == 0).tolist()
    require(not empty, "classes without samples", empty, "none: every class needs a sample")
    return (rows / norms) @ (rows / norms).T


def sampling_errors(
    phi: ArrayLike, targets: ArrayLike, sizes: Sequence[int], repeats: int, generator: np.random.Generator,
    source: ArrayLike | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Measure equation 15: ``|E_r'[y phi'] - E_r[y phi']|_F / |E_r[y phi']|_F`` as the sample grows.

    Columns: size, predicted (bias and variance, closed form), measured (root mean square over the draws).

    Parameters
    ----------
    phi, targets : arrays (n, d) and (n, m)
        Features and targets of D_r.
    sizes, repeats : sequence of int, int
        Sizes of D_r', drawn with replacement, and draws for each.
    source : boolean array (n,), optional
        Which samples of D_r an attacker's set is drawn from: all (the derivation's reading) when left out,
        one class's in the procedure that the paper runs.
    """
    features, values = np.asarray(phi, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    mean = label_features(features, values)
    pool = np.arange(len(features)) if source is None else np.flatnonzero(np.asarray(source))
    products = np.square(values[pool]).sum(axis=1) * np.square(features[pool]).sum(axis=1)
    pool_mean = label_features(features[pool], values[pool])
    variance = products.mean() - np.square(pool_mean).sum()
    bias = np.square(pool_mean - mean).sum()
    rows = []
    for size in sizes:
        draws = generator.choice(pool, (repeats, size))
        errors = [np.square(label_features(features[i], values[i]) - mean).sum() for i in draws]
        predicted = np.sqrt(bias + variance / size) / np.linalg.norm(mean)
        rows.append((size, float(predicted), float(np.sqrt(np.mean(errors)) / np.linalg.norm(mean))))
    return pd.DataFrame(rows, columns=["size", "predicted", "measured"])
