"""torchvision's ResNet18 on images of 32x32 pixels."""

from typing import ClassVar

from torch import nn

from labelleak_lib.models.architectures.layers import Standardise
from labelleak_lib.models.half_precision import HalfPrecision
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.models.tap_exact import skip_padding_taps
from labelleak_lib.registry import ARCHITECTURES


@ARCHITECTURES.register("resnet18")
class ResNet18:
    """torchvision's ResNet18 on images of 32x32 pixels."""

    title: ClassVar[str] = "ResNet18"
    order: ClassVar[int] = 2
    side: ClassVar[int] = 32
    recipes: ClassVar[dict[str, Recipe]] = {
        "quick": Recipe(epochs=3, batch_size=128, lr=0.05, min_steps=600),
        "paper": Recipe(epochs=8, batch_size=128, lr=0.05, min_steps=800),
    }

    @staticmethod
    def fits(channels: int, side: int) -> bool:
        """Tell whether the images can be brought to 32x32 pixels, as all can."""
        return True

    @staticmethod
    def build(channels: int) -> tuple[nn.Module, int]:
        """Return phi and its number of features."""
        from torchvision.models import resnet18

        network = resnet18(weights=None)
        width = network.fc.in_features
        network.fc = nn.Identity()
        if channels != 3:
            network.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        skip_padding_taps(network)
        return HalfPrecision(Standardise(), network), width
