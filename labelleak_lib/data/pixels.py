"""Pixel values as people store them, made into uint8 images of one side; the range is read off the values."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from labelleak_lib.data.base import MIN_SIDE, canonical_side
from labelleak_lib.data.files import DataError

TOPS = (1, 255, 1023, 4095, 16383, 65535)
"""The largest value of 1, 8, 10, 12, 14 and 16 bits."""
DARK = 64
"""Eight-bit images that stay below are said to be dark: perhaps their range is another."""


class Range(NamedTuple):
    """The value that becomes 255, and a sentence where a reader should know of it."""

    top: int
    note: str = ""


def range_of(low: float, high: float, kind: str, bits: int, place: str) -> Range:
    """Return the range of pixels that span `low` .. `high`, so that none is clipped and none loads almost black.

    Floats are in [0, 1] or [0, 255]. Integers of 8 bits are 0 .. 255, or 0 and 1 alone; deeper ones are of the smallest
    of 1, 8, 10, 12, 14 or 16 bits that holds them.

    Parameters
    ----------
    kind, bits : str, int
        numpy's code of the dtype ("u", "i", "f" or "b"), and its size.
    place : str
        The file that a refusal names.

    Raises
    ------
    DataError
        For NaN, negative or larger values, and floats that are in neither range.

    Examples
    --------
    >>> range_of(0, 255, "u", 16, "x.npz")
    Range(top=255, note='pixels of 16 bits span 0 .. 255 and are taken for 8 bits: 255 is white')
    """
    span = f"{low:.6g} .. {high:.6g}"
    if kind == "f":
        if not (low >= 0 and (high <= 1 or 128 <= high <= 255)):  # written so that NaN fails too
            raise DataError(
                f"{place}: floating-point images span {span}; scale them to [0, 1], or to [0, 255] with a maximum "
                "above 127, without NaN"
            )
        top = 1 if high <= 1 else 255
        note = f"floating-point pixels span {span} and are taken for 0 .. 255" * (top == 255)
        return Range(top, note or _dark(high * 255 / top, span))
    if low < 0 or high > TOPS[-1]:
        raise DataError(f"{place}: images span {span}, an unknown range; save values of 0 .. 255 or 0 .. 65535")
    if bits <= 8:
        two = kind != "b" and low == 0 and high == 1
        note = "pixels are 0 and 1 alone: 1 is white" * two
        return Range(1 if two or kind == "b" else 255, note or (_dark(high, span) if kind != "b" else ""))
    top = next(top for top in TOPS if high <= top)
    if top == TOPS[-1]:
        return Range(top)
    said = f"pixels of {bits} bits span {span} and are taken for {top.bit_length()} bits: {top} is white"
    return Range(top, said + ("; " + dark if top > 1 and (dark := _dark(high * 255 / top, span)) else ""))


def _dark(white: float, span: str) -> str:
    said = f"the brightest pixel is {white:.0f} of 255: if the range of {span} is another, scale the values first"
    return said if white < DARK else ""


def to_uint8(values: np.ndarray, top: int) -> np.ndarray:
    """Scale values in 0 .. `top` to 0 .. 255, to the nearest integer."""
    if values.dtype == np.uint8 and top == 255:
        return values
    if values.dtype.kind == "f" and top == 1:
        return np.rint(values * np.asarray(255, values.dtype)).astype(np.uint8)
    if top == TOPS[-1]:
        return np.rint(values / np.float32(257)).astype(np.uint8)
    return np.rint(values.astype(np.float64) * (255 / top)).astype(np.uint8)


def channels_last(images: np.ndarray, place: str) -> tuple[np.ndarray, str]:
    """Return images as (N, H, W) or (N, H, W, 3), and a sentence where the shape had to be understood.

    They may be (N, H, W), (N, H, W, 1 or 3), (N, 1 or 3, H, W), or grey and square in rows (N, side * side).
    """
    shape, note = images.shape, ""
    if images.ndim == 2 and (side := round(shape[1] ** 0.5)) ** 2 == shape[1] and side >= MIN_SIDE:
        images, note = images.reshape(-1, side, side), f"rows of {shape[1]} pixels are grey images of {side}x{side}"
    elif images.ndim == 4 and shape[3] in (1, 3):
        images = images[..., 0] if shape[3] == 1 else images
    elif images.ndim == 4 and shape[1] in (1, 3):
        images = images[:, 0] if shape[1] == 1 else images.transpose(0, 2, 3, 1)
    elif images.ndim != 3:
        raise DataError(f"{place}: images have shape {shape}; save (N, H, W) or (N, H, W, 1 or 3)")
    return images, note


def one_size(images: np.ndarray, place: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return uint8 images (N, 1 or 3, side, side) of an array, resized as those of a folder are, and what to know.

    DataError for another shape, dtype or range, no image at all, or sides below 8 pixels.
    """
    plain, flat = channels_last(images, place)
    if images.dtype.kind not in "uifb":
        raise DataError(f"{place}: images have dtype {images.dtype}; save uint8, uint16, or floats in [0, 1]")
    height, width = plain.shape[1:3]
    if min(height, width) < MIN_SIDE or not len(plain):
        raise DataError(
            f"{place}: {len(plain)} images of {height}x{width}; at least one of {MIN_SIDE}x{MIN_SIDE} is needed"
        )
    found = range_of(float(plain.min()), float(plain.max()), images.dtype.kind, 8 * images.dtype.itemsize, place)
    pixels, note = to_uint8(plain, found.top), ""
    if pixels.ndim == 4 and (pixels == pixels[..., :1]).all():
        pixels, note = pixels[..., 0], "three equal channels are read as one: the images are grey"
    grey = pixels.ndim == 3
    side = canonical_side(min(height, width), grey)
    if (height, width) != (side, side):
        pixels = np.stack(
            [np.asarray(Image.fromarray(p).resize((side, side), Image.Resampling.BILINEAR)) for p in pixels]
        )
    pixels = pixels[:, None] if grey else np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    return pixels, tuple(filter(None, (flat, found.note, note)))
