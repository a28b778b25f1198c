"""LeNet for grey images of 28x28 pixels."""

from typing import ClassVar

from torch import nn

from labelleak_lib.models.architectures.layers import MaxPool, Standardise
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.registry import ARCHITECTURES


@ARCHITECTURES.register("lenet")
class LeNet:
    """LeNet for grey images of 28x28 pixels."""

    title: ClassVar[str] = "LeNet"
    order: ClassVar[int] = 1
    side: ClassVar[int] = 28
    recipes: ClassVar[dict[str, Recipe]] = {
        "quick": Recipe(epochs=5, batch_size=128, lr=0.1, min_steps=400),
        "paper": Recipe(epochs=5, batch_size=128, lr=0.1, min_steps=400),
    }

    @staticmethod
    def fits(channels: int, side: int) -> bool:
        """Tell whether images are grey and have 28x28 pixels."""
        return (channels, side) == (1, 28)

    @staticmethod
    def build(channels: int) -> tuple[nn.Module, int]:
        """Return phi and its number of features."""
        # maximum and ReLU commute exactly, and ReLU after pooling has a quarter of the work
        layers = [
            *(Standardise(), nn.Conv2d(channels, 6, 5, padding=2), MaxPool(), nn.ReLU()),
            *(nn.Conv2d(6, 16, 5), MaxPool(), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(16 * 5 * 5, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()),
        ]
        return nn.Sequential(*layers), 84
