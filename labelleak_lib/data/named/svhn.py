"""SVHN: the official files, or a subset of their test part."""

from functools import partial
from pathlib import Path

import numpy as np

from labelleak_lib.data.base import NamedDataset, Source
from labelleak_lib.data.files import DataError, download, load_arrays, verified
from labelleak_lib.registry import DATASETS

DIGITS = tuple("0123456789")
SPLITS = ("train", "test")


@DATASETS.register("svhn")
class Svhn(NamedDataset):
    """99,289 house numbers, in colour, 32x32 pixels."""

    title, order = "SVHN", 3

    def read(self, root: Path) -> Source:
        """Read the official ``.mat`` files, else a 10,000-image subset of the test part, else download."""
        from torchvision.datasets import SVHN

        def fetch(folder: Path) -> None:
            for split in SPLITS:
                SVHN(folder / "SVHN", split=split, download=True)

        subset = root / "SVHN" / "svhn-test-first10000.npz"
        whole = [p for p in (root, root / "SVHN") if all((p / f"{split}_32x32.mat").is_file() for split in SPLITS)]
        if not whole and subset.is_file():
            return _read_subset(subset)
        place = whole[0] if whole else download("svhn", "SVHN", fetch, root) / "SVHN"
        train, test = (verified(partial(SVHN, place, split=split), place) for split in SPLITS)
        return Source("official files", DIGITS, train.data, train.labels, 0.1, test=(test.data, test.labels))


def _read_subset(path: Path) -> Source:
    images, labels = load_arrays(path, ("images", "labels"))
    shapes = (images.shape[1:], labels.shape)
    if shapes != ((32, 32, 3), images.shape[:1]) or images.dtype != np.uint8 or labels.dtype != np.uint8:
        raise DataError(
            f"{path} should hold images uint8 (N, 32, 32, 3) and labels uint8 (N,) but holds {images.dtype} "
            f"{images.shape} and {labels.dtype} {labels.shape}; restore the original file"
        )
    images = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return Source("10,000-image subset, own split", DIGITS, images, labels.astype(np.int64), 0.15, test_share=0.15)
