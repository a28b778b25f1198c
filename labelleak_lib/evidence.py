"""Evidence: what an attack found, before any criterion turns it into a set of classes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class HeadEvidence:
    """What the parameter attacks measured on m auxiliary heads.

    Parameters
    ----------
    source : ndarray
        int (m,); the class each head was trained on, -1 for unrelated data.
    label : ndarray
        int (m,); 0 for a head the attacker holds to be "retained", 1 for "forgotten", -1 where it holds no label.
    value : ndarray
        float (m,); <w_u, w'> of each head, or the share of "forgotten" that a decision tree gives to its difference
        w_u - w'; NaN for heads on which the attack says nothing.
    absolute_sum : ndarray
        float (m,); `sum |w_u - w'|` (paper, Figure 11).
    """

    source: Ints
    label: Ints
    value: Floats
    absolute_sum: Floats

    def leave_class_out(self, classes: int) -> list[tuple[Bools, Bools]]:
        """Return (fit, judged) masks, one pair a class: labelled heads of other sources, and the class's own heads."""
        return [((self.label >= 0) & (self.source != c), self.source == c) for c in range(classes)]

    def class_means(self, values: Floats, classes: int) -> Floats:
        """Return the mean of `values` (m,) over each class's heads, NaN left out: float (classes,).

        A class without such a head has NaN.
        """
        counted = (self.source >= 0) & np.isfinite(values)
        sums = np.bincount(self.source[counted], weights=values[counted], minlength=classes)
        counts = np.bincount(self.source[counted], minlength=classes)
        return np.divide(sums, counts, out=np.full(classes, np.nan), where=counts > 0)


def both_kinds(labels: Ints) -> bool:
    """Say whether `labels` hold 0 and 1.

    Without the heads of the only class that the attacker knows to be retained, no 0 is left: nothing can be fitted, and
    that class is called retained, as it is known to be.
    """
    return len(np.unique(labels)) == 2


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
    reach : ndarray, optional
        float (C,); the best margin of each class, or how often a box of labels answered it.
    heads : HeadEvidence, optional
        Of parameter attacks.
    ipv : ndarray, optional
        float (C, C), of inversion attacks; row c is the inverted prediction vector of class c.
    inverted : Tensor, optional
        float (C, channels, height, width), the inverted inputs.
    history : ndarray, optional
        float (steps, C); the probability of the aimed-at class, step by step.
    probe : ndarray, optional
        float (rows, 1 + 3 * C), of random inputs (see `attacks.random_inputs.RandomInputs`).
    queries : int
        Images the attack put to a black box.
    gradients : int
        Images for which it took a gradient of the target model.
    flags : tuple of str
        What looks broken.
    """

    attack: str
    classes: int
    score: Floats
    protocol: str = "attacker"
    reach: Floats | None = None
    heads: HeadEvidence | None = None
    ipv: Floats | None = None
    inverted: Tensor | None = None
    history: Floats | None = None
    probe: Floats | None = None
    queries: int = 0
    gradients: int = 0
    flags: tuple[str, ...] = ()
