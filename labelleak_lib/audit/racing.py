"""The audit's search: random inputs for all classes, then an evolution strategy for those that nothing has reached."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from labelleak_lib.attacks.query_reach import _utilities
from labelleak_lib.attacks.reach import answered_margins
from labelleak_lib.checks import require_int
from labelleak_lib.evidence import Floats, Ints
from labelleak_lib.models.access import BlackBox, QueryBudgetError

NUMBERS = 4_000_000
"""Floating-point numbers of a batch's inputs or answers at most: bounds the memory."""
LOOKS = (300, 1000, 2400)
"""Numbers of random inputs after which targets can be compared."""


@dataclass
class Found:
    """What a search has learnt of C classes so far.

    Parameters
    ----------
    reach : ndarray
        float (C,); the best margin of each class over all inputs, -inf before any; of labels alone, how often each
        class was answered.
    answered : ndarray
        int (C,); how many of the random inputs each class was answered to.
    passive : ndarray
        float (C,); the reach by random inputs for all classes alone, before any class was searched for.
    inputs, queries : int
        Random inputs, and all inputs, that were asked about.
    complete : bool
        Whether every class was reached, or the search for it went to its end.
    stopped : str
        "interrupted" or "budget spent", where it was cut short.
    """

    reach: Floats
    answered: Ints
    passive: Floats = field(default_factory=lambda: np.zeros(0))
    inputs: int = 0
    queries: int = 0
    complete: bool = False
    stopped: str = ""


@dataclass(frozen=True)
class Racing:
    """Ask about random inputs, then lift the classes that none of them reached, and leave a class once it is reached.

    Parameters
    ----------
    inputs : int
        Random inputs for all classes, spread evenly over the families of the space.
    rounds : int
        How often the search for what is not reached yet begins anew, each time with as many random inputs again. Labels
        alone cannot be climbed: there it is these inputs only.
    starts, population, generations : int
        Smooth random starts that the classes of a round share; inputs a class and generation; generations a round.
    fineness : int
        Points of the grid along each side of an image.
    spread, step : float
        Deviation of the starts on the grid, and first deviation of a class's own search.
    """

    inputs: int = 2400
    rounds: int = 4
    starts: int = 400
    population: int = 20
    generations: int = 10
    fineness: int = 5
    spread: float = 2.0
    step: float = 1.0

    def __post_init__(self) -> None:
        for name in ("inputs", "starts", "generations", "fineness"):
            require_int(name, getattr(self, name), low=1)
        require_int("rounds", self.rounds, low=0)
        require_int("population", self.population, low=4)

    def run(
        self, access: BlackBox, *, generator: torch.Generator, found: Found | None = None,
        tell: Callable[[int, int], None] = lambda asked, left: None,
    ) -> Found:  # fmt: skip
        """Search until every class is reached or the search ends; `tell` hears of inputs asked and classes left.

        It goes on from what was `found` before. Ctrl-C and a spent budget end it too: what was found so far is
        returned.
        """
        none_yet = 0.0 if access.labels_only else -np.inf
        found = found or Found(np.full(access.classes, none_yet), np.zeros(access.classes, dtype=np.int64))
        try:
            self._draw(access, found, self.inputs - found.inputs, generator, tell)
            for _ in range(self.rounds):
                self._draw(access, found, self.inputs, generator, tell, until_all=True)
                if self._left(found).any() and not access.labels_only:
                    self._round(access, found, generator, tell)
            found.complete = True
        except KeyboardInterrupt:
            found.stopped = "interrupted"
        except QueryBudgetError:
            found.stopped = "budget spent"
        return found

    def _left(self, found: Found) -> np.ndarray:
        return np.asarray(found.reach <= 0)

    def _batch(self, access: BlackBox) -> int:
        return max(1, NUMBERS // max(math.prod(access.space.shape), access.classes, 1))

    def _ask(self, access: BlackBox, found: Found, x: Tensor, tell: Callable[[int, int], None]) -> Tensor:
        """Return the answers' margins, float64 (n, C), and count them; what the budget leaves is asked, at least."""
        left = len(x) if access.budget is None else access.budget - access.queries
        if left <= 0:
            raise QueryBudgetError(f"the budget of {access.budget} queries is spent")
        answers = access.query(x[:left])
        found.queries += len(answers)
        if access.labels_only:
            found.reach = found.reach + answers.sum(0).double().cpu().numpy()
        margin = answered_margins(answers)
        if not access.labels_only:
            found.reach = np.maximum(found.reach, margin.amax(0).numpy())
        tell(len(answers), int(self._left(found).sum()))
        return margin

    def _draw(
        self, access: BlackBox, found: Found, inputs: int, generator: torch.Generator,
        tell: Callable[[int, int], None], until_all: bool = False,
    ) -> None:  # fmt: skip
        families, end, size = access.space.families, found.inputs + inputs, min(self._batch(access), 100)
        while found.inputs < end and not (until_all and not self._left(found).any()):
            n = min(size, end - found.inputs)
            parts = [len(range(i, n, len(families))) for i in range(len(families))]
            drawn = [access.space.unrelated(f, k, generator) for f, k in zip(families, parts, strict=True) if k]
            margin = self._ask(access, found, torch.cat(drawn), tell)
            found.inputs += len(margin)
            found.answered = found.answered + np.bincount(margin.argmax(1).numpy(), minlength=access.classes)
            if found.inputs <= self.inputs:
                found.passive = found.reach.copy()

    def _round(
        self, access: BlackBox, found: Found, generator: torch.Generator, tell: Callable[[int, int], None]
    ) -> None:
        """Run one separable natural evolution strategy (Schaul, Glasmachers and Schmidhuber, 2011) a class."""
        grid, batch = access.space.grid(self.fineness), self._batch(access)
        d = math.prod(grid)
        starts = self.spread * torch.randn((self.starts, d), generator=generator)
        asked = [self._ask(access, found, self._input(access, z), tell) for z in starts.split(batch)]
        first = torch.cat(asked).argmax(0)
        for classes in torch.from_numpy(np.flatnonzero(self._left(found))).split(max(1, batch // self.population)):
            self._climb(access, found, classes, starts[first[classes]], generator, tell)

    def _climb(
        self, access: BlackBox, found: Found, classes: Tensor, mean: Tensor, generator: torch.Generator,
        tell: Callable[[int, int], None],
    ) -> None:  # fmt: skip
        d, n = mean.shape[1], self.population
        deviation = torch.full_like(mean, self.step)
        utility, rate = _utilities(n), (3 + math.log(d)) / (5 * math.sqrt(d))
        for _ in range(self.generations):
            going = torch.from_numpy(self._left(found))[classes]
            if not going.any():
                return
            classes, mean, deviation = classes[going], mean[going], deviation[going]
            drawn = torch.randn((len(classes), n, d), generator=generator)
            z = (mean[:, None] + deviation[:, None] * drawn).view(-1, d)
            margin = torch.cat([self._ask(access, found, self._input(access, part), tell) for part in z.split(len(z))])
            if len(margin) < len(z):
                raise QueryBudgetError("the budget is spent")
            own = margin.view(len(classes), n, -1)[torch.arange(len(classes)), :, classes]
            rank = own.argsort(dim=1, descending=True, stable=True)[:, :, None].expand_as(drawn)
            best = drawn.gather(1, rank)
            mean = mean + deviation * (utility[:, None] * best).sum(1)
            deviation = deviation * torch.exp(rate / 2 * (utility[:, None] * (best**2 - 1)).sum(1))

    def _input(self, access: BlackBox, z: Tensor) -> Tensor:
        return access.space.smooth(z.view(-1, *access.space.grid(self.fineness)))
