"""What an architecture is: an input side, a rule for the images it fits, and a feature extractor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from labelleak_lib.models.architectures.lenet import _lenet
from labelleak_lib.models.architectures.resnet18 import _resnet18
from labelleak_lib.models.architectures.small import _small


@dataclass(frozen=True)
class Architecture:
    """An architecture's input side in pixels and the function that builds its feature extractor."""

    side: int
    build: Callable[[int], tuple[nn.Module, int]]


ARCHITECTURES = {
    "small": Architecture(8, _small),
    "lenet": Architecture(28, _lenet),
    "resnet18": Architecture(32, _resnet18),
}


def default_architecture(channels: int, side: int) -> str:
    """Return the architecture for images of this shape: small (8x8), LeNet (28x28 grey), else ResNet18 (32x32)."""
    if side == 8:
        return "small"
    return "lenet" if side == 28 and channels == 1 else "resnet18"
