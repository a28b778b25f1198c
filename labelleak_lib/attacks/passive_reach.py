"""Passive reach: the best margin over inputs that have nothing to do with the task."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from labelleak_lib.attacks.reach import SMALLEST, margins
from labelleak_lib.checks import require, require_int
from labelleak_lib.evidence import Evidence, Floats
from labelleak_lib.models.access import BlackBox
from labelleak_lib.registry import ATTACKS
from labelleak_lib.space import FAMILIES

LOOKS = (10, 30, 100, 300, 1000, 3000)
"""Numbers of inputs after which the evidence so far is kept."""


@ATTACKS.register("passive_reach")
@dataclass(frozen=True)
class PassiveReach:
    """Ask about random inputs of several families and keep every class's best margin.

    Parameters
    ----------
    inputs : int
        Number of images, spread evenly over the families.
    families : tuple of str
        Names of `labelleak_lib.space.FAMILIES`.
    """

    inputs: int = 2400
    families: tuple[str, ...] = ("blobs", "shapes", "gratings", "photos")
    name: ClassVar[str]
    title: ClassVar[str] = "passive reach"
    order: ClassVar[int] = 4
    access_kind: ClassVar[str] = "black_box"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("reach",)
    threshold: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        require_int("inputs", self.inputs, low=1)
        listed = isinstance(self.families, tuple) and len(self.families) > 0
        require(listed, "families", self.families, "a tuple of names")
        for family in self.families:
            require(family in FAMILIES, "families", self.families, f"a tuple of {', '.join(FAMILIES)}")

    def evidence(self, access: BlackBox, *, generator: torch.Generator) -> Evidence:
        """Return minus each class's reach.

        `probe` holds, for the first 10, 30, 100, ... and all inputs, then for all inputs of each family: their
        number, and by class the mean log-probability, the best margin and how often the class is answered;
        float (rows, 1 + 3 * C).
        """
        kinds = np.arange(self.inputs) % len(self.families)
        drawn = torch.empty((self.inputs, *access.space.shape))
        for i, family in enumerate(self.families):
            drawn[kinds == i] = access.space.unrelated(family, int((kinds == i).sum()), generator)
        order = torch.randperm(self.inputs, generator=generator)
        answers = access.query(drawn[order]).cpu().double()
        looks = [np.arange(n) for n in LOOKS if n < self.inputs] + [np.arange(self.inputs)]
        by_family = [np.flatnonzero(kinds[order.numpy()] == i) for i in range(len(self.families))]
        probe = np.array([self._look(answers[rows]) for rows in looks + by_family])
        reach = self._reach(probe[len(looks) - 1], access.classes)
        return Evidence(self.name, access.classes, -reach, reach=reach, queries=self.inputs, probe=probe)

    def _reach(self, look: Floats, c: int) -> Floats:
        return look[1 + c : 1 + 2 * c]

    def _look(self, answers: Tensor) -> Floats:
        log_p = answers.clamp_min(SMALLEST).log()
        counts = torch.bincount(answers.argmax(1), minlength=answers.shape[1]).double()
        parts = [torch.tensor([len(answers)]).double(), log_p.mean(0), margins(log_p).amax(0), counts]
        return torch.cat(parts).numpy()


@ATTACKS.register("passive_answers")
@dataclass(frozen=True)
class PassiveAnswers(PassiveReach):
    """As `PassiveReach` where the black box answers with labels alone: a class's reach is how often it is answered."""

    title: ClassVar[str] = "passive reach, labels only"
    order: ClassVar[int] = 5
    access_kind: ClassVar[str] = "labels_only"

    def _reach(self, look: Floats, c: int) -> Floats:
        return look[1 + 2 * c :]
