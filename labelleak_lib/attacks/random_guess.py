"""A fair coin for every class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from labelleak_lib.access import BlackBox
from labelleak_lib.evidence import Evidence
from labelleak_lib.registry import ATTACKS


@ATTACKS.register("random")
@dataclass(frozen=True)
class RandomGuess:
    """Toss a fair coin for every class."""

    access_kind: ClassVar[str] = "black_box"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("above_half",)

    def evidence(self, access: BlackBox, *, generator: torch.Generator) -> Evidence:
        """Return uniform scores in [0, 1)."""
        drawn = torch.rand(access.classes, generator=generator, dtype=torch.float64)
        return Evidence("random", access.classes, drawn.numpy())
