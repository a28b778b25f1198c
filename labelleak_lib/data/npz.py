"""A reader's own ``.npz`` file, its images brought to one shape."""

from pathlib import Path

import numpy as np
from PIL import Image

from labelleak_lib.data.base import MIN_SIDE, Source, canonical_side
from labelleak_lib.data.files import DataError, load_arrays


def _pixels(path: Path, images: np.ndarray) -> np.ndarray:
    """Return the images as uint8, whatever accepted type they came in."""
    if images.dtype == np.uint8:
        return images
    if images.dtype == np.uint16:
        return np.rint(images / np.float32(257)).astype(np.uint8)
    if images.dtype.kind != "f":
        raise DataError(f"{path}: images have dtype {images.dtype}; save uint8, uint16, or floats in [0, 1]")
    if not (images.min() >= 0 and images.max() <= 1):  # written so that NaN fails too
        raise DataError(
            f"{path}: floating-point images span {images.min()} .. {images.max()}; scale them to [0, 1], without NaN"
        )
    return np.rint(images * np.asarray(255, images.dtype)).astype(np.uint8)


def read_npz(path: Path) -> Source:
    """Read an ``.npz`` with ``images`` (N, H, W) or (N, H, W, 1 or 3) and ``labels`` (N,) in 0 .. C-1.

    Images are uint8, uint16 (scaled) or floats in [0, 1] (scaled), then resized as those of a folder are.

    DataError for a damaged file, pickled objects, a missing array, another shape, dtype or range, sides below 8
    pixels, labels that are no integers or negative, a class without samples, or fewer than 2 classes.
    """
    images, labels = load_arrays(path, ("images", "labels"))
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)):
        raise DataError(f"{path}: images have shape {images.shape}; save (N, H, W) or (N, H, W, 1 or 3)")
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        raise DataError(
            f"{path}: labels are {labels.dtype} of shape {labels.shape}; save one integer for each of the "
            f"{len(images)} images"
        )
    present = np.unique(labels)
    if len(present) < 2:
        raise DataError(f"{path}: labels name {len(present)} classes, at least 2 are needed; add another class")
    if absent := [c for c, value in enumerate(present.tolist()) if value != c]:
        wrong = int(present[absent[0]])
        raise DataError(
            f"{path}: label {wrong} is out of range, or class {absent[0]} has no samples; number the classes "
            "0 .. C-1 without a gap"
        )
    height, width = images.shape[1:3]
    if min(height, width) < MIN_SIDE:
        raise DataError(f"{path}: images are {height}x{width}, at least {MIN_SIDE}x{MIN_SIDE} is needed; enlarge them")
    pixels, grey = _pixels(path, images), images.ndim == 3
    side = canonical_side(min(height, width), grey)
    if (height, width) != (side, side):
        pixels = np.stack(
            [np.asarray(Image.fromarray(p).resize((side, side), Image.Resampling.BILINEAR)) for p in pixels]
        )
    pixels = pixels[:, None] if grey else np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    return Source("own split of an npz file", tuple(map(str, range(len(present)))), pixels, labels.astype(np.int64))
