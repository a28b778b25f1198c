"""Gradient reach: gradients lift every class among smooth inputs inside the box."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from labelleak_lib.attacks.reach import margins
from labelleak_lib.checks import require_int, require_number
from labelleak_lib.evidence import Evidence, Floats
from labelleak_lib.models.access import WhiteBox
from labelleak_lib.models.classifier import evaluation_mode
from labelleak_lib.registry import ATTACKS


@ATTACKS.register("gradient_reach")
@dataclass(frozen=True)
class GradientReach:
    """Descend in cross-entropy towards each class by Adam, on a coarse grid behind smooth inputs.

    Parameters
    ----------
    steps, starts : int
        Steps, and random starts a class.
    lr : float
        Adam's step size on the grid, in units of the sigmoid's argument.
    coarseness, least : int
        Pixels a point of the grid along each side, and the fewest points.
    batch_size : int
        Inputs at a time: bounds the memory, changes nothing but last digits.
    """

    steps: int = 200
    starts: int = 5
    lr: float = 0.1
    coarseness: int = 4
    least: int = 4
    batch_size: int = 512
    name: ClassVar[str]
    title: ClassVar[str] = "gradient reach"
    order: ClassVar[int] = 8
    access_kind: ClassVar[str] = "white_box"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("reach",)
    threshold: ClassVar[float] = 0.4
    presets: ClassVar[dict[str, dict[str, int]]] = {
        "quick small": {"steps": 100, "starts": 3},
        "quick lenet": {"steps": 100, "starts": 3},
        "quick resnet18": {"steps": 60, "starts": 2},
        "paper resnet18": {"steps": 100, "starts": 3},
    }

    def __post_init__(self) -> None:
        for name in ("steps", "starts", "coarseness", "least", "batch_size"):
            require_int(name, getattr(self, name), low=1)
        require_number("lr", self.lr, above=0)

    def evidence(self, access: WhiteBox, *, generator: torch.Generator) -> Evidence:
        """Return minus each class's reach; `history` holds the best margins after every step, float (steps + 1, C)."""
        c = access.classes
        grid = access.space.grid(max(self.least, min(access.space.shape[1:]) // self.coarseness))
        aim = torch.arange(c).repeat_interleave(self.starts)
        z = torch.randn((len(aim), *grid), generator=generator)
        parts = zip(z.split(self.batch_size), aim.split(self.batch_size), strict=True)
        with evaluation_mode(access.model):
            own = np.concatenate([self._climb(access, *part) for part in parts], axis=1)
        history = np.maximum.accumulate(own.reshape(self.steps + 1, c, self.starts).max(2), axis=0)
        reach = history[-1]
        return Evidence(
            self.name, c, -reach, reach=reach, history=history, gradients=self.steps * len(aim)
        )  # fmt: skip

    def _climb(self, access: WhiteBox, z: Tensor, aim: Tensor) -> Floats:
        """Return the margin of the class aimed at, of every input at the start and after each step: (steps + 1, n)."""
        device = next(access.model.parameters()).device
        z, target = z.to(device).requires_grad_(True), aim.to(device)
        step = torch.optim.Adam([z], self.lr)
        seen = []
        for _ in range(self.steps):
            logits = access.model(access.space.smooth(z))
            seen.append(_of_aim(logits, aim))
            loss = torch.nn.functional.cross_entropy(logits, target, reduction="sum")
            (z.grad,) = torch.autograd.grad(loss, z)
            step.step()
        with torch.no_grad():
            seen.append(_of_aim(access.model(access.space.smooth(z)), aim))
        return np.array(seen)


def _of_aim(logits: Tensor, aim: Tensor) -> Floats:
    return margins(logits.detach()).gather(1, aim[:, None])[:, 0].numpy()
