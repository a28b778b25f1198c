"""Linear heads under the squared loss: risk, gradient, Hessian and minimisers (equations 1 to 12).

A head is a matrix ``W`` (m, d): one row for each output, one column for each feature. The paper writes it
as one flattened vector; every inner product here is the Frobenius one, which is the same number.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labelleak_lib.checks import require, require_number

Array = NDArray[np.float64]


def with_intercept(phi: ArrayLike) -> Array:
    """Append the constant feature 1 to features (n, d), so that a head's last column is its bias: (n, d + 1)."""
    features = np.asarray(phi, dtype=np.float64)
    return np.hstack([features, np.ones((len(features), 1))])


def flat_head(weight: ArrayLike, bias: ArrayLike) -> Array:
    """Join a layer's weight (C, d) and bias (C,) into one head (C, d + 1) for `with_intercept` features."""
    return np.column_stack([np.asarray(weight, dtype=np.float64), np.asarray(bias, dtype=np.float64)])


def one_hot(labels: ArrayLike, classes: int) -> Array:
    """Return one-hot targets (n, classes), float64, of integer labels (n,); ValueError for one outside [0, classes)."""
    values = np.asarray(labels, dtype=np.int64)
    span = (int(values.min()), int(values.max())) if values.size else (0, 0)
    require(span[0] >= 0 and span[1] < classes, "range of labels", span, f"within 0 to {classes - 1}")
    return np.eye(classes)[values]


def second_moment(phi: ArrayLike) -> Array:
    """Return H_S = E_S[phi phi'] (d, d): equations 1 to 3, the Hessian of equation 8."""
    features = _features(phi)
    return features.T @ features / len(features)


def label_features(phi: ArrayLike, targets: ArrayLike) -> Array:
    """Return E_S[y phi'] (m, d), the label features of equations 4 to 6, for targets (n, m)."""
    features, values = _pair(phi, targets)
    return values.T @ features / len(features)


def risk(head: ArrayLike, phi: ArrayLike, targets: ArrayLike) -> float:
    """Return R_S(W) = 1/2 E_S ``|W phi - y|^2`` for a head (m, d), features (n, d) and targets (n, m)."""
    features, values = _pair(phi, targets)
    residual = features @ np.asarray(head, dtype=np.float64).T - values
    return float(0.5 * np.square(residual).sum(axis=1).mean())


def gradient(head: ArrayLike, phi: ArrayLike, targets: ArrayLike) -> Array:
    """Return the gradient W H_S - E_S[y phi'] (m, d) of the risk: equation 7."""
    return np.asarray(head, dtype=np.float64) @ second_moment(phi) - label_features(phi, targets)


def hessian(phi: ArrayLike, outputs: int) -> Array:
    """Return the Hessian (m d, m d) in the flattened head: equation 8, one block H_S for each output."""
    return np.kron(np.eye(outputs), second_moment(phi)).astype(np.float64, copy=False)


def squared_loss_head(
    phi: ArrayLike, targets: ArrayLike, ridge: float = 0.0, initial: ArrayLike | None = None
) -> Array:
    """Return the head (m, d) where gradient descent on the squared loss ends: equations 10 to 12 for any H.

    With H_S invertible this is E_S[y phi'] H_S^-1. With a singular H_S the minimiser is not unique: the
    pseudo-inverse gives the smallest one, and descent keeps whatever part of its start no sample touches.

    Parameters
    ----------
    phi, targets : arrays (n, d) and (n, m)
    ridge : float, at least 0 (ValueError otherwise)
        Weight of 1/2 ``|W|^2``, added to the risk; every column is penalised, an intercept's too.
    initial : array (m, d), optional
        Where descent starts; zero when left out. Without effect if H_S is invertible or ridge is positive.
    """
    require_number("ridge", ridge, low=0)
    features, values = _pair(phi, targets)
    dimension = features.shape[1]
    if ridge > 0:
        block = second_moment(features) + ridge * np.eye(dimension)
        return np.asarray(np.linalg.solve(block, label_features(features, values).T).T, dtype=np.float64)
    # The pseudo-inverse of the features, not of H: squaring would square the condition number too.
    inverse = np.linalg.pinv(features, rcond=1e-10)
    head: Array = (inverse @ values).T
    if initial is None:
        return head
    return head + np.asarray(initial, dtype=np.float64) @ (np.eye(dimension) - inverse @ features)


def explained_share(phi: ArrayLike, targets: ArrayLike) -> float:
    """Return the share of ``E|y|^2`` that the best linear head explains: 1 - 2 R_S(W*) / ``E_S|y|^2``, in [0, 1].

    If every single-class set had the second moment of their mixture, the share would be at most
    sum pi_c^2, since then ``|mu_c|^2`` <= 1 in whitened coordinates; an accurate model exceeds that by far.
    """
    features, values = _pair(phi, targets)
    head = squared_loss_head(features, values)
    return 1 - 2 * risk(head, features, values) / float(np.square(values).sum(axis=1).mean())


def inner_products(target: ArrayLike, heads: ArrayLike) -> Array:
    """Return <W_u, W_i>_F (h,) of a target head (m, d) with heads (h, m, d): equations 16 and 17."""
    return np.einsum("md,hmd->h", np.asarray(target, dtype=np.float64), np.asarray(heads, dtype=np.float64))


def _features(phi: ArrayLike) -> Array:
    features = np.asarray(phi, dtype=np.float64)
    require(features.ndim == 2 and len(features) > 0, "shape of phi", features.shape, "(n, d) with n > 0")
    return features


def _pair(phi: ArrayLike, targets: ArrayLike) -> tuple[Array, Array]:
    features, values = _features(phi), np.asarray(targets, dtype=np.float64)
    matches = values.ndim == 2 and len(values) == len(features)
    require(matches, "shape of targets", values.shape, f"({len(features)}, m), a row for each sample")
    return features, values
