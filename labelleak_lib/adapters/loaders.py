"""Samples as public unlearning code expects them: data loaders of float images and whole-number labels."""

import torch
from torch import Generator
from torch.utils.data import DataLoader, Dataset, TensorDataset

from labelleak_lib.data.samples import Samples, to_input


def as_dataset(samples: Samples, *, labels: int = 1) -> Dataset[tuple[torch.Tensor, ...]]:
    """Return a torch data set of (image, label): float32 (channels, side, side) in [0, 1], and int64.

    `labels` says how many times the label stands in an item; some code wants it twice, as class and as superclass.
    """
    return TensorDataset(to_input(samples.images).contiguous(), *[samples.labels.long()] * labels)


def as_loader(
    samples: Samples, *, generator: Generator, batch_size: int = 128, labels: int = 1
) -> DataLoader[tuple[torch.Tensor, ...]]:
    """Return a loader of batches of `as_dataset`, shuffled anew in every epoch in an order drawn by `generator`.

    >>> samples = Samples(torch.full((3, 1, 8, 8), 255, dtype=torch.uint8), torch.tensor([2, 0, 1]))
    >>> [(images, labels)] = as_loader(samples, generator=torch.Generator().manual_seed(0))
    >>> images.max().item(), images.shape, sorted(labels.tolist())
    (1.0, torch.Size([3, 1, 8, 8]), [0, 1, 2])
    """
    items = as_dataset(samples, labels=labels)
    return DataLoader(items, batch_size=batch_size, shuffle=len(samples) > 0, generator=generator)
