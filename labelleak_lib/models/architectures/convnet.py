"""A small convolutional network with batch normalisation."""

from typing import ClassVar

from torch import nn

from labelleak_lib.models.architectures.layers import Standardise
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.registry import ARCHITECTURES


class ConvNet:
    """Three convolutions with batch normalisation and a global mean; no data set gets it unasked."""

    order: ClassVar[int]
    side: ClassVar[int]
    recipes: ClassVar[dict[str, Recipe]] = dict.fromkeys(("quick", "paper"), Recipe(epochs=4, lr=0.1, min_steps=400))

    @staticmethod
    def fits(channels: int, side: int) -> bool:
        """Tell that it is nobody's first choice."""
        return False

    @staticmethod
    def build(channels: int) -> tuple[nn.Module, int]:
        """Return phi and its number of features."""
        layers: list[nn.Module] = [Standardise()]
        for before, after in ((channels, 16), (16, 32), (32, 64)):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), 64


@ARCHITECTURES.register("convnet28")
class ConvNet28(ConvNet):
    """For images of 28x28 pixels."""

    title: ClassVar[str] = "ConvNet with batch norm, 28x28"
    order: ClassVar[int] = 11
    side: ClassVar[int] = 28


@ARCHITECTURES.register("convnet32")
class ConvNet32(ConvNet):
    """For images of 32x32 pixels."""

    title: ClassVar[str] = "ConvNet with batch norm, 32x32"
    order: ClassVar[int] = 12
    side: ClassVar[int] = 32
