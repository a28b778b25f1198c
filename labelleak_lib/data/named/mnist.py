"""MNIST and Fashion-MNIST: four idx files, packed or not."""

import os
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from labelleak_lib.data.base import NamedDataset, Source
from labelleak_lib.data.files import DataError, download, fingerprint, gunzip
from labelleak_lib.files import cache_dir
from labelleak_lib.registry import DATASETS

CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


@DATASETS.register("mnist")
class Mnist(NamedDataset):
    """70,000 handwritten digits, grey, 28x28 pixels."""

    title, order = "MNIST", 1
    folder = "MNIST"  # as torchvision calls the class and the folder that it downloads to
    class_names = tuple("0123456789")

    def read(self, root: Path) -> Source:
        """Read the official files, else download them."""
        raw = Path(self.folder) / "raw"
        if not any((root / raw).glob("t*-ubyte*")):
            from torchvision import datasets

            root = download(self.name, self.folder, partial(getattr(datasets, self.folder), download=True), root)
        train, test = (_read_part(root / raw, part) for part in ("train", "t10k"))
        return Source("official files", self.class_names, *train, pool_share=1 / 6, test=test)


@DATASETS.register("fashion_mnist")
class FashionMnist(Mnist):
    """70,000 pictures of clothes, grey, 28x28 pixels."""

    title, order = "Fashion-MNIST", 2
    folder = "FashionMNIST"
    class_names = CLOTHES


def _read_part(raw: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    images_path, labels_path = raw / f"{part}-images-idx3-ubyte", raw / f"{part}-labels-idx1-ubyte"
    images, labels = _read_idx(images_path, (28, 28)), _read_idx(labels_path, ())
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} has {len(images)} images but {labels_path.name} has {len(labels)} labels; "
            "replace both with the official files"
        )
    return images[:, None], labels.astype(np.int64)


def _read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read an idx file whose entries have this shape, and are uint8."""
    with _unpacked(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        header = np.fromfile(file, ">u4", 2 + len(shape)).tolist()  # a magic number, the number of entries, their shape
        if len(header) != 2 + len(shape) or header != [2049 + len(shape), header[1], *shape]:
            raise DataError(
                f"{path} does not start as an idx file of {'28x28 images' if shape else 'labels'} "
                f"(magic number {2049 + len(shape)}); replace it with the official file"
            )
        if size != (expected := 4 * len(header) + header[1] * prod(shape)):
            raise DataError(f"{path} has {size} bytes where its header announces {expected}; restore the original file")
        return np.fromfile(file, np.uint8).reshape(header[1], *shape)


def _unpacked(path: Path) -> Path:
    """Return `path`, or a copy of its ``.gz`` unpacked into the cache, since a data folder may be read-only."""
    packed = path.with_name(f"{path.name}.gz")
    if path.is_file():
        return path
    if not packed.is_file():
        raise DataError(f"{packed} is missing; put it there, or remove {path.parents[1]} to download all four files")
    unpacked = cache_dir() / "data" / f"unpacked-{fingerprint(packed)}" / path.name
    if not unpacked.is_file():
        gunzip(packed, unpacked)
    return unpacked
