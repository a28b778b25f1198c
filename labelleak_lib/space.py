"""Where inputs live: shape and box, inputs that have nothing to do with a task, and smooth ones to search among."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from labelleak_lib.checks import require, require_int, require_number

Draw = Callable[[int, tuple[int, int, int], torch.Generator], Tensor]


@dataclass(frozen=True)
class InputSpace:
    """Images, or vectors, of one shape, every value between its bounds.

    Parameters
    ----------
    shape : tuple of int
        (channels, height, width) of one image, or (length,) of one vector.
    low, high : float or tuple of float
        Smallest and largest value an input may have; of a vector also one a feature.

    Examples
    --------
    >>> InputSpace.images((3, 32, 48)).grid(5), InputSpace.vectors(100, -1, 1).grid(5), InputSpace.vectors(4).grid(5)
    ((3, 5, 5), (25,), (4,))
    >>> InputSpace.vectors(sample=[[0.0, 5.0], [2.0, 3.0]])
    InputSpace(shape=(2,), low=(0.0, 3.0), high=(2.0, 5.0))
    """

    shape: tuple[int, ...]
    low: float | tuple[float, ...] = 0.0
    high: float | tuple[float, ...] = 1.0

    def __post_init__(self) -> None:
        require(len(self.shape) in (1, 3), "shape", self.shape, "(channels, height, width), or (length,) of a vector")
        for length in self.shape:
            require_int("shape", length, low=1)
        bounds = [self._each(name) for name in ("low", "high")]
        for low, high in zip(*bounds, strict=True):
            require_number("low", low)
            require_number("high", high, above=low)

    @classmethod
    def images(cls, shape: Sequence[int], low: float = 0.0, high: float = 1.0) -> InputSpace:
        """Return the space of images of `shape` (channels, height, width) with values in [`low`, `high`]."""
        require(len(shape) == 3, "shape", tuple(shape), "(channels, height, width)")
        return cls(tuple(shape), low, high)

    @classmethod
    def vectors(
        cls, length: int | None = None, low: float | Sequence[float] = 0.0, high: float | Sequence[float] = 1.0,
        *, sample: ArrayLike | None = None,
    ) -> InputSpace:  # fmt: skip
        """Return the space of vectors of `length` between bounds, one a feature or one for all.

        `sample`, float (n, length), gives the range of each of its features instead; a feature that never changes
        keeps half a unit to either side.
        """
        if sample is None:
            require_int("length", length, low=1)
            return cls((int(length or 0),), _side(low), _side(high))
        rows = np.asarray(sample, dtype=np.float64)
        usable = rows.ndim == 2 and rows.size > 0 and np.isfinite(rows).all() and length in (None, rows.shape[-1])
        require(usable, "sample", f"an array of shape {rows.shape}", "finite numbers (n, length)")
        least, most = rows.min(axis=0), rows.max(axis=0)
        flat = 0.5 * (least == most)
        return cls((rows.shape[1],), tuple((least - flat).tolist()), tuple((most + flat).tolist()))

    @property
    def families(self) -> tuple[str, ...]:
        """Names of the families of unrelated inputs that an audit asks about."""
        return ("blobs", "shapes", "gratings", "photos") if len(self.shape) == 3 else tuple(VECTOR_FAMILIES)

    def unrelated(self, family: str, n: int, generator: torch.Generator) -> Tensor:
        """Return `n` inputs of a family of `FAMILIES`, or of `VECTOR_FAMILIES`: float32 `(n, *shape)` in the box."""
        if len(self.shape) == 1:
            require(family in VECTOR_FAMILIES, "family", family, f"one of {', '.join(VECTOR_FAMILIES)}")
            return self.within(VECTOR_FAMILIES[family](n, self.shape[0], generator))
        require(family in FAMILIES, "family", family, f"one of {', '.join(FAMILIES)}")
        channels, height, width = self.shape
        return self.within(FAMILIES[family](n, (channels, height, width), generator))

    def grid(self, fineness: int) -> tuple[int, ...]:
        """Return the shape of the coarse grid behind a smooth input.

        At most `fineness` points along each side of an image; as many groups of features as that makes in a vector.
        """
        if len(self.shape) == 1:
            return (min(fineness**2, self.shape[0]),)
        channels, height, width = self.shape
        return channels, min(fineness, height), min(fineness, width)

    def smooth(self, z: Tensor) -> Tensor:
        """Return the inputs whose coarse grids are `z`, any floats `(n, *grid)`: float32 `(n, *shape)` in the box.

        They are sigmoid(z), interpolated bilinearly, and so can hold no detail finer than the grid. In a vector, the
        features of a group move together.
        """
        if len(self.shape) == 1:
            group = torch.arange(self.shape[0], device=z.device) * z.shape[1] // self.shape[0]
            return self.within(torch.sigmoid(z)[:, group])
        return self.within(_enlarge(torch.sigmoid(z), self.shape))

    def holds(self, x: Tensor) -> bool:
        """Say whether all inputs `x`, float `(n, *shape)`, lie in the box; NaN lies in none."""
        low, high = (torch.tensor(side, device=x.device) for side in (self.low, self.high))
        slack = 1e-6 * (high - low)
        return bool(((x >= low - slack) & (x <= high + slack)).all())

    def _each(self, name: str) -> tuple[float, ...]:
        side = getattr(self, name)
        if not isinstance(side, tuple):
            return (side,) * (self.shape[0] if len(self.shape) == 1 else 1)
        require(len(self.shape) == 1 and len(side) == self.shape[0], name, side, "a number, or one a feature")
        return side

    def within(self, x: Tensor) -> Tensor:
        """Return `x`, float `(n, *shape)` in [0, 1], stretched to the box."""
        if (self.low, self.high) == (0.0, 1.0):
            return x
        low, high = (torch.tensor(side, device=x.device, dtype=x.dtype) for side in (self.low, self.high))
        return (low + (high - low) * x).clamp(low, high)


def _side(bound: float | Sequence[float]) -> float | tuple[float, ...]:
    values = tuple(np.asarray(bound, dtype=np.float64).ravel().tolist())
    return values if np.ndim(bound) else values[0]


def _enlarge(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    return nn.functional.interpolate(x, tuple(shape[1:]), mode="bilinear", align_corners=False)


def blobs(n: int, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    """Draw `n` smooth random blobs: float `(n, *shape)` in [0, 1], 4x4 to 10x10 uniform noise upsampled bilinearly."""
    sizes = [size for size in range(4, 11) if size <= shape[1]] or [1]
    parts = []
    for i, size in enumerate(sizes):
        drawn = torch.rand((len(range(i, n, len(sizes))), shape[0], size, size), generator=generator)
        parts.append(_enlarge(drawn, shape))
    return torch.cat(parts)


def noise(n: int, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    """Draw `n` images of uniform noise, every pixel on its own: float `(n, *shape)` in [0, 1]."""
    return torch.rand((n, *shape), generator=generator)


def shapes(n: int, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    """Draw `n` scenes of one to four ellipses, bars and frames on an even ground: float `(n, *shape)` in [0, 1]."""
    channels, height, width = shape
    row, column = (torch.linspace(-1, 1, side) for side in (height, width))
    image = _colours(n, channels, generator).expand(n, *shape).clone()
    # half of the scenes stand on black, as the digits and clothes of the grey data sets do
    image[::2] = 0
    for layer in range(4):
        u, v, turn, long, wide, edge = torch.rand((6, n, 1, 1), generator=generator)
        angle = turn * torch.pi
        y, x = row[None, :, None] - (1.4 * u - 0.7), column[None, None, :] - (1.4 * v - 0.7)
        along, across = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
        a, b = 0.15 + 0.75 * long, 0.08 + 0.5 * wide
        kind = torch.randint(3, (n, 1, 1), generator=generator)
        round_, square = (along / a) ** 2 + (across / b) ** 2, torch.maximum((along / a).abs(), (across / b).abs())
        inside = torch.where(kind == 0, round_ < 1, square < 1)
        hollow = (kind == 2) & (torch.maximum(along.abs() - a, across.abs() - b) < -0.08 - 0.1 * edge)
        # every further layer is there in fewer scenes
        drawn = (inside & ~hollow & (torch.rand((n, 1, 1), generator=generator) < 1 / (layer + 1)))[:, None]
        image = torch.where(drawn, _colours(n, channels, generator), image)
    return image


def gratings(n: int, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    """Draw `n` waves of random direction, length, phase and contrast: float `(n, *shape)` in [0, 1]."""
    channels, height, width = shape
    y, x = torch.linspace(-1, 1, height)[:, None], torch.linspace(-1, 1, width)[None, :]
    turn, pitch, phase = torch.rand((3, n, 1, 1), generator=generator)
    along = x * (turn * torch.pi).cos() + y * (turn * torch.pi).sin()
    wave = 0.5 + 0.5 * torch.sin((0.5 + 4.5 * pitch) * torch.pi * along + 2 * torch.pi * phase)
    return torch.lerp(_colours(n, channels, generator), _colours(n, channels, generator), wave[:, None])


def photos(n: int, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    """Draw `n` square crops, of 32 to 256 pixels, of the two photographs that scikit-learn carries."""
    return torch.stack([_crop(_photographs()[i % 2], shape, generator) for i in range(n)])


@functools.cache
def _photographs() -> list[Tensor]:
    from sklearn.datasets import load_sample_images

    return [torch.from_numpy(photo.copy()).permute(2, 0, 1).float() / 255 for photo in load_sample_images().images]


def _crop(photo: Tensor, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    side = int(torch.randint(32, 257, (1,), generator=generator))
    top, left = (int(torch.randint(photo.shape[i] - side + 1, (1,), generator=generator)) for i in (1, 2))
    crop = photo[None, :, top : top + side, left : left + side]
    larger = shape[1] > side or shape[2] > side
    scaled = _enlarge(crop, shape)[0] if larger else nn.functional.interpolate(crop, shape[1:], mode="area")[0]
    scaled = scaled.clamp(0, 1)
    return scaled if shape[0] == 3 else scaled.mean(0, keepdim=True).expand(shape[0], -1, -1)


def _colours(n: int, channels: int, generator: torch.Generator) -> Tensor:
    return torch.rand((n, channels, 1, 1), generator=generator)


FAMILIES: dict[str, Draw] = {
    "blobs": blobs, "shapes": shapes, "gratings": gratings, "photos": photos, "noise": noise,
}  # fmt: skip
"""Images that have nothing to do with any task, by name."""


def uniform(n: int, length: int, generator: torch.Generator) -> Tensor:
    """Draw `n` vectors, every feature on its own: float `(n, length)` in [0, 1]."""
    return torch.rand((n, length), generator=generator)


def corners(n: int, length: int, generator: torch.Generator) -> Tensor:
    """Draw `n` vectors whose features are all at one end or the other, a share of them high that differs by vector."""
    share = torch.rand((n, 1), generator=generator)
    return (torch.rand((n, length), generator=generator) < share).float()


def sparse(n: int, length: int, generator: torch.Generator) -> Tensor:
    """Draw `n` vectors that lie at one level but for a few features: float `(n, length)` in [0, 1]."""
    level, share = torch.rand((2, n, 1), generator=generator)
    moved = torch.rand((n, length), generator=generator) < share / 2
    return torch.where(moved, torch.rand((n, length), generator=generator), level)


def central(n: int, length: int, generator: torch.Generator) -> Tensor:
    """Draw `n` vectors around the middle of the box, near it or far: float `(n, length)` in [0, 1]."""
    width = torch.rand((n, 1), generator=generator)
    return 0.5 + width * (torch.rand((n, length), generator=generator) - 0.5)


VECTOR_FAMILIES: dict[str, Callable[[int, int, torch.Generator], Tensor]] = {
    "uniform": uniform, "corners": corners, "sparse": sparse, "central": central,
}  # fmt: skip
"""Vectors that have nothing to do with any task, by name."""
