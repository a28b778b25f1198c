"""The answer that looks at nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from labelleak_lib.access import BlackBox
from labelleak_lib.evidence import Evidence
from labelleak_lib.registry import ATTACKS


@ATTACKS.register("trivial")
@dataclass(frozen=True)
class Trivial:
    """Say that nothing was forgotten."""

    access_kind: ClassVar[str] = "black_box"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("none",)

    def evidence(self, access: BlackBox, *, generator: torch.Generator) -> Evidence:
        """Return a score of zero for every class."""
        return Evidence("trivial", access.classes, np.zeros(access.classes))
