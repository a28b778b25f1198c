"""Labelled images in memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def to_input(images: Tensor) -> Tensor:
    """Scale uint8 images (any shape) to float32 in [0, 1]; float images pass unchanged."""
    return images.float().div_(255) if images.dtype == torch.uint8 else images


@dataclass(frozen=True, eq=False)
class Samples:
    """Labelled images: uint8 (n, channels, side, side) and int64 labels (n,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, mask: Tensor) -> Samples:
        """Return the samples where the boolean `mask` (n,) is true."""
        return Samples(self.images[mask], self.labels[mask])


def split_classes(samples: Samples, forgotten: tuple[int, ...]) -> tuple[Samples, Samples]:
    """Return (D_r, D_f): the samples of the other classes, and those of the `forgotten` classes.

    >>> retain, forget = split_classes(Samples(torch.zeros(4, 1, 8, 8), torch.tensor([0, 1, 2, 1])), (1,))
    >>> retain.labels.tolist(), forget.labels.tolist()
    ([0, 2], [1, 1])
    """
    forget = torch.isin(samples.labels, torch.tensor(forgotten))
    return samples.where(~forget), samples.where(forget)


def join(first: Samples, second: Samples) -> Samples:
    """Return all samples of `first`, then all of `second`."""
    return Samples(torch.cat([first.images, second.images]), torch.cat([first.labels, second.labels]))
