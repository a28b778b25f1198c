"""CIFAR's binary batches; its pickled ones are refused."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from labelleak_lib.data.base import Source
from labelleak_lib.data.files import DataError, read_bytes
from labelleak_lib.data.labels import numbered
from labelleak_lib.data.pixels import one_size
from labelleak_lib.data.splits import of_parts
from labelleak_lib.registry import LAYOUTS

PIXELS = 3 * 32 * 32
NAMES = ("batches.meta.txt", "fine_label_names.txt")
"""Files of class names: of CIFAR-10, with one byte of label before an image, and of CIFAR-100, with two."""


@LAYOUTS.register("CIFAR batches")
class CifarBatches:
    """``data_batch_*.bin`` and ``test_batch.bin`` of CIFAR-10, or ``train.bin`` and ``test.bin`` of CIFAR-100."""

    order = 30

    def takes(self, path: Path) -> bool:
        """Take a folder that holds such files, or the pickled ones, which are refused then."""
        return path.is_dir() and bool(_batches(path) or _pickled(path))

    def read(self, path: Path) -> Source:
        """Read the batches of each part."""
        parts = _batches(path)
        if not parts:
            raise DataError(
                f"{_pickled(path)[0]} is a pickle, which could run any code and is not opened; take the binary version "
                "(.bin) of these files, or the named data set cifar10 with data_dir the folder above the official ones"
            )
        width = 1 if any(file.name.startswith("data_batch") for files in parts.values() for file in files) else 2
        records = {part: np.concatenate([_records(file, width) for file in files]) for part, files in parts.items()}
        everything = np.concatenate(list(records.values()))
        images, notes = one_size(everything[:, width:].reshape(-1, 3, 32, 32), str(path))
        described = path / NAMES[width - 1]
        names = read_bytes(described).decode("utf-8", "replace").split() if described.is_file() else None
        found = numbered(everything[:, width - 1].astype(np.int64), str(path), names)
        sizes = {part: len(own) for part, own in records.items()}
        return of_parts(sizes, images, found._replace(notes=(*notes, *found.notes)), "binary batches", str(path))

    def files(self, path: Path) -> Iterable[Path]:
        """List the batches and the names beside them."""
        return [file for files in _batches(path).values() for file in files] + [path / name for name in NAMES]


def _batches(path: Path) -> dict[str, list[Path]]:
    batches, test = sorted(path.glob("data_batch_*.bin")), path / "test_batch.bin"
    train = batches or [file for file in (path / "train.bin",) if file.is_file() and (path / "test.bin").is_file()]
    test = test if batches else path / "test.bin"
    return {part: files for part, files in (("train", train), ("test", [test] * test.is_file())) if files and train}


def _pickled(path: Path) -> list[Path]:
    named = [path / name for name in ("data_batch_1", "test_batch")]
    if (path / "meta").is_file():
        named += [path / "train", path / "test"]
    return [file for file in named if file.is_file()]


def _records(file: Path, width: int) -> np.ndarray:
    """Return uint8 (n, width + 3072): the label's bytes and the pixels of each image, channel by channel."""
    content = np.frombuffer(read_bytes(file), np.uint8)
    if not len(content) or len(content) % (width + PIXELS):
        raise DataError(f"{file} has {len(content)} bytes, no multiple of {width + PIXELS}; restore the original file")
    return content.reshape(-1, width + PIXELS)
