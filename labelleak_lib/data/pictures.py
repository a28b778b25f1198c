"""Image files as people have them, brought to one shape: depth, colour, orientation, frames."""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from labelleak_lib.checks import one_line
from labelleak_lib.data.base import MIN_SIDE, canonical_side
from labelleak_lib.data.files import DataError
from labelleak_lib.data.folders import BY_SUFFIX, FORMATS
from labelleak_lib.data.pixels import DARK, Range, range_of, to_uint8

_ORIENTATION = 0x0112
_GREY = frozenset({"1", "L", "LA", "La"})
ROUNDED = 2
"""How far the channels of a grey pixel may lie apart: WebP and its like store grey as colour, and round."""
_SCALED = ("scaled", 16)
"""Deep PPM files, whose head says what is white: Pillow scales them to 0 .. 65535."""


class Picture(NamedTuple):
    """A file, or its bytes, and what a refusal calls it."""

    name: str
    content: Path | bytes


@contextmanager
def opened(picture: Picture) -> Iterator[Image.Image]:
    """Open a picture; DataError naming it, whatever its bytes make Pillow raise."""
    own = BY_SUFFIX.get(Path(picture.name).suffix.lower())
    if own:
        Image.init()
    formats = (*FORMATS, own) if own in Image.OPEN else FORMATS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            file = io.BytesIO(picture.content) if isinstance(picture.content, bytes) else picture.content
            with Image.open(file, formats=formats) as image:
                yield image
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise DataError(
            f"{picture.name} has too many pixels to be a sample ({error}); remove it or shrink it"
        ) from error
    except DataError:
        raise
    except Exception as error:  # Pillow's readers raise whatever a damaged field leads to
        raise DataError(
            f"{picture.name} is not a readable image ({one_line(error)}); remove it or replace it"
        ) from error


@dataclass
class _Survey:
    """What is known of all pictures once each was looked at; one with a side below `least` is refused."""

    least: int = MIN_SIDE
    smaller: list[int] = field(default_factory=list)
    grey: bool = True
    frames: int = 0
    turned: int = 0
    stored_as_colour: int = 0
    clipped: list[int] = field(default_factory=list)
    spans: dict[tuple[str, int], tuple[float, float]] = field(default_factory=dict)
    place: dict[tuple[str, int], str] = field(default_factory=dict)

    def add(self, picture: Picture) -> None:
        with opened(picture) as image:
            self.smaller.append(min(image.size))
            if self.smaller[-1] < self.least:
                has = f"{picture.name} has a side of {self.smaller[-1]} pixels"
                raise DataError(f"{has}, at least {self.least} are needed; remove it")
            # sixteen bits of colour come from Pillow as their upper eight; known only until the image is loaded
            sixteen = image.mode in ("RGB", "RGBA", "LA") and "16" in str(getattr(image, "tile", ""))
            self.frames += _frames(image) > 1
            self.turned += image.getexif().get(_ORIENTATION, 1) not in (0, 1)
            if kind := _deep(image):
                values = np.asarray(image)
                low, high = self.spans.get(kind, (np.inf, -np.inf))
                # numpy's minimum and maximum keep NaN, which `range_of` refuses
                self.spans[kind] = (float(np.minimum(low, values.min())), float(np.maximum(high, values.max())))
                self.place.setdefault(kind, picture.name)
            elif sixteen:
                self.clipped.append(int(np.asarray(image).max()))
                self.place.setdefault(("clipped", 16), picture.name)
            # pixels are looked at only until one picture is really coloured
            if self.grey and image.mode not in _GREY and not _deep(image):
                self.grey = _is_grey(_flat(image))
                self.stored_as_colour += 1

    def ranges(self) -> dict[tuple[str, int], Range]:
        """Return the range of the pixels of each depth; DataError where it is unknown."""
        if self.clipped and max(self.clipped) < DARK:
            raise DataError(
                f"{self.place['clipped', 16]} has 16 bits a colour, of which the upper eight are almost black in every "
                "such file; save 8 bits a colour"
            )
        return {
            key: Range(65535) if key == _SCALED else range_of(*span, *key, self.place[key])
            for key, span in self.spans.items()
        }

    def notes(self, ranges: dict[tuple[str, int], Range]) -> tuple[str, ...]:
        several = f"files of several frames or pages, of which the first is read: {self.frames}" * (self.frames > 0)
        turned = f"images turned as their EXIF orientation says: {self.turned}" * (self.turned > 0)
        stored = f"grey images stored as colour, and read as grey: {self.stored_as_colour}"
        kept = stored * (self.grey and self.stored_as_colour > 0)
        return tuple(filter(None, (several, turned, kept, *(found.note for found in ranges.values()))))


def read_pictures(
    pictures: Sequence[Picture], shape: tuple[int, int, int] | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return uint8 images ``(N, *shape)``, and what a reader should know, a sentence each.

    `shape` is (1 or 3, height, width), where a model asks for one; else the pictures decide.

    Grey is what the pixels say: one coloured image makes all of them colour. The side follows from the median of the
    images' smaller sides (:func:`~labelleak_lib.data.base.canonical_side`). Images are turned as their EXIF orientation
    says, and stretched to the shape, else a square, by bilinear resampling with antialiasing. Transparency is
    composited on black. Deeper pixels are scaled by the range that all of their depth span
    (:func:`~labelleak_lib.data.pixels.range_of`).

    DataError for a damaged or oversized image, pixels of unknown range, or, without a shape, a side below 8 pixels.
    """
    survey = _Survey() if shape is None else _Survey(least=1)
    for picture in pictures:
        survey.add(picture)
    ranges = survey.ranges()
    if shape is None:
        side = canonical_side(float(np.median(survey.smaller)), survey.grey)
        shape = (1 if survey.grey else 3, side, side)
    channels, height, width = shape
    grey = channels == 1
    images = np.empty((len(pictures), *shape), dtype=np.uint8)
    for row, picture in zip(images, pictures, strict=True):
        with opened(picture) as image:
            if kind := _deep(image):
                turned = ImageOps.exif_transpose(image)
                flat = Image.fromarray(to_uint8(np.asarray(turned), ranges[kind].top))
            else:
                flat = _flat(ImageOps.exif_transpose(image))
            resized = np.asarray(
                flat.convert("L" if grey else "RGB").resize((width, height), Image.Resampling.BILINEAR)
            )
        row[:] = resized if grey else resized.transpose(2, 0, 1)
    return images, survey.notes(ranges)


def _frames(image: Image.Image) -> int:
    """Return the number of frames; 1 where those behind the first are damaged."""
    try:
        frames = int(getattr(image, "n_frames", 1))
        image.seek(0)
    except (OSError, EOFError, SyntaxError, ValueError):
        frames = 1
    return frames


def _deep(image: Image.Image) -> tuple[str, int] | None:
    """Return kind and bits of pixels that are not of 8 bits, as `range_of` takes them; None where they are."""
    if image.mode == "I" and image.format == "PPM":
        return _SCALED
    if image.mode == "F":
        return "f", 32
    if image.mode == "I":
        return "i", 32
    return ("u", 16) if image.mode.startswith("I") else None


def _flat(image: Image.Image) -> Image.Image:
    """Return an image of at most 8 bits as "L" or "RGB", composited on black where it is transparent."""
    grey = image.mode in _GREY
    if (image.mode != "LAB" and {"A", "a"} & set(image.getbands())) or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba)
    return image.convert("L" if grey else "RGB")


def _is_grey(image: Image.Image) -> bool:
    pixels = np.asarray(image)
    return pixels.ndim == 2 or int(np.ptp(pixels, axis=2).max()) <= ROUNDED
