"""LeNet for grey images of 28x28 pixels."""

from __future__ import annotations

from torch import nn

from labelleak_lib.models.architectures.layers import MaxPool, Standardise


def _lenet(channels: int) -> tuple[nn.Module, int]:
    # maximum and ReLU commute exactly, and ReLU after pooling has a quarter of the work
    layers = [
        *(Standardise(), nn.Conv2d(channels, 6, 5, padding=2), MaxPool(), nn.ReLU()),
        *(nn.Conv2d(6, 16, 5), MaxPool(), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(16 * 5 * 5, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()),
    ]
    return nn.Sequential(*layers), 84
