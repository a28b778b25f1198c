"""Ask the black box about smooth random blobs."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from labelleak_lib.checks import require_int
from labelleak_lib.evidence import Evidence
from labelleak_lib.models.access import BlackBox
from labelleak_lib.registry import ATTACKS
from labelleak_lib.space import blobs


@ATTACKS.register("random_inputs")
@dataclass(frozen=True)
class RandomInputs:
    """Ask the black box about smooth random blobs, unrelated to the task: what an inversion has to beat.

    Parameters
    ----------
    inputs : int
        Number of images.
    """

    inputs: int = 2000
    name: ClassVar[str]
    title: ClassVar[str] = "random blobs"
    order: ClassVar[int] = 25
    access_kind: ClassVar[str] = "black_box"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("two_means",)

    def __post_init__(self) -> None:
        require_int("inputs", self.inputs, low=1)

    def draw(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        """Return float `(inputs, *shape)` in [0, 1]."""
        return blobs(self.inputs, shape, generator)

    def evidence(self, access: BlackBox, *, generator: torch.Generator) -> Evidence:
        """Return minus the mean log-probability of each class.

        `probe` holds, for the first 10, 100, ... and all inputs: their number, then by class the mean
        log-probability, the highest probability and how often the class is answered; float (rows, 1 + 3 * C).
        """
        drawn = self.draw(access.shape, generator)
        shuffled = drawn[torch.randperm(len(drawn), generator=generator)]
        answers = access.query(shuffled).double().clamp_min(1e-30).cpu()
        counts = [n for n in (10, 100, 1000) if n < self.inputs] + [self.inputs]
        probe = np.array([_probe(answers[:n]) for n in counts])
        c = access.classes
        return Evidence(self.name, c, -probe[-1, 1 : c + 1], queries=self.inputs, probe=probe)


@ATTACKS.register("random_noise")
@dataclass(frozen=True)
class RandomNoise(RandomInputs):
    """As `RandomInputs`, with uniform noise: every pixel drawn on its own."""

    title: ClassVar[str] = "uniform noise"
    order: ClassVar[int] = 26

    def draw(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        """Return float `(inputs, *shape)` in [0, 1]."""
        return torch.rand((self.inputs, *shape), generator=generator)


def _probe(answers: Tensor) -> np.ndarray:
    answered = torch.bincount(answers.argmax(1), minlength=answers.shape[1]).double()
    parts = [torch.tensor([len(answers)]).double(), answers.log().mean(0), answers.amax(0), answered]
    return torch.cat(parts).numpy()
