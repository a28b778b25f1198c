"""Dummy classes: whoever knows how many there are counts the outputs out of reach, and names the odd one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from labelleak_lib.attacks.gradient_reach import GradientReach
from labelleak_lib.attacks.joint_reach import JointReach
from labelleak_lib.attacks.reach import relative_reach
from labelleak_lib.checks import require_int
from labelleak_lib.evidence import Bools, Evidence, Floats
from labelleak_lib.models.access import BlackBox, WhiteBox
from labelleak_lib.registry import ADAPTIVE


def odd_ones(value: Floats, unreached: Bools, dummies: int) -> Floats:
    """Return 1 for as many of the unreached as there are too many, those whose `value` is oddest; 0 for the others.

    Parameters
    ----------
    value : ndarray
        float (outputs,); what they are compared by.
    unreached : ndarray
        bool (outputs,).
    dummies : int
        Outputs that are known never to have had a sample.

    Examples
    --------
    >>> value, unreached = np.array([9.0, -1.0, -1.1, -3.0]), np.array([False, True, True, True])
    >>> odd_ones(value, unreached, dummies=2).tolist(), odd_ones(value, unreached, dummies=3).tolist()
    ([0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0])
    """
    score, members = np.zeros(len(value)), np.flatnonzero(unreached)
    excess = len(members) - dummies
    if excess > 0:
        odd = np.abs(value[members] - np.median(value[members]))
        score[members[np.argsort(-odd, kind="stable")[:excess]]] = 1
    return score


@ADAPTIVE.register("among_unreached")
@dataclass(frozen=True)
class AmongUnreached:
    """Among the outputs that joint reach does not reach, name as many as are no dummies, by how odd their reach is.

    Parameters
    ----------
    dummies : int
        Number of dummies.
    """

    dummies: int = 5
    name: ClassVar[str]
    title: ClassVar[str] = "among the unreached"
    order: ClassVar[int] = 4
    access_kind: ClassVar[str] = "black_box"
    criterion: ClassVar[str] = "above_half"

    def __post_init__(self) -> None:
        require_int("dummies", self.dummies, low=0)

    @classmethod
    def against(cls, defence: Any) -> AmongUnreached:
        """Return the attack that knows how many dummies `defence` adds."""
        return cls(defence.dummies)

    def evidence(self, access: BlackBox, *, generator: torch.Generator) -> Evidence:
        """Return 1 for the outputs that are named, 0 for the others."""
        found = JointReach().evidence(access, generator=generator)
        relative = relative_reach(-found.score)
        score = odd_ones(relative, relative <= JointReach.threshold, self.dummies)
        return Evidence(self.name, access.classes, score, queries=found.queries)


@ADAPTIVE.register("row_among_unreached")
@dataclass(frozen=True)
class RowAmongUnreached(AmongUnreached):
    """As `AmongUnreached`, by gradient reach and by how odd a row's sum is: a row that was trained once is another."""

    title: ClassVar[str] = "row among the unreached"
    order: ClassVar[int] = 5
    access_kind: ClassVar[str] = "white_box"

    def evidence(self, access: WhiteBox, *, generator: torch.Generator) -> Evidence:  # type: ignore[override]
        """Return 1 for the outputs that are named, 0 for the others."""
        found = GradientReach(steps=100, starts=3).evidence(access, generator=generator)
        unreached = relative_reach(-found.score) <= GradientReach.threshold
        total = access.model.head.weight.detach().double().sum(1).cpu().numpy()
        score = odd_ones(total, unreached, self.dummies)
        return Evidence(self.name, access.classes, score, gradients=found.gradients)
