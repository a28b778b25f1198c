"""Raw idx files, as MNIST and its kin are published, packed or not."""

import gzip
import zlib
from collections.abc import Iterable
from math import prod
from pathlib import Path

import numpy as np

from labelleak_lib.data.base import Source
from labelleak_lib.data.files import DataError, read_bytes
from labelleak_lib.data.labels import numbered
from labelleak_lib.data.pixels import one_size
from labelleak_lib.data.splits import of_parts
from labelleak_lib.registry import LAYOUTS


@LAYOUTS.register("idx files")
class Idx:
    """Pairs of an images file and a labels file in one folder, or in its folder ``raw``; names say train or test."""

    order = 20

    def takes(self, path: Path) -> bool:
        """Take a folder in which a file begins as idx files of bytes do."""
        return path.is_dir() and bool(_inside(path))

    def read(self, path: Path) -> Source:
        """Read the pair of each part."""
        pairs: dict[str, dict[str, Path]] = {}
        for file in _inside(path):
            kind = "labels" if dimensions(file) == 1 else "images"
            part = part_in(file.name)
            if kind in pairs.setdefault(part, {}):
                raise DataError(
                    f"{file} and {pairs[part][kind].name} both hold {kind} of one part; keep one pair of files a part"
                )
            pairs[part][kind] = file
        for pair in pairs.values():
            if len(pair) < 2:
                there = next(iter(pair.values()))
                raise DataError(f"{there} stands alone; put the {'labels' if 'images' in pair else 'images'} beside it")
        images = {part: idx(pair["images"]) for part, pair in pairs.items()}
        labels = {part: idx(pair["labels"]) for part, pair in pairs.items()}
        for part, pair in pairs.items():
            if len(images[part]) != len(labels[part]):
                raise DataError(
                    f"{pair['images']} has {len(images[part])} images but {pair['labels'].name} has "
                    f"{len(labels[part])} labels; restore both"
                )
        if len({found.shape[1:] for found in images.values()}) > 1:
            raise DataError(f"{path}: its files hold images of several sizes; keep those of one data set")
        pixels, notes = one_size(np.concatenate(list(images.values())), str(path))
        found = numbered(np.concatenate(list(labels.values())), str(path))
        sizes = {part: len(own) for part, own in images.items()}
        return of_parts(sizes, pixels, found._replace(notes=(*notes, *found.notes)), "idx files", str(path))

    def files(self, path: Path) -> Iterable[Path]:
        """List the idx files."""
        return _inside(path)


def _inside(path: Path) -> list[Path]:
    """Return the idx files of a folder, or of its folder ``raw``; of a file that is there packed too, the unpacked."""
    for folder in (path, path / "raw"):
        if folder.is_dir():
            files = {file.name: file for file in sorted(folder.iterdir()) if dimensions(file)}
            found = [file for name, file in files.items() if not (name.endswith(".gz") and name[:-3] in files)]
            if found:
                return found
    return []


def dimensions(file: Path) -> int:
    """Return how many dimensions an idx file of bytes has; 0 where a file is none."""
    name = file.name.lower()
    if file.name.startswith(".") or not ("idx" in name or "ubyte" in name) or not file.is_file():
        return 0
    try:
        with gzip.open(file) if name.endswith(".gz") else file.open("rb") as opened:
            head = opened.read(4)
    except (OSError, EOFError, zlib.error):
        return 0
    return head[3] if head[:3] == b"\0\0\x08" and len(head) == 4 and head[3] in (1, 3, 4) else 0


def part_in(name: str) -> str:
    """Return the part of the split that a file's name says.

    >>> part_in("t10k-images-idx3-ubyte.gz"), part_in("letters-train-labels-idx1-ubyte"), part_in("images.idx3")
    ('test', 'train', '')
    """
    name = name.lower()
    return (
        "train" if "train" in name else "test" if "test" in name or "t10k" in name else "val" if "val" in name else ""
    )


def idx(file: Path) -> np.ndarray:
    """Read an idx file of bytes; DataError where its size is not the one that its head announces."""
    content = read_bytes(file)
    count = content[3] if len(content) > 3 else 0
    start = 4 + 4 * count
    shape = tuple(np.frombuffer(content[4:start], ">u4").tolist()) if len(content) >= start else ()
    if len(content) < start or len(content) != start + prod(shape):
        raise DataError(
            f"{file} has {len(content)} bytes, not as many as its head announces; restore the original file"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
