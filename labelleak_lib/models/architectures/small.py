"""A small convolutional network for images of 8x8 pixels."""

from __future__ import annotations

from torch import nn

from labelleak_lib.models.architectures.layers import MaxPool, Standardise


def _small(channels: int) -> tuple[nn.Module, int]:
    layers = [
        *(Standardise(), nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, padding=1), MaxPool(), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(32 * 4 * 4, 64), nn.ReLU()),
    ]
    return nn.Sequential(*layers), 64
