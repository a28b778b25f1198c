"""Ask the black box about uniform noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labelleak_lib.attacks.random_inputs import RandomInputs
from labelleak_lib.registry import ATTACKS


@ATTACKS.register("random_noise")
@dataclass(frozen=True)
class RandomNoise(RandomInputs):
    """As `RandomInputs`, with uniform noise: every pixel drawn on its own."""

    def draw(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        """Return float `(inputs, *shape)` in [0, 1]."""
        return torch.rand((self.inputs, *shape), generator=generator)
