"""Small data sets of a reader's own, written in every layout."""

import csv
import gzip

import numpy as np
from PIL import Image


def pixels(n=12, side=28, colour=False, seed=0):
    """Draw uint8 images (n, side, side) or (n, side, side, 3), no two alike."""
    shape = (n, side, side, 3) if colour else (n, side, side)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def labels_of(n=12, classes=2):
    return np.arange(n) % classes


def class_folders(root, images, labels, suffix=".png"):
    """Write root/<label>/<number>; return root."""
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = root / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i:03}{suffix}")
    return root


def listed(root, images, labels, *, columns=("path", "label"), name="list.csv", split=None, delimiter=","):
    """Write images beside a list of them; return the list."""
    root.mkdir(parents=True, exist_ok=True)
    rows = []
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        Image.fromarray(image).save(root / f"{i:03}.png")
        rows.append([f"{i:03}.png", label, *([split[i]] if split else [])])
    with (root / name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([[*columns, *(["split"] if split else [])], *rows])
    return root / name


def idx_bytes(array):
    """Return a uint8 array as an idx file."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return head + np.ascontiguousarray(array, np.uint8).tobytes()


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path
