"""Read the row sums of the last layer's weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from labelleak_lib.access import WhiteBox
from labelleak_lib.attacks.images import _seed
from labelleak_lib.evidence import Evidence
from labelleak_lib.registry import ATTACKS


@ATTACKS.register("head_row_sum")
@dataclass(frozen=True)
class HeadRowSum:
    """Read the sum of each row of the last layer's weight: no query, no sample."""

    access_kind: ClassVar[str] = "white_box"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("two_means",)

    def evidence(self, access: WhiteBox, *, generator: torch.Generator) -> Evidence:
        """Return minus the row sums: features are non-negative, so a low row sum pushes the class's logit down."""
        total = access.model.head.weight.detach().double().sum(1).cpu().numpy()
        return Evidence("head_row_sum", access.classes, -total, seed=_seed(generator))
