"""Ask the black box about crops of photographs."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from labelleak_lib.attacks.random_inputs import RandomInputs
from labelleak_lib.registry import ATTACKS
from labelleak_lib.space import photos


@ATTACKS.register("random_photos")
@dataclass(frozen=True)
class RandomPhotos(RandomInputs):
    """As `RandomInputs`, with random crops of the two photographs that scikit-learn carries."""

    title: ClassVar[str] = "photo crops"
    order: ClassVar[int] = 27

    def draw(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        """Return float `(inputs, *shape)` in [0, 1]: square crops of 32 to 256 pixels, scaled to the input's side."""
        return photos(self.inputs, shape, generator)
