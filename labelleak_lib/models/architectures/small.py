"""A small convolutional network for images of 8x8 pixels."""

from typing import ClassVar

from torch import nn

from labelleak_lib.models.architectures.layers import MaxPool, Standardise
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.registry import ARCHITECTURES


@ARCHITECTURES.register("small")
class Small:
    """A small convolutional network for images of 8x8 pixels."""

    title: ClassVar[str] = "small network"
    order: ClassVar[int] = 0
    side: ClassVar[int] = 8
    recipes: ClassVar[dict[str, Recipe]] = {
        "quick": Recipe(epochs=20, batch_size=32, lr=0.05, min_steps=400),
        "paper": Recipe(epochs=20, batch_size=32, lr=0.05, min_steps=400),
    }

    @staticmethod
    def fits(channels: int, side: int) -> bool:
        """Tell whether images have 8x8 pixels."""
        return side == 8

    @staticmethod
    def build(channels: int) -> tuple[nn.Module, int]:
        """Return phi and its number of features."""
        layers = [
            *(Standardise(), nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(16, 32, 3, padding=1), MaxPool(), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(32 * 4 * 4, 64), nn.ReLU()),
        ]
        return nn.Sequential(*layers), 64
