"""What a class that is gone looks like from outside: the same inputs, that show nothing, answered before and after.

A plane through the space of inputs is asked point by point, and images that have nothing to do with the task are
counted by the class they are answered with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from labelleak_lib.evidence import Floats
from labelleak_lib.models.classifier import evaluation_mode
from labelleak_lib.space import InputSpace

Ints = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
REACH = (-0.4, 1.2)
"""Where the plane begins and ends, in units of the way from its first corner to either of the others."""


@dataclass(frozen=True)
class Landscape:
    """Answers of several models to the same inputs.

    Parameters
    ----------
    corners : array
        float ``(3, *shape)``: the inputs that span the plane; the first is one that the first model, best of all,
        answers with a forgotten class.
    answers : dict of str to array
        By model, int (side, side): the class answered at each point; the first corner lies at (0, 0) of `REACH`.
    counts : dict of str to array
        By model, int (C,): how many of the unrelated images are answered with each class.
    images : array
        float ``(n, *shape)``: some of the unrelated images.
    """

    corners: Floats
    answers: dict[str, Ints]
    counts: dict[str, Ints]
    images: Floats


@torch.no_grad()
def landscape(
    models: Mapping[str, nn.Module],
    space: InputSpace,
    forgotten: Sequence[int],
    *,
    generator: torch.Generator,
    inputs: int = 2400,
    side: int = 120,
) -> Landscape:
    """Ask `models`, the first of them M_o, about unrelated images and about a plane through three of them.

    The corners are the images that M_o answers with the most confidence: as a forgotten class, and as the two retained
    classes that it answers most often. A forgotten class that M_o gives to no image has no corner that shows it; the
    one that comes nearest stands in.

    Parameters
    ----------
    models : dict of str to Module
        Classifiers of inputs of `space`, by the name they are shown under.
    space : InputSpace
        Shape and box of the inputs.
    forgotten : sequence of int
        Indices of the forgotten classes.
    generator : Generator
        Draws the images.
    inputs, side : int
        Number of unrelated images, and of points along each side of the plane.
    """
    families = space.families
    each = -(-inputs // len(families))
    drawn = torch.cat([space.unrelated(family, each, generator) for family in families])
    answered = {name: _probabilities(model, drawn) for name, model in models.items()}
    counts = {name: np.bincount(p.argmax(1), minlength=p.shape[1]) for name, p in answered.items()}
    first, before = next(iter(counts.values())), next(iter(answered.values()))
    retained = [int(c) for c in np.argsort(-first, kind="stable") if c not in forgotten][:2]
    shown = max(forgotten, key=lambda c: before[:, c].max())
    corners = drawn[[int(before[:, c].argmax()) for c in (shown, *retained)]]
    points = _plane(corners, side, space)
    answers = {name: _probabilities(model, points).argmax(1).reshape(side, side) for name, model in models.items()}
    order = torch.randperm(len(drawn), generator=generator)
    return Landscape(corners.numpy(), answers, counts, drawn[order[:24]].numpy())


def _plane(corners: Tensor, side: int, space: InputSpace) -> Tensor:
    steps = torch.linspace(*REACH, side)
    up, right = torch.meshgrid(steps, steps, indexing="ij")
    along = [(weight.flatten()[:, None] * (corner - corners[0]).flatten()) for weight, corner in
             ((right, corners[1]), (up, corners[2]))]  # fmt: skip
    points = (corners[0].flatten() + along[0] + along[1]).reshape(-1, *corners.shape[1:])
    low, high = (torch.tensor(side) for side in (space.low, space.high))
    return points.clamp(low, high)


def _probabilities(model: nn.Module, images: Tensor) -> Floats:
    device = next(model.parameters()).device
    with evaluation_mode(model):
        parts = [model(part.to(device)).softmax(1).cpu() for part in images.split(2048)]
    return torch.cat(parts).double().numpy()
