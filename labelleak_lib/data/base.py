"""What a data set is, before and after it is divided into parts, and the shapes that its images may have."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
from torch import Tensor

MIN_SIDE = 8
"""The smallest side of a reader's own images, in pixels."""


@dataclass(frozen=True, eq=False)
class Source:
    """Images and labels as they were read, and how they are to be divided into parts.

    Parameters
    ----------
    variant : str
        Which copy of the data this is, as tables must state it.
    class_names : tuple of str
        One name a class, in label order.
    images, labels : ndarray of uint8, shape (N, channels, side, side), and of int64, shape (N,)
        Labels are in ``0 .. len(class_names) - 1``.
    pool_share, test_share : float
        Shares of ``images``, in (0, 1), that become the attacker pool, and the test part where none is official.
    test : tuple of (ndarray, ndarray) or None
        Official test images and labels, shaped as above.
    notes : tuple of str
        What a reader should know of how their own files were understood, a sentence each.
    """

    variant: str
    class_names: tuple[str, ...]
    images: np.ndarray
    labels: np.ndarray
    pool_share: float = 0.2
    test_share: float = 0.2
    test: tuple[np.ndarray, np.ndarray] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Dataset:
    """A labelled image data set in three disjoint parts: train, attacker pool, test.

    The target model trains on ``train`` and is measured on ``test``; attackers draw their samples from
    ``pool``, which no target model has seen. The `name` is a known one, or the stem of the folder or file; `variant`,
    `class_names` and `notes` are as in :class:`Source`. Images are uint8 (N, channels, side,
    side), labels int64 (N,) in 0 .. classes - 1.
    """

    name: str
    variant: str
    class_names: tuple[str, ...]
    train_images: Tensor = field(repr=False)
    train_labels: Tensor = field(repr=False)
    pool_images: Tensor = field(repr=False)
    pool_labels: Tensor = field(repr=False)
    test_images: Tensor = field(repr=False)
    test_labels: Tensor = field(repr=False)
    notes: tuple[str, ...] = field(default=(), repr=False)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def channels(self) -> int:
        """Number of colour channels, 1 or 3."""
        return self.train_images.shape[1]

    @property
    def side(self) -> int:
        """Height and width of the images, in pixels."""
        return self.train_images.shape[2]


class NamedDataset(Protocol):
    """What a class registered with `DATASETS` states: how tables call it, its place in the book, how it is read."""

    name: ClassVar[str]
    title: ClassVar[str]
    order: ClassVar[int]

    def read(self, root: Path) -> Source:
        """Read the data set from the data folder `root`, else from the cache, else download it."""


class Layout(Protocol):
    """What a class registered with `LAYOUTS` states: one arrangement of a reader's own files, and how it is read."""

    name: ClassVar[str]
    order: ClassVar[int]

    def takes(self, path: Path) -> bool:
        """Say whether an existing folder or file is arranged so; the first layout that does reads it."""

    def read(self, path: Path) -> Source:
        """Read it; DataError in one sentence where it cannot be read as a data set."""

    def files(self, path: Path) -> Iterable[Path]:
        """List every file that decides what is read."""


def canonical_side(smaller_side: float, grey: bool) -> int:
    """Return the side, in pixels, to which images are resized: 8, 28 or 32, those of the known data sets.

    The `smaller_side` is that of height and width, in pixels: its median over images of several sizes.

    >>> canonical_side(8, grey=True), canonical_side(300, grey=True), canonical_side(300, grey=False)
    (8, 28, 32)
    """
    if smaller_side < 20:
        return 8
    return 28 if grey else 32
