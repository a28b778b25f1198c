"""Read the last layer's bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from labelleak_lib.access import WhiteBox
from labelleak_lib.attacks.images import _seed
from labelleak_lib.evidence import Evidence
from labelleak_lib.registry import ATTACKS


@ATTACKS.register("head_bias")
@dataclass(frozen=True)
class HeadBias:
    """Read the last layer's bias: no query, no sample."""

    access_kind: ClassVar[str] = "white_box"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("two_means",)

    def evidence(self, access: WhiteBox, *, generator: torch.Generator) -> Evidence:
        """Return minus the bias of each class."""
        bias = access.model.head.bias.detach().double().cpu().numpy()
        return Evidence("head_bias", access.classes, -bias, seed=_seed(generator))
