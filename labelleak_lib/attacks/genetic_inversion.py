"""Black-box inversion: a genetic search for each class's most probable input (paper, IV-C3, equations 22 to 26)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from labelleak_lib.checks import require, require_int, require_number
from labelleak_lib.evidence import Evidence
from labelleak_lib.models.access import BlackBox
from labelleak_lib.registry import ATTACKS


@ATTACKS.register("blackbox_inversion")
@dataclass(frozen=True)
class GeneticInversion:
    """Maximise p_c(x) over [0, 1]^d by a genetic algorithm, for all classes at once.

    Parameters
    ----------
    population : int
        N, individuals a class.
    generations : int
        G, generations (the first one is the random population).
    elites : int
        e, fittest individuals that pass unchanged. Their answers are kept and not asked for again, so that the search
        costs C * (N + (G - 1) * (N - e)) queries.
    mutation : float
        s_0, standard deviation of the step on one random gene.
    decay : float
        gamma in (0, 1]; s_t = s_0 gamma^t.
    """

    population: int = 100
    generations: int = 200
    elites: int = 5
    mutation: float = 0.5
    decay: float = 0.99
    title: ClassVar[str] = "black-box inversion"
    order: ClassVar[int] = 3
    access_kind: ClassVar[str] = "black_box"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("threshold", "entropy", "entropy_argmax")
    presets: ClassVar[dict[str, dict[str, int]]] = {
        "quick small": {"population": 50, "generations": 60},
        "quick lenet": {"population": 60, "generations": 100},
        "quick resnet18": {"population": 40, "generations": 50},
        "paper small": {"population": 60, "generations": 100},
        "paper resnet18": {"population": 60, "generations": 100},
    }

    def __post_init__(self) -> None:
        require_int("population", self.population, low=2)
        require_int("generations", self.generations, low=1)
        require_int("elites", self.elites, low=0)
        require(self.elites < self.population, "elites", self.elites, f"below population ({self.population})")
        require_number("mutation", self.mutation, above=0)
        require_number("decay", self.decay, above=0, high=1)

    def evidence(self, access: BlackBox, *, generator: torch.Generator) -> Evidence:
        """Return the inverted prediction vectors; a class's score is minus its IPV's largest entry."""
        asked = access.queries
        c, d = access.classes, int(np.prod(access.shape))
        genes = torch.rand((c, self.population, d), generator=generator)
        answers = self._ask(access, genes)
        history = [_fitness(answers).amax(1).numpy()]
        for t in range(1, self.generations):
            genes, answers = _sorted(genes, answers)
            children = self.breed(genes, _fitness(answers), self.mutation * self.decay**t, generator)
            genes = torch.cat([genes[:, : self.elites], children], dim=1)
            answers = torch.cat([answers[:, : self.elites], self._ask(access, children)], dim=1)
            history.append(_fitness(answers).amax(1).numpy())
        genes, answers = _sorted(genes, answers)
        ipv = answers[:, 0].double().numpy()
        return Evidence(
            "blackbox_inversion", c, -ipv.max(1), ipv=ipv, inverted=genes[:, 0].view(c, *access.shape),
            history=np.array(history, dtype=np.float64), queries=access.queries - asked,
        )  # fmt: skip

    def _ask(self, access: BlackBox, genes: Tensor) -> Tensor:
        c, n, _ = genes.shape
        return access.query(genes.reshape(c * n, *access.shape)).cpu().view(c, n, -1)

    def breed(self, genes: Tensor, fitness: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """Select parents by fitness, cross them at one point, mutate one gene (equations 24, 25).

        `genes` (C, N, d) are each class's population, `fitness` (C, N) is p_c of every individual, `strength` is s_t,
        the standard deviation of the step on the mutated gene. Returns the children, float (C, N - e, d) in [0, 1].
        """
        c, n, d = genes.shape
        m = n - self.elites
        # relative to the class's best, so that fitnesses of 1e-30 still select; all-zero rows select uniformly
        weight = fitness.double() / fitness.double().amax(1, keepdim=True).clamp_min(1e-300)
        weight = torch.where(weight.sum(1, keepdim=True) > 0, weight, torch.ones_like(weight))
        chosen = torch.multinomial(weight, 2 * m, replacement=True, generator=generator)
        parents = _rows(genes, chosen).view(c, 2, m, d)
        cut = torch.randint(1, max(d, 2), (c, m, 1), generator=generator)
        children = torch.where(torch.arange(d) < cut, parents[:, 0], parents[:, 1])
        gene = torch.randint(d, (c, m, 1), generator=generator)
        step = strength * torch.randn((c, m, 1), generator=generator)
        return children.scatter_add_(2, gene, step).clamp_(0, 1)


def _fitness(answers: Tensor) -> Tensor:
    """Return p_c of every individual, float (C, N), from answers (C, N, C)."""
    return answers.diagonal(dim1=0, dim2=2).T


def _sorted(genes: Tensor, answers: Tensor) -> tuple[Tensor, Tensor]:
    """Put each class's individuals in order, the fittest first."""
    order = _fitness(answers).argsort(dim=1, descending=True, stable=True)
    return _rows(genes, order), _rows(answers, order)


def _rows(values: Tensor, index: Tensor) -> Tensor:
    """Return rows `index` (C, m) of each class's `values` (C, N, d), copied whole: float (C, m, d)."""
    c, n, d = values.shape
    return values.reshape(c * n, d)[(index + n * torch.arange(c)[:, None]).flatten()].view(c, -1, d)
