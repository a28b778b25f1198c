"""Architectures, one file each; every file's class is found by its name.

An architecture is a class of class attributes and two verbs that need no instance: `fits(channels, side)` says whether
it is made for images of this shape, `build(channels)` returns a freshly drawn feature extractor phi and the number d of
its features. A data set gets the first architecture, by `order`, that fits its images.
"""

from typing import ClassVar, Protocol

from torch import nn

from labelleak_lib.models.recipe import Recipe
from labelleak_lib.registry import ARCHITECTURES


class Architecture(Protocol):
    """What an architecture offers."""

    title: ClassVar[str]
    order: ClassVar[int]
    side: ClassVar[int]
    """Height and width of the input, in pixels."""
    recipes: ClassVar[dict[str, Recipe]]
    """How to train, by profile."""

    @staticmethod
    def fits(channels: int, side: int) -> bool:
        """Tell whether images of `channels` channels and `side` x `side` pixels suit this architecture."""

    @staticmethod
    def build(channels: int) -> tuple[nn.Module, int]:
        """Return phi, drawn from torch's global generator, and its number of features."""


def default_architecture(channels: int, side: int) -> str:
    """Return the name of the first architecture that fits images of this shape.

    >>> default_architecture(1, 8), default_architecture(1, 28), default_architecture(3, 28)
    ('small', 'lenet', 'resnet18')
    """
    for name in ARCHITECTURES:
        if ARCHITECTURES[name].fits(channels, side):
            return name
    raise ValueError(f"images of {side}x{side} pixels fit no architecture; known: {', '.join(ARCHITECTURES)}")
