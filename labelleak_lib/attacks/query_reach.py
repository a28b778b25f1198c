"""Query reach: an evolution strategy lifts every class, among smooth inputs, by a few hundred queries a class."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from labelleak_lib.attacks.reach import answered_margins
from labelleak_lib.checks import require_int, require_number
from labelleak_lib.evidence import Evidence
from labelleak_lib.models.access import BlackBox
from labelleak_lib.registry import ATTACKS


@ATTACKS.register("query_reach")
@dataclass(frozen=True)
class QueryReach:
    """A separable natural evolution strategy (Schaul, Glasmachers and Schmidhuber, 2011) on a coarse grid.

    All classes share the random starts; each goes on from the start that lifts it highest. An input counts for every
    class, whichever it was meant for.

    Parameters
    ----------
    starts : int
        Random starts a class.
    population : int
        Inputs a class and generation.
    generations : int
        Generations. Queries in all: C * (starts + population * generations).
    fineness : int
        Points of the grid along each side of the image.
    spread : float
        Standard deviation of the starts on the grid, in units of the sigmoid's argument.
    step : float
        First standard deviation of a class's own search.
    """

    starts: int = 40
    population: int = 20
    generations: int = 10
    fineness: int = 5
    spread: float = 2.0
    step: float = 1.0
    name: ClassVar[str]
    title: ClassVar[str] = "query reach"
    order: ClassVar[int] = 6
    access_kind: ClassVar[str] = "black_box"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("reach",)
    threshold: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        require_int("starts", self.starts, low=1)
        require_int("population", self.population, low=4)
        require_int("generations", self.generations, low=0)
        require_int("fineness", self.fineness, low=1)
        require_number("spread", self.spread, above=0)
        require_number("step", self.step, above=0)

    def evidence(self, access: BlackBox, *, generator: torch.Generator) -> Evidence:
        """Return minus each class's reach.

        `probe` holds, after the starts and after each generation, the number of queries so far and by class the best
        margin; float (generations + 1, 1 + C).
        """
        c, grid = access.classes, access.space.grid(self.fineness)
        d = math.prod(grid)
        starts = self.spread * torch.randn((c * self.starts, d), generator=generator)
        found = answered_margins(access.query(access.space.smooth(starts.view(-1, *grid))))
        reach, first = found.max(dim=0)
        asked, looks = len(starts), [np.append(len(starts), reach.numpy())]
        mean, deviation = starts[first], torch.full((c, d), self.step)
        utility, rate = _utilities(self.population), (3 + math.log(d)) / (5 * math.sqrt(d))
        for _ in range(self.generations):
            drawn = torch.randn((c, self.population, d), generator=generator)
            z = mean[:, None] + deviation[:, None] * drawn
            found = answered_margins(access.query(access.space.smooth(z.view(-1, *grid)))).view(c, self.population, c)
            reach = torch.maximum(reach, found.amax((0, 1)))
            asked += len(found) * self.population
            looks.append(np.append(asked, reach.numpy()))
            fitness = found.diagonal(dim1=0, dim2=2).T
            ranked = drawn.gather(1, fitness.argsort(dim=1, descending=True, stable=True)[:, :, None].expand_as(drawn))
            mean = mean + deviation * (utility[:, None] * ranked).sum(1)
            deviation = deviation * torch.exp(rate / 2 * (utility[:, None] * (ranked**2 - 1)).sum(1))
        reached = reach.numpy()
        return Evidence(self.name, c, -reached, reach=reached, probe=np.array(looks), queries=asked)


def _utilities(population: int) -> Tensor:
    """Return what each rank weighs, the best first: float32 (population,), summing to zero."""
    raw = (math.log(population / 2 + 1) - torch.arange(1, population + 1).log()).clamp_min(0)
    return raw / raw.sum() - 1 / population
