"""torchvision's ResNet18 on images of 32x32 pixels."""

from __future__ import annotations

from torch import nn

from labelleak_lib.models.architectures.layers import Standardise
from labelleak_lib.models.half_precision import HalfPrecision
from labelleak_lib.models.tap_exact import skip_padding_taps


def _resnet18(channels: int) -> tuple[nn.Module, int]:
    from torchvision.models import resnet18

    network = resnet18(weights=None)
    width = network.fc.in_features
    network.fc = nn.Identity()
    if channels != 3:
        network.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    skip_padding_taps(network)
    return HalfPrecision(Standardise(), network), width
