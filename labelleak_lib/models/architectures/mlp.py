"""Two hidden layers, for grey images of 28x28 pixels."""

from typing import ClassVar

from torch import nn

from labelleak_lib.models.architectures.layers import Standardise
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.registry import ARCHITECTURES


@ARCHITECTURES.register("mlp")
class Perceptron:
    """Two hidden layers, for grey images of 28x28 pixels; no data set gets it unasked."""

    title: ClassVar[str] = "multilayer perceptron"
    order: ClassVar[int] = 10
    side: ClassVar[int] = 28
    recipes: ClassVar[dict[str, Recipe]] = dict.fromkeys(("quick", "paper"), Recipe(epochs=5, lr=0.02, min_steps=600))

    @staticmethod
    def fits(channels: int, side: int) -> bool:
        """Tell that it is nobody's first choice."""
        return False

    @staticmethod
    def build(channels: int) -> tuple[nn.Module, int]:
        """Return phi and its number of features."""
        layers = [nn.Linear(784 * channels, 200), nn.ReLU(), nn.Linear(200, 100), nn.ReLU()]
        return nn.Sequential(Standardise(), nn.Flatten(), *layers), 100
