"""Evidence: what an attack found, before any criterion turns it into a set of classes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class HeadEvidence:
    """What the parameter attacks measured on m auxiliary heads.

    Parameters
    ----------
    source : ndarray
        int (m,); the class each head was trained on, -1 for unrelated data.
    label : ndarray
        int (m,); 0 for a head the attacker holds to be "retained", 1 for "forgotten", -1 where it holds no label.
    vectors : ndarray
        float (m, p); one feature vector a head (p = 1 for dot products).
    absolute_sum : ndarray
        float (m,); `sum |w_u - w'|` (paper, Figure 11).
    """

    source: Ints
    label: Ints
    vectors: Floats
    absolute_sum: Floats


@dataclass(frozen=True, eq=False)
class Evidence:
    """What an attack found about every class.

    Parameters
    ----------
    attack : str
        The attack's name.
    classes : int
        C, the number of classes.
    score : ndarray
        float (C,); the higher, the more the class looks forgotten.
    protocol : {"paper", "attacker"}
        Which labels the evidence carries.
    seed : int
        Seeds whatever is random in a criterion (starts of k-means, a tree's ties).
    heads : HeadEvidence, optional
        Of parameter attacks.
    ipv : ndarray, optional
        float (C, C), of inversion attacks; row c is the inverted prediction vector of class c.
    inverted : Tensor, optional
        float (C, channels, height, width), the inverted inputs.
    history : ndarray, optional
        float (steps, C); the probability of the aimed-at class, step by step.
    probe : ndarray, optional
        float (rows, 1 + 3 * C), of random inputs (see `controls.RandomInputs`).
    queries : int
        Images the attack put to a black box.
    flags : tuple of str
        What looks broken.
    """

    attack: str
    classes: int
    score: Floats
    protocol: str = "attacker"
    seed: int = 0
    heads: HeadEvidence | None = None
    ipv: Floats | None = None
    inverted: Tensor | None = None
    history: Floats | None = None
    probe: Floats | None = None
    queries: int = 0
    flags: tuple[str, ...] = field(default=())
