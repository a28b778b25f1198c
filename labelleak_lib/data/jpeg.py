"""The JPEG copy of CIFAR-10: an archive ``train|test/<class>/<name>.jpg``, decoded once and cached."""

from __future__ import annotations

import io
import lzma
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from labelleak_lib.data import files
from labelleak_lib.data.files import DataError, Source, cache_dir, fingerprint, load_arrays, replacing

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
_MEMBER = re.compile(rf"(?:\./)?(train|test)/({'|'.join(CIFAR10_CLASSES)})/[^/]+\.jpg")
_CHUNK = 1 << 20


def read_cifar10_jpeg(archive: Path) -> Source:
    """Read the archive through a cache in :func:`~labelleak_lib.data.files.cache_dir`.

    Raises
    ------
    DataError
        When the archive is truncated or damaged, unpacks to too much, or lacks a class.
    """
    cached = cache_dir() / f"cifar10-jpeg-{fingerprint([archive])}.npz"
    if not cached.is_file():
        train, test = _decode(archive)
        with replacing(cached) as file:
            np.savez(file, train_images=train[0], train_labels=train[1], test_images=test[0], test_labels=test[1])
    images, labels, test_images, test_labels = load_arrays(
        cached, ("train_images", "train_labels", "test_images", "test_labels")
    )
    return Source("JPEG copy", CIFAR10_CLASSES, images, labels, 0.1, test=(test_images, test_labels))


def _members(archive: Path) -> Iterator[tuple[str, str, str, bytes]]:
    """Stream path, part, class and content of the samples; nothing is ever extracted to disk."""
    too_much = DataError(f"{archive} unpacks to more than {files.MAX_BYTES} bytes; restore the original")
    total = 0
    try:
        # tarfile alone takes a stream that ends between two members for a whole one; lzma's reader does not.
        with lzma.open(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as members:
            for member in members:
                total += member.size
                if total > files.MAX_BYTES:
                    raise too_much
                match = _MEMBER.fullmatch(member.name)
                if match and member.isreg() and (content := members.extractfile(member)):
                    yield member.name, match[1], match[2], content.read()
            while stream.read(_CHUNK):
                if stream.tell() > files.MAX_BYTES:
                    raise too_much
    except (tarfile.TarError, lzma.LZMAError, EOFError, OSError) as error:
        raise DataError(f"{archive} is truncated or damaged ({error}); restore the original") from error


def _decode(archive: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return images (N, 3, 32, 32) uint8 and labels (N,) int64 of train and test, ordered by path."""
    from PIL import Image

    found: dict[str, list[tuple[str, int, np.ndarray]]] = {"train": [], "test": []}
    for name, part, class_name, content in _members(archive):
        try:
            with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
                if image.size != (32, 32):
                    raise DataError(f"{archive}: {name} is {image.size}, not 32x32; restore the original")
                pixels = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
        except (OSError, Image.DecompressionBombError) as error:
            raise DataError(f"{archive}: {name} is no readable JPEG ({error}); restore the original") from error
        found[part].append((name, CIFAR10_CLASSES.index(class_name), pixels))
    parts = []
    for part, samples in found.items():
        if {label for _, label, _ in samples} != set(range(10)):
            raise DataError(f"{archive} lacks whole classes under {part}/; restore the original")
        samples.sort(key=lambda sample: sample[0])
        parts.append((np.stack([pixels for *_, pixels in samples]), np.array([label for _, label, _ in samples])))
    return parts
