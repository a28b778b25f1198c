"""A reader's own folder of class folders, its images brought to one shape."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from labelleak_lib.data.base import MIN_SIDE, Source, canonical_side
from labelleak_lib.data.files import DataError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
_GREY = frozenset({"1", "L", "LA", "I", "I;16", "I;16B"})


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
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


def _to_uint8(image: Image.Image, path: Path) -> Image.Image:
    """Return the image as 8-bit grey or colour; Pillow alone would clip 16 bits instead of scaling them."""
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

    DataError for images outside class folders, nested folders, an empty class folder, fewer than 2 of them, a
    damaged or oversized image, or one with a side below 8 pixels.
    """
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
    return Source("own split of a folder", tuple(classes), images, labels)
