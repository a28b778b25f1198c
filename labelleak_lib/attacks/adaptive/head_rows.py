"""Rows of the last layer beside one another: what is left where sum and bias were put right."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from labelleak_lib.evidence import Evidence, Floats
from labelleak_lib.models.access import WhiteBox
from labelleak_lib.registry import ADAPTIVE


@ADAPTIVE.register("row_distance")
@dataclass(frozen=True)
class RowDistance:
    """Read how far each row lies from the mean of the others, and how odd that distance is, to either side.

    A row put in their mean has no distance at all, one that a defence stretched lies farther off than any other.
    """

    name: ClassVar[str]
    title: ClassVar[str] = "row distance"
    order: ClassVar[int] = 2
    access_kind: ClassVar[str] = "white_box"
    criterion: ClassVar[str] = "largest_gap"

    def evidence(self, access: WhiteBox, *, generator: torch.Generator) -> Evidence:
        """Return the absolute differences to the median distance."""
        rows = _rows(access)
        others = (rows.sum(0) - rows) / (len(rows) - 1)
        return Evidence(self.name, access.classes, _odd((rows - others).norm(dim=1)))


@ADAPTIVE.register("row_norm")
@dataclass(frozen=True)
class RowNorm(RowDistance):
    """Read how far each row's norm is from the median norm, to either side."""

    title: ClassVar[str] = "row norm"
    order: ClassVar[int] = 3

    def evidence(self, access: WhiteBox, *, generator: torch.Generator) -> Evidence:
        """Return the absolute differences."""
        return Evidence(self.name, access.classes, _odd(_rows(access).norm(dim=1)))


@ADAPTIVE.register("row_typical")
@dataclass(frozen=True)
class RowTypical(RowDistance):
    """Read how near each row's spread, sum and bias come to the means over the others: a row put there comes nearest.

    Spread is the norm of a row less its mean entry. The score is how odd, to either side, the logarithm is of the
    summed squares of the differences, each in units of the other rows' deviation.
    """

    title: ClassVar[str] = "typical row"
    order: ClassVar[int] = 10

    def evidence(self, access: WhiteBox, *, generator: torch.Generator) -> Evidence:
        """Return how far from the median each row's logarithm is."""
        rows, bias = _rows(access), access.model.head.bias.detach().double()
        sizes = torch.stack([(rows - rows.mean(1, keepdim=True)).norm(dim=1), rows.sum(1), bias])
        c = len(rows)
        others = torch.stack([sizes[:, torch.arange(c) != i] for i in range(c)])
        away = (sizes.T - others.mean(2)) / others.std(2).clamp_min(1e-12)
        return Evidence(self.name, access.classes, _odd(away.pow(2).sum(1).clamp_min(1e-12).log()))


def _odd(value: Tensor) -> Floats:
    """Return how far each value (C,) is from the median, to either side."""
    return np.asarray((value - value.median()).abs().cpu().numpy())


def _rows(access: WhiteBox) -> Tensor:
    return access.model.head.weight.detach().double()
