"""Readings of the last layer that need no query and no sample."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from labelleak_lib.evidence import Evidence
from labelleak_lib.models.access import WhiteBox
from labelleak_lib.registry import ATTACKS


@ATTACKS.register("head_bias")
@dataclass(frozen=True)
class HeadBias:
    """Read the last layer's bias."""

    title: ClassVar[str] = "head bias"
    order: ClassVar[int] = 23
    access_kind: ClassVar[str] = "white_box"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("two_means",)

    def evidence(self, access: WhiteBox, *, generator: torch.Generator) -> Evidence:
        """Return minus the bias of each class."""
        bias = access.model.head.bias.detach().double().cpu().numpy()
        return Evidence("head_bias", access.classes, -bias)


@ATTACKS.register("head_row_sum")
@dataclass(frozen=True)
class HeadRowSum(HeadBias):
    """Read the sum of each row of the last layer's weight."""

    title: ClassVar[str] = "head row sum"
    order: ClassVar[int] = 24

    def evidence(self, access: WhiteBox, *, generator: torch.Generator) -> Evidence:
        """Return minus the row sums: features are non-negative, so a low row sum pushes the class's logit down."""
        total = access.model.head.weight.detach().double().sum(1).cpu().numpy()
        return Evidence("head_row_sum", access.classes, -total)
