"""CIFAR-10: the official files, or an archive ``train|test/<class>/<name>.jpg`` that is decoded once and cached."""

import io
import lzma
import re
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from labelleak_lib.data import files
from labelleak_lib.data.base import NamedDataset, Source
from labelleak_lib.data.files import DataError
from labelleak_lib.files import cache_dir, replacing
from labelleak_lib.registry import DATASETS

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_MEMBER = re.compile(rf"(?:\./)?(train|test)/({'|'.join(CLASSES)})/[^/]+\.jpg")


@DATASETS.register("cifar10")
class Cifar10(NamedDataset):
    """60,000 photographs of animals and vehicles, in colour, 32x32 pixels."""

    title, order = "CIFAR-10", 4

    def read(self, root: Path) -> Source:
        """Read torchvision's own layout, else the JPEG copy, else download."""
        from torchvision.datasets import CIFAR10

        folder, archive = CIFAR10.base_folder, root / "cifar10-jpeg.tar.xz"
        if not (root / folder).is_dir():
            if archive.is_file():
                return _read_jpeg_copy(archive)
            root = files.download("cifar10", folder, partial(CIFAR10, download=True), root)
        # The official batches are pickles. torchvision compares every batch with its published MD5 before it
        # unpickles any, and that check stays on here: only the known official bytes are ever unpickled.
        train, test = (
            (np.ascontiguousarray(part.data.transpose(0, 3, 1, 2)), np.array(part.targets, dtype=np.int64))
            for part in (files.verified(partial(CIFAR10, root, train=own), root / folder) for own in (True, False))
        )
        return Source("official files", CLASSES, *train, pool_share=0.1, test=test)


def _read_jpeg_copy(archive: Path) -> Source:
    cached = cache_dir() / f"cifar10-jpeg-{files.fingerprint(archive)}.npz"
    if not cached.is_file():
        train, test = _decode(archive)
        with replacing(cached) as file:
            np.savez(file, train_images=train[0], train_labels=train[1], test_images=test[0], test_labels=test[1])
    keys = ("train_images", "train_labels", "test_images", "test_labels")
    images, labels, test_images, test_labels = files.load_arrays(cached, keys)
    return Source("JPEG copy", CLASSES, images, labels, pool_share=0.1, test=(test_images, test_labels))


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
            while stream.read(1 << 20):
                if stream.tell() > files.MAX_BYTES:
                    raise too_much
    except (tarfile.TarError, lzma.LZMAError, EOFError, OSError) as error:
        raise DataError(f"{archive} is truncated or damaged ({error}); restore the original") from error


def _decode(archive: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield images (N, 3, 32, 32) uint8 and labels (N,) int64 of train, then of test, ordered by path."""
    from PIL import Image

    samples: dict[str, list[tuple[str, int, np.ndarray]]] = {"train": [], "test": []}
    for name, part, class_name, content in _members(archive):
        try:
            with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
                if image.size != (32, 32):
                    raise DataError(f"{archive}: {name} is {image.size}, not 32x32; restore the original")
                pixels = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
        except (OSError, Image.DecompressionBombError) as error:
            raise DataError(f"{archive}: {name} is no readable JPEG ({error}); restore the original") from error
        samples[part].append((name, CLASSES.index(class_name), pixels))
    for part, of_part in samples.items():
        if {label for _, label, _ in of_part} != set(range(10)):
            raise DataError(f"{archive} lacks whole classes under {part}/; restore the original")
        of_part.sort(key=lambda sample: sample[0])
        yield np.stack([pixels for *_, pixels in of_part]), np.array([label for _, label, _ in of_part])
