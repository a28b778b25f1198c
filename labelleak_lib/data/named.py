"""The data sets known by name: one reader each, by torchvision and scikit-learn where they can."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from labelleak_lib.data.files import DataError, Source, cache_dir, download, fingerprint, gunzip, load_arrays
from labelleak_lib.data.jpeg import CIFAR10_CLASSES, read_cifar10_jpeg

DIGITS = tuple("0123456789")
IDX_FILES = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))


def read_digits(root: Path) -> Source:
    """Read scikit-learn's bundled 8x8 digits (1,797 images), which need no folder."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    return Source("scikit-learn 8x8 digits", DIGITS, images, bunch.target.astype(np.int64), 0.3, 0.2)


def _check_idx(raw: Path) -> None:
    """Check the headers first: torchvision reports a damaged file by a bare assertion, or not at all."""
    for images_name, labels_name in (IDX_FILES[:2], IDX_FILES[2:]):
        counts = []
        for name, magic, shape in ((images_name, 2051, (28, 28)), (labels_name, 2049, ())):
            path = raw / name
            with path.open("rb") as file:
                head = file.read(8 + 4 * len(shape))
            fields = struct.unpack(f">{len(head) // 4}I", head[: len(head) // 4 * 4])
            if len(fields) != 2 + len(shape) or fields[0] != magic or fields[2:] != shape:
                raise DataError(
                    f"{path} does not start as an idx file of {'28x28 images' if shape else 'labels'} "
                    f"(magic number {magic}); replace it with the official file"
                )
            expected = len(head) + fields[1] * int(np.prod(shape, dtype=np.int64))
            if path.stat().st_size != expected:
                raise DataError(
                    f"{path} has {path.stat().st_size} bytes where its header announces {expected}; "
                    "replace it with the official file"
                )
            counts.append(fields[1])
        if counts[0] != counts[1]:
            raise DataError(
                f"{raw / images_name} has {counts[0]} images but {labels_name} has {counts[1]} labels; "
                "replace both with the official files"
            )


def _find_idx(root: Path, kind: str) -> Path | None:
    """Return a root from which torchvision can read, None where there are no files.

    The official files are distributed compressed, torchvision reads them uncompressed, and their folder may
    be read-only: ``.gz`` files are unpacked into the cache.
    """
    raw = root / kind / "raw"
    if all((raw / name).is_file() for name in IDX_FILES):
        return root
    packed = [raw / f"{name}.gz" for name in IDX_FILES]
    present = [path for path in packed if path.is_file()]
    if not present:
        return None
    if missing := [path for path in packed if path not in present]:
        raise DataError(f"{missing[0]} is missing; put the official file there, or remove {raw} to download all four")
    unpacked = cache_dir() / "data" / f"unpacked-{fingerprint(packed)}"
    for name, path in zip(IDX_FILES, packed, strict=True):
        if not (target := unpacked / kind / "raw" / name).is_file():
            gunzip(path, target)
    return unpacked


def _read_idx(root: Path, *, name: str, kind: str) -> Source:
    from torchvision import datasets

    make = getattr(datasets, kind)
    found = (
        _find_idx(root, kind)
        or _find_idx(cache_dir() / "data", kind)
        or download(name, kind, partial(make, download=True), looked_in=root)
    )
    _check_idx(found / kind / "raw")
    train, test = make(found, train=True), make(found, train=False)
    names = DIGITS if name == "mnist" else tuple(train.classes)
    (images, labels), held_out = ((part.data.numpy()[:, None], part.targets.numpy()) for part in (train, test))
    return Source("official files", names, images, labels, 1 / 6, test=held_out)


def read_svhn(root: Path) -> Source:
    """Read SVHN's official ``.mat`` files, else a 10,000-image subset of its test part, else download."""
    from torchvision.datasets import SVHN

    def fetch(folder: Path) -> None:
        for split in ("train", "test"):
            SVHN(folder / "SVHN", split=split, download=True)

    def whole(place: Path) -> bool:
        return all((place / f"{split}_32x32.mat").is_file() for split in ("train", "test"))

    subset, cached = root / "SVHN" / "svhn-test-first10000.npz", cache_dir() / "data" / "SVHN"
    place = root if whole(root) else root / "SVHN"
    if not whole(place):
        if subset.is_file():
            return _read_svhn_subset(subset)
        place = cached if whole(cached) else download("svhn", "SVHN", fetch, looked_in=root) / "SVHN"
    train, test = (_verified(partial(SVHN, place, split=split), place) for split in ("train", "test"))
    return Source("official files", DIGITS, train.data, train.labels, 0.1, test=(test.data, test.labels))


def _read_svhn_subset(path: Path) -> Source:
    images, labels = load_arrays(path, ("images", "labels"))
    shapes = (images.shape[1:], labels.shape)
    if shapes != ((32, 32, 3), images.shape[:1]) or images.dtype != np.uint8 or labels.dtype != np.uint8:
        raise DataError(
            f"{path} should hold images uint8 (N, 32, 32, 3) and labels uint8 (N,) but holds {images.dtype} "
            f"{images.shape} and {labels.dtype} {labels.shape}; restore the original file"
        )
    images = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return Source("10,000-image subset, own split", DIGITS, images, labels.astype(np.int64), 0.15, test_share=0.15)


def _verified(make: Callable[[], Any], place: Path) -> Any:
    try:
        return make()
    except RuntimeError as error:  # torchvision's only report of a wrong checksum
        raise DataError(
            f"the files in {place} do not have the official checksums; remove them to download them again"
        ) from error


def read_cifar10(root: Path) -> Source:
    """Read CIFAR-10 from torchvision's own layout, else from the JPEG copy, else download."""
    from torchvision.datasets import CIFAR10

    folder, archive = CIFAR10.base_folder, root / "cifar10-jpeg.tar.xz"
    place = root
    if not (root / folder).is_dir():
        if archive.is_file():
            return read_cifar10_jpeg(archive)
        place = cache_dir() / "data"
        if not (place / folder).is_dir():
            place = download("cifar10", folder, partial(CIFAR10, download=True), looked_in=root)
    # The official batches are pickles. torchvision compares every batch with its published MD5 before it
    # unpickles any, and that check stays on here: only the known official bytes are ever unpickled.
    train, test = (_verified(partial(CIFAR10, place, train=part), place / folder) for part in (True, False))
    (images, labels), held_out = (
        (np.ascontiguousarray(part.data.transpose(0, 3, 1, 2)), np.array(part.targets, dtype=np.int64))
        for part in (train, test)
    )
    return Source("official files", CIFAR10_CLASSES, images, labels, 0.1, test=held_out)


READERS: dict[str, Callable[[Path], Source]] = {
    "digits": read_digits,
    "mnist": partial(_read_idx, name="mnist", kind="MNIST"),
    "fashion_mnist": partial(_read_idx, name="fashion_mnist", kind="FashionMNIST"),
    "svhn": read_svhn,
    "cifar10": read_cifar10,
}
"""The reader of each known name; each takes the folder in which to look."""
