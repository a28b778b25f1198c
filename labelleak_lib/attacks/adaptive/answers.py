"""Answers that give a defence away: the zero that no softmax gives, and inputs that decoys were not made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from labelleak_lib.attacks.reach import answered_margins
from labelleak_lib.checks import require_int
from labelleak_lib.evidence import Evidence
from labelleak_lib.models.access import BlackBox
from labelleak_lib.registry import ADAPTIVE
from labelleak_lib.space import FAMILIES, blobs, noise


@ADAPTIVE.register("always_zero")
@dataclass(frozen=True)
class AlwaysZero:
    """Name the classes whose probability is exactly zero for every input.

    Parameters
    ----------
    inputs : int
        Random inputs that are asked about.
    """

    inputs: int = 300
    name: ClassVar[str]
    title: ClassVar[str] = "always zero"
    order: ClassVar[int] = 0
    access_kind: ClassVar[str] = "black_box"
    criterion: ClassVar[str] = "above_half"

    def __post_init__(self) -> None:
        require_int("inputs", self.inputs, low=1)

    def evidence(self, access: BlackBox, *, generator: torch.Generator) -> Evidence:
        """Return 1 for the classes that are never considered, 0 for the others."""
        answers = access.query(blobs(self.inputs, access.shape, generator))
        score = (answers == 0).all(0).double().cpu().numpy()
        return Evidence(self.name, access.classes, score, queries=self.inputs)


@ADAPTIVE.register("other_inputs")
@dataclass(frozen=True)
class OtherInputs:
    """Ask about inputs of other families than those that audits, and so decoys, are made of.

    A third each: uniform noise, two unrelated images side by side, and a few bright strokes on black. A class's reach
    is its best margin.

    Parameters
    ----------
    inputs : int
        Number of images.
    """

    inputs: int = 2400
    name: ClassVar[str]
    title: ClassVar[str] = "other inputs"
    order: ClassVar[int] = 1
    access_kind: ClassVar[str] = "black_box"
    criterion: ClassVar[str] = "reach"

    def __post_init__(self) -> None:
        require_int("inputs", self.inputs, low=3)

    def evidence(self, access: BlackBox, *, generator: torch.Generator) -> Evidence:
        """Return minus each class's reach."""
        draws: tuple[Callable[..., Tensor], ...] = (noise, side_by_side, strokes)
        counts = [len(range(i, self.inputs, len(draws))) for i in range(len(draws))]
        drawn = [draw(n, access.shape, generator) for draw, n in zip(draws, counts, strict=True)]
        reach = answered_margins(access.query(torch.cat(drawn))).amax(0).numpy()
        return Evidence(self.name, access.classes, -reach, reach=reach, queries=self.inputs)


def side_by_side(n: int, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    """Draw `n` images whose left and right parts are of two unrelated families: float `(n, *shape)` in [0, 1]."""
    names = tuple(FAMILIES)
    left, right = (
        torch.cat([FAMILIES[name](len(range(i, n, len(names))), shape, generator) for i, name in enumerate(names)])
        for _ in range(2)
    )
    cut = torch.randint(1, max(shape[2], 2), (n, 1, 1, 1), generator=generator)
    return torch.where(torch.arange(shape[2]) < cut, left, right[torch.randperm(n, generator=generator)])


def strokes(n: int, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    """Draw `n` images of one to three straight bright strokes on black: float `(n, *shape)` in [0, 1]."""
    channels, height, width = shape
    y, x = torch.linspace(-1, 1, height)[:, None], torch.linspace(-1, 1, width)[None, :]
    image = torch.zeros(n, 1, height, width)
    for layer in range(3):
        start, end = 1.6 * torch.rand((2, n, 2, 1, 1), generator=generator) - 0.8
        along = end - start
        # the nearest point of the stroke to each pixel
        where = (y - start[:, 0]) * along[:, 0] + (x - start[:, 1]) * along[:, 1]
        where = (where / along.pow(2).sum(1).clamp_min(1e-6)).clamp(0, 1)
        gap = torch.hypot(y - start[:, 0] - where * along[:, 0], x - start[:, 1] - where * along[:, 1])
        there = torch.rand((n, 1, 1), generator=generator) < 1 / (layer + 1)
        ink = (1.3 - gap / 0.14).clamp(0, 1) * there
        image = torch.maximum(image, ink[:, None])
    return image.expand(n, channels, height, width).contiguous()
