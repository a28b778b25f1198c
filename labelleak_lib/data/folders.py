"""The reader's own images: a folder of class folders, or an ``.npz`` file, brought to one shape."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelleak_lib.data.files import DataError, Source, load_arrays

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
MIN_SIDE = 8
POOL_SHARE = TEST_SHARE = 0.2
_GREY = frozenset({"1", "L", "LA", "I", "I;16", "I;16B"})


def canonical_side(smaller_side: float, grey: bool) -> int:
    """Return the side, in pixels, to which images are resized: 8, 28 or 32, those of the known data sets.

    Parameters
    ----------
    smaller_side : float
        The smaller of height and width, in pixels (the median over images of several sizes).
    grey : bool
        Whether every image is grey.
    """
    if smaller_side < 20:
        return 8
    return 28 if grey else 32


@contextmanager
def _opened(path: Path) -> Iterator[PillowImage]:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                yield image
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DataError(f"{path} has too many pixels to be a sample ({error}); remove it or shrink it") from error
    except DataError:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise DataError(f"{path} is not a readable image ({error}); remove it or replace it") from error


def _to_uint8(image: PillowImage, path: Path) -> PillowImage:
    """Return the image as 8-bit grey or colour; Pillow alone would clip 16 bits instead of scaling them."""
    from PIL import Image

    if image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
        raise DataError(f"{path} holds 32-bit pixels of unknown range; save it with 8 or 16 bits")
    if image.mode.startswith("I"):
        return Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    grey = image.mode in _GREY
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba)
    return image.convert("L" if grey else "RGB")


def _class_files(root: Path) -> dict[str, list[Path]]:
    """List the images of each class folder, refusing any layout in which a label would have to be guessed."""
    visible = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    if loose := [path for path in visible if not path.is_dir() and path.suffix.lower() in SUFFIXES]:
        raise DataError(f"{loose[0]} lies outside any class folder, so it has no label; move it into {root}/<class>/")
    folders = [path for path in visible if path.is_dir()]
    classes = {}
    for folder in folders:
        inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        if nested := [path for path in inside if path.is_dir()]:
            raise DataError(
                f"{nested[0]} is a folder within a class folder; give the folder that holds one folder a "
                "class, with the images directly in them"
            )
        classes[folder.name] = [path for path in inside if path.suffix.lower() in SUFFIXES]
        if not classes[folder.name]:
            raise DataError(f"the class folder {folder} holds no images; add some ({', '.join(sorted(SUFFIXES))})")
    if len(folders) < 2:
        raise DataError(f"{root} has {len(folders)} class folders, at least 2 are needed; make one folder a class")
    return classes


def read_folder(root: Path) -> Source:
    """Read ``root/<class>/<image>`` and bring all images to one side and channel count.

    Grey is what the files' modes call grey; one colour image makes all of them colour. The side follows from
    the median of the images' smaller sides (:func:`canonical_side`). Images are stretched to a square by
    bilinear resampling with antialiasing. Transparency is composited on black, 16 bits are scaled to 8.

    Raises
    ------
    DataError
        For images outside class folders, nested folders, an empty class folder, fewer than 2 of them, a
        damaged or oversized image, or one with a side below 8 pixels.
    """
    from PIL import Image

    classes = _class_files(root)
    paths = [path for files in classes.values() for path in files]
    smaller, grey = [], True
    for path in paths:  # headers alone, so that memory stays small whatever the images' size
        with _opened(path) as image:
            smaller.append(min(image.size))
            grey = grey and image.mode in _GREY
        if smaller[-1] < MIN_SIDE:
            raise DataError(f"{path} has a side of {smaller[-1]} pixels, at least {MIN_SIDE} are needed; remove it")
    side = canonical_side(float(np.median(smaller)), grey)
    images = np.empty((len(paths), 1 if grey else 3, side, side), dtype=np.uint8)
    for row, path in zip(images, paths, strict=True):
        with _opened(path) as image:
            plain = _to_uint8(image, path).convert("L" if grey else "RGB")
            resized = np.asarray(plain.resize((side, side), Image.Resampling.BILINEAR))
        row[:] = resized if grey else resized.transpose(2, 0, 1)
    labels = np.repeat(np.arange(len(classes)), [len(files) for files in classes.values()])
    return Source("own split of a folder", tuple(classes), images, labels, POOL_SHARE, TEST_SHARE)


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

    Images are uint8, uint16 (scaled) or floats in [0, 1] (scaled), then resized as in :func:`read_folder`.

    Raises
    ------
    DataError
        For a damaged file, pickled objects, a missing array, another shape, dtype or range, sides below 8
        pixels, labels that are no integers or negative, a class without samples, or fewer than 2 classes.
    """
    from PIL import Image

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
    names = tuple(str(c) for c in range(len(present)))
    return Source("own split of an npz file", names, pixels, labels.astype(np.int64), POOL_SHARE, TEST_SHARE)
