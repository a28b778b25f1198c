"""Where inputs live: shape and box, inputs that have nothing to do with a task, and smooth ones to search among."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from labelleak_lib.checks import require, require_int, require_number

Draw = Callable[[int, tuple[int, int, int], torch.Generator], Tensor]


@dataclass(frozen=True)
class InputSpace:
    """Images of one shape, every value between `low` and `high`.

    Parameters
    ----------
    shape : tuple of int
        (channels, height, width) of one input.
    low, high : float
        Smallest and largest value an input may have.
    """

    shape: tuple[int, int, int]
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        require(len(self.shape) == 3, "shape", self.shape, "(channels, height, width)")
        for length in self.shape:
            require_int("shape", length, low=1)
        require_number("high", self.high, above=self.low)

    def unrelated(self, family: str, n: int, generator: torch.Generator) -> Tensor:
        """Return `n` inputs of a family of `FAMILIES`: float32 `(n, *shape)` in the box."""
        require(family in FAMILIES, "family", family, f"one of {', '.join(FAMILIES)}")
        return self._scaled(FAMILIES[family](n, self.shape, generator))

    def grid(self, fineness: int) -> tuple[int, int, int]:
        """Return the shape of the coarse grid behind a smooth input: at most `fineness` points along each side."""
        channels, height, width = self.shape
        return channels, min(fineness, height), min(fineness, width)

    def smooth(self, z: Tensor) -> Tensor:
        """Return the inputs whose coarse grids are `z`, any floats `(n, *grid)`: float32 `(n, *shape)` in the box.

        They are sigmoid(z), interpolated bilinearly, and so can hold no detail finer than the grid.
        """
        return self._scaled(_enlarge(torch.sigmoid(z), self.shape))

    def _scaled(self, x: Tensor) -> Tensor:
        return x if (self.low, self.high) == (0.0, 1.0) else self.low + (self.high - self.low) * x


def _enlarge(x: Tensor, shape: tuple[int, int, int]) -> Tensor:
    return torch.nn.functional.interpolate(x, shape[1:], mode="bilinear", align_corners=False)


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
    scaled = torch.nn.functional.interpolate(crop, shape[1:], mode="area")[0].clamp(0, 1)
    return scaled if shape[0] == 3 else scaled.mean(0, keepdim=True).expand(shape[0], -1, -1)


def _colours(n: int, channels: int, generator: torch.Generator) -> Tensor:
    return torch.rand((n, channels, 1, 1), generator=generator)


FAMILIES: dict[str, Draw] = {
    "blobs": blobs, "shapes": shapes, "gratings": gratings, "photos": photos, "noise": noise,
}  # fmt: skip
"""Images that have nothing to do with any task, by name."""
