"""White-box inversion: descend in input space towards each class (paper, IV-C1 and IV-C2, equations 18 to 21)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from labelleak_lib.checks import require_choice, require_int, require_number
from labelleak_lib.evidence import Evidence
from labelleak_lib.models import classifier
from labelleak_lib.models.access import WhiteBox
from labelleak_lib.registry import ATTACKS


def total_variation(x: Tensor) -> Tensor:
    """Return the anisotropic total variation of images (n, channels, height, width): float (n,).

    The sum of absolute differences between vertical and between horizontal neighbours.
    """
    vertical = (x[:, :, 1:, :] - x[:, :, :-1, :]).abs().sum((1, 2, 3))
    return vertical + (x[:, :, :, 1:] - x[:, :, :, :-1]).abs().sum((1, 2, 3))


@ATTACKS.register("whitebox_inversion")
@dataclass(frozen=True)
class GradientInversion:
    """Minimise `CE(f(x), c) + lambda_2 |x|^2 + lambda_TV TV(x)` from several starts, for all classes at once.

    Parameters
    ----------
    steps : int
        T, gradient steps.
    starts : int
        R, starts x_0 ~ N(0, I) a class; the one with the lowest objective is kept.
    lr : float
        eta, step size.
    l2, tv : float
        lambda_2 and lambda_TV.
    optimizer : {"adam", "sgd"}
        Adam, or the plain steps of the paper's update rule.
    """

    steps: int = 200
    starts: int = 5
    lr: float = 0.1
    l2: float = 1e-4
    tv: float = 1e-4
    optimizer: str = "adam"
    title: ClassVar[str] = "white-box inversion"
    order: ClassVar[int] = 2
    access_kind: ClassVar[str] = "white_box"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("threshold", "entropy", "entropy_argmax")
    presets: ClassVar[dict[str, dict[str, int]]] = {
        "quick small": {"steps": 100, "starts": 3},
        "quick lenet": {"steps": 150, "starts": 3},
        "quick resnet18": {"steps": 100, "starts": 2},
        "paper resnet18": {"steps": 150, "starts": 3},
    }

    def __post_init__(self) -> None:
        require_int("steps", self.steps, low=1)
        require_int("starts", self.starts, low=1)
        require_number("lr", self.lr, above=0)
        require_number("l2", self.l2, low=0)
        require_number("tv", self.tv, low=0)
        require_choice("optimizer", self.optimizer, ("adam", "sgd"))

    def evidence(self, access: WhiteBox, *, generator: torch.Generator) -> Evidence:
        """Return the inverted prediction vectors; a class's score is minus its IPV's largest entry."""
        with classifier.evaluation_mode(access.model):
            return self._descend(access, generator)

    def _descend(self, access: WhiteBox, generator: torch.Generator) -> Evidence:
        model, c = access.model, access.classes
        device = next(model.parameters()).device
        aim = torch.arange(c, device=device).repeat_interleave(self.starts)
        x = torch.randn((c * self.starts, *access.shape), generator=generator).to(device).requires_grad_(True)
        step = torch.optim.Adam([x], self.lr) if self.optimizer == "adam" else torch.optim.SGD([x], self.lr)
        history, silent = [], torch.zeros(c, dtype=torch.bool)
        for i in range(self.steps):
            objective, probability = self._objective(model, x, aim)
            (x.grad,) = torch.autograd.grad(objective.sum(), x)
            if i == 0:
                silent = (x.grad.flatten(1).norm(dim=1) < 1e-12).view(c, -1).all(1).cpu()
            history.append(probability.view(c, -1).amax(1).cpu().numpy())
            step.step()
        with torch.no_grad():
            objective, _ = self._objective(model, x, aim)
            best = objective.view(c, -1).argmin(1) + torch.arange(c, device=device) * self.starts
            inverted = x[best]
            ipv = torch.softmax(model(inverted).double(), dim=1).cpu().numpy()
        flags = ("zero gradient",) if bool(silent.any()) else ()
        return Evidence(
            "whitebox_inversion", c, -ipv.max(1), ipv=ipv, inverted=inverted.detach().cpu(),
            history=np.array(history, dtype=np.float64), gradients=self.steps * len(aim), flags=flags,
        )  # fmt: skip

    def _objective(self, model: nn.Module, x: Tensor, aim: Tensor) -> tuple[Tensor, Tensor]:
        loss = nn.functional.cross_entropy(model(x), aim, reduction="none")
        penalty = self.l2 * x.pow(2).sum((1, 2, 3)) + self.tv * total_variation(x)
        return loss + penalty, torch.exp(-loss.detach())
