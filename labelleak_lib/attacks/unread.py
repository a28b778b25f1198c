"""Answers that look at nothing, which every attack has to beat."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from labelleak_lib.evidence import Evidence
from labelleak_lib.models.access import BlackBox
from labelleak_lib.registry import ATTACKS


@ATTACKS.register("trivial")
@dataclass(frozen=True)
class Trivial:
    """Say that nothing was forgotten."""

    title: ClassVar[str] = "nothing forgotten"
    order: ClassVar[int] = 20
    access_kind: ClassVar[str] = "black_box"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("none",)

    def evidence(self, access: BlackBox, *, generator: torch.Generator) -> Evidence:
        """Return a score of zero for every class."""
        return Evidence("trivial", access.classes, np.zeros(access.classes))


@ATTACKS.register("random")
@dataclass(frozen=True)
class RandomGuess(Trivial):
    """Toss a fair coin for every class."""

    title: ClassVar[str] = "coin"
    order: ClassVar[int] = 21
    criteria: ClassVar[tuple[str, ...]] = ("above_half",)

    def evidence(self, access: BlackBox, *, generator: torch.Generator) -> Evidence:
        """Return uniform scores in [0, 1)."""
        drawn = torch.rand(access.classes, generator=generator, dtype=torch.float64)
        return Evidence("random", access.classes, drawn.numpy())
