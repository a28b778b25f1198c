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

    Attributes
    ----------
    eigenvalues : array (d,), descending, never negative
    rank : int
        Eigenvalues above 1e-10 of the largest.
    condition : float
        Largest over smallest eigenvalue; infinite where the rank is below d.
    dead : int
        Features that are 0 on every sample.
    """

    eigenvalues: Array
    rank: int
    condition: float
    dead: int


def spectrum(phi: ArrayLike) -> Spectrum:
    """Return the `Spectrum` of H_S for features (n, d)."""
    features = np.asarray(phi, dtype=np.float64)
    values = np.clip(np.linalg.eigvalsh(second_moment(features))[::-1], 0, None)
    rank = int((values > 1e-10 * values[0]).sum())
    condition = float(values[0] / values[-1]) if rank == len(values) else float("inf")
    return Spectrum(values, rank, condition, int((features == 0).all(axis=0).sum()))


@dataclass(frozen=True)
class ZCA:
    """The whitening that moves features least: x -> (x - mean) Cov^-1/2.

    Directions without variance are mapped to 0, since no scale makes them 1.

    Attributes
    ----------
    mean : array (d,)
    transform : array (d, d), symmetric
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
    """Return |H_S - I|_F / sqrt(d): 0 under equation 9, and 1 for features that are all 0."""
    moment = second_moment(phi)
    return float(np.linalg.norm(moment - np.eye(len(moment))) / np.sqrt(len(moment)))


def whitening_distances(phi: ArrayLike, labels: ArrayLike, forgotten: Sequence[int]) -> pd.DataFrame:
    """Measure equation 9 on D_r and on every single-class set, before and after ZCA fitted on D_r.

    Before whitening the features are scaled so that H_r has trace d: the most favourable unit.

    Parameters
    ----------
    phi : array (n, d)
    labels : array (n,)
    forgotten : sequence of class indices

    Returns
    -------
    DataFrame with columns set (``D_r``, ``retained class``, ``forgotten class``), class (-1 for D_r),
    before, after
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

    Raises
    ------
    ValueError
        If a class has no sample.
    """
    rows = label_features(phi, one_hot(labels, classes))
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    empty = np.flatnonzero(norms == 0).tolist()
    require(not empty, "classes without samples", empty, "none: every class needs a sample")
    return (rows / norms) @ (rows / norms).T


def sampling_errors(
    phi: ArrayLike,
    targets: ArrayLike,
    sizes: Sequence[int],
    repeats: int,
    generator: np.random.Generator,
    source: ArrayLike | None = None,
) -> pd.DataFrame:
    """Measure equation 15: |E_r'[y phi'] - E_r[y phi']|_F / |E_r[y phi']|_F as the sample grows.

    Parameters
    ----------
    phi : array (n, d)
        Features of D_r.
    targets : array (n, m)
    sizes : sequence of int
        Sizes of D_r', drawn with replacement.
    repeats : int
        Draws for each size; the root mean square over them is reported.
    generator : numpy Generator
    source : boolean array (n,), optional
        Which samples of D_r an attacker's set is drawn from: all (the derivation's reading) when left out,
        one class's in the procedure that the paper runs.

    Returns
    -------
    DataFrame with columns size, predicted (bias and variance, closed form), measured
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
