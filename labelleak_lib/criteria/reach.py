"""The rule of reach: a class that no input lifts above the others."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from labelleak_lib.attacks.reach import relative_reach
from labelleak_lib.checks import require_number
from labelleak_lib.criteria.base import Criterion
from labelleak_lib.evidence import Evidence, Floats
from labelleak_lib.registry import ATTACKS, CRITERIA


@CRITERIA.register("reach")
@dataclass(frozen=True)
class Reach(Criterion):
    """Call a class forgotten when its relative reach is at most a threshold; nothing, where none is.

    Relative reach is a class's reach in units of the upper quartile of the model's own. Of an inversion, reach is what
    its vectors give to the classes that they aim at.

    Parameters
    ----------
    threshold : float, optional
        The attack's own, where it states one, else 0: no input was found that the model answers with the class.
    """

    threshold: float | None = None
    title: ClassVar[str] = "reach"
    order: ClassVar[int] = 5
    reads: ClassVar[str] = "reach"

    def __post_init__(self) -> None:
        if self.threshold is not None:
            require_number("threshold", self.threshold)

    def can_read(self, evidence: Evidence) -> bool:
        """Say whether the evidence tells how far each class was reached."""
        return evidence.reach is not None or evidence.ipv is not None

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return {c: relative reach of c <= threshold}; the empty set where most classes are out of reach."""
        relative = relative_reach(reached(evidence))
        limit = ATTACKS.attribute(evidence.attack, "threshold", 0.0) if self.threshold is None else self.threshold
        return frozenset(np.flatnonzero(relative <= limit).tolist())

    def score(self, evidence: Evidence) -> Floats:
        """Return minus each class's reach."""
        return -reached(evidence)


def reached(evidence: Evidence) -> Floats:
    """Return the reach of every class, float (C,); ValueError where the evidence does not tell it."""
    if evidence.reach is not None:
        return evidence.reach
    if evidence.ipv is None:
        raise ValueError(f"evidence is of {evidence.attack!r}; criterion 'reach' needs reach or inverted vectors")
    log_p = np.log(np.maximum(evidence.ipv, 1e-300))
    own = log_p.diagonal().copy()
    np.fill_diagonal(log_p, -np.inf)
    return np.asarray(own - log_p.max(axis=1))
