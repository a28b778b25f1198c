"""The data sets by name or by path, and their division into train, attacker pool and test."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from labelleak_lib.data.files import DataError, Source, cache_dir, default_data_dir
from labelleak_lib.data.folders import read_folder, read_npz
from labelleak_lib.data.named import READERS

__all__ = [
    "NAMES",
    "DataError",
    "Dataset",
    "cache_dir",
    "default_data_dir",
    "load_dataset",
    "require_samples",
]

NAMES = tuple(READERS)
"""The data sets known by name."""

PARTS = ("train", "pool", "test")
MIN_PER_CLASS = 5


@dataclass(frozen=True, eq=False)
class Dataset:
    """A labelled image data set in three disjoint parts: train, attacker pool, test.

    The target model trains on ``train`` and is measured on ``test``; attackers draw their samples from
    ``pool``, which no target model has seen.

    Parameters
    ----------
    name : str
        A known name, or the stem of the folder or file.
    variant : str
        Which copy of the data this is; every table that uses it states it.
    class_names : tuple of str
        One name a class, in label order.
    train_images, pool_images, test_images : Tensor of uint8, shape (N, channels, side, side)
        Pixel values 0 .. 255.
    train_labels, pool_labels, test_labels : Tensor of int64, shape (N,)
        Class indices 0 .. classes - 1.
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


def split_indices(labels: np.ndarray, shares: tuple[float, ...], seed: int) -> list[np.ndarray]:
    """Divide samples class by class into parts of given shares; what is left over is the first part.

    Each share is met over all samples to the nearest integer, by largest remainders, except that every class
    gets at least one sample in every part.

    Parameters
    ----------
    labels : ndarray of int, shape (N,)
        With at least 5 samples a class.
    shares : tuple of float
        Shares of all parts but the first, in (0, 1), adding up to at most 0.6.
    seed : int
        Seed of the shuffle.

    Returns
    -------
    list of ndarray of int
        ``len(shares) + 1`` sorted, disjoint index arrays that together cover every sample.
    """
    rng = np.random.default_rng(seed)
    members = [rng.permutation(np.flatnonzero(labels == c)) for c in np.unique(labels)]
    sizes = np.array([len(m) for m in members])
    parts: list[list[np.ndarray]] = [[] for _ in shares]
    for part, share in zip(parts, shares, strict=True):
        exact = sizes * share
        counts = np.floor(exact + 1e-9).astype(int)
        short = round(len(labels) * share) - counts.sum()
        counts[np.argsort(counts - exact, kind="stable")[: max(short, 0)]] += 1
        for c, count in enumerate(np.maximum(counts, 1)):
            part.append(members[c][:count])
            members[c] = members[c][count:]
    return [np.sort(np.concatenate(part)) for part in (members, *parts)]


def _read(dataset: str, data_dir: str | Path | None) -> tuple[str, Source]:
    if dataset in READERS:
        root = Path(data_dir).expanduser() if data_dir is not None else default_data_dir()
        if not root.is_dir() and root != cache_dir() / "data":
            raise DataError(f"the data folder {root} does not exist; create it, or unset data_dir and LABELLEAK_DATA")
        return dataset, READERS[dataset](root)
    path = Path(os.path.expanduser(dataset))
    if dataset and os.path.isdir(path):
        return path.resolve().name, read_folder(path)
    if os.path.isfile(path):
        if path.suffix.lower() != ".npz":
            raise DataError(f"{path} is neither a folder nor an .npz file; give a folder of class folders or an .npz")
        return path.stem, read_npz(path)
    raise DataError(
        f"dataset {dataset!r} is no known name ({', '.join(NAMES)}) and no existing path; give one of these "
        "names, a folder of class folders, or an .npz file"
    )


def _check_counts(dataset: str, class_names: tuple[str, ...], labels: np.ndarray, needed: int) -> None:
    counts = np.bincount(labels, minlength=len(class_names))
    if len(counts) > len(class_names):
        raise DataError(
            f"{dataset}: label {len(counts) - 1} is out of range 0 .. {len(class_names) - 1}; "
            "restore the original files"
        )
    scarce = int(np.argmin(counts))
    if counts[scarce] < needed:
        raise DataError(
            f"{dataset}: class {class_names[scarce]!r} has {counts[scarce]} samples, at least {needed} are "
            "needed to make the parts train, pool and test; add samples or leave the class out"
        )


def load_dataset(dataset: str, *, data_dir: str | Path | None = None, split_seed: int = 0) -> Dataset:
    """Load a data set and divide it into train, attacker pool and test.

    Official test parts are kept whole, and the pool is a stratified share of the official training part: 1/6
    of MNIST and Fashion-MNIST, 1/10 of SVHN and CIFAR-10. Without official parts, all three are stratified:
    ``digits`` 50/30/20, the SVHN subset 70/15/15, a reader's own data 60/20/20.

    Parameters
    ----------
    dataset : str
        One of `NAMES`; or the path of a folder of class folders; or of an ``.npz`` with ``images`` (N, H, W)
        or (N, H, W, 1 or 3) and ``labels`` (N,).
    data_dir : str or Path, optional
        Where named data sets are looked up; :func:`default_data_dir` if None. What is not there is
        downloaded.
    split_seed : int
        Non-negative seed of the division; the same seed gives the same parts.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        When the data set is unknown, missing, damaged or unsuitable, or `split_seed` is not a non-negative
        integer.
    """
    if isinstance(split_seed, bool) or not isinstance(split_seed, Integral) or split_seed < 0:
        raise DataError(f"split_seed is {split_seed!r}; give a non-negative integer")
    name, source = _read(str(dataset), data_dir)
    shares = (source.pool_share,) + ((source.test_share,) if source.test is None else ())
    _check_counts(dataset, source.class_names, source.labels, MIN_PER_CLASS)
    if source.test is not None:
        _check_counts(dataset, source.class_names, source.test[1], 1)
    indices = split_indices(source.labels, shares, split_seed)
    parts = [(source.images[chosen], source.labels[chosen]) for chosen in indices]
    if source.test is not None:
        parts.append(source.test)
    tensors = {}
    for part, (images, labels) in zip(PARTS, parts, strict=True):
        tensors[f"{part}_images"] = torch.from_numpy(np.ascontiguousarray(images))
        tensors[f"{part}_labels"] = torch.from_numpy(labels.astype(np.int64))
    return Dataset(name, source.variant, source.class_names, **tensors)


def require_samples(dataset: Dataset, n: int, *, part: str = "pool") -> None:
    """Check that every class has at least `n` samples in a part.

    Parameters
    ----------
    dataset : Dataset
    n : int
        Samples needed of each class.
    part : {"pool", "train", "test"}
        The part that must hold them.

    Raises
    ------
    DataError
        When a class has fewer, or `part` is no part.
    """
    if part not in PARTS:
        raise DataError(f"part is {part!r}; give one of {', '.join(PARTS)}")
    counts = torch.bincount(getattr(dataset, f"{part}_labels"), minlength=dataset.classes)
    for c, count in enumerate(counts.tolist()):
        if count < n:
            raise DataError(
                f"{dataset.name}: class {dataset.class_names[c]!r} has {count} samples in the {part} part, "
                f"{n} are needed; ask for at most {int(counts.min())} samples a class, or add more of it"
            )
