"""Auxiliary heads: many last layers trained at once, each on its own few samples of frozen features.

Both parameter attacks read them. Gradient descent on a linear head never leaves the span of its samples, so that with
n samples of d features the run is one of n x n Gram matrices: W_t = W_0 + A_t' phi. All heads are one batch of those.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from labelleak_lib.checks import require, require_choice, require_int, require_number
from labelleak_lib.evidence import Ints
from labelleak_lib.models import classifier
from labelleak_lib.models.access import WhiteBoxWithSamples


class Heads(NamedTuple):
    """m linear heads: weight float (m, C, d) and bias float (m, C)."""

    weight: Tensor
    bias: Tensor

    def flat(self) -> Tensor:
        """Return w' of every head, weight and bias flattened row by row: float (m, C * (d + 1))."""
        return torch.cat([self.weight, self.bias[..., None]], dim=2).flatten(1)


@contextlib.contextmanager
def without_denormals() -> Iterator[None]:
    """Let this thread take numbers below 1e-38 for zero: a processor is many times as slow with them."""
    before = bool(torch.full((1,), 1e-39).mul(0.5) == 0)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def fit_heads(phi: Tensor, labels: Tensor, start: Heads, *, steps: int, lr: float, momentum: float = 0.0) -> Heads:
    """Train m softmax heads by full-batch gradient descent on the mean cross-entropy, with heavy-ball momentum.

    `phi` (m, n, d) holds the features of each head's n samples, `labels` (m, n) int64 their classes.
    """
    n = phi.shape[1]
    gram = torch.baddbmm(torch.ones((), dtype=phi.dtype, device=phi.device), phi, phi.transpose(1, 2))
    # classes before samples: a softmax over the last few numbers of every row is ten times as slow
    logits = torch.baddbmm(start.bias[..., None], start.weight, phi.transpose(1, 2))
    target = torch.nn.functional.one_hot(labels, start.bias.shape[1]).to(phi.dtype).transpose(1, 2).contiguous()
    moved, velocity = torch.zeros_like(target), torch.zeros_like(target)
    # probabilities of nearly certain samples are denormal numbers
    with without_denormals():
        for _ in range(steps):
            error = torch.softmax(torch.baddbmm(logits, moved, gram), dim=1).sub_(target)
            velocity = error if momentum == 0 else velocity.mul_(momentum).add_(error)
            moved.sub_(velocity, alpha=lr / n)
    weight = torch.baddbmm(start.weight, moved, phi)
    return Heads(weight, start.bias + moved.sum(2))


@dataclass(frozen=True)
class HeadRecipe:
    """How many auxiliary heads an attacker trains, and how.

    Parameters
    ----------
    heads : int
        Heads on each side of the comparison (the paper's 200 + 200).
    samples : int
        Samples each head is trained on, all of one class.
    steps : int
        Steps of full-batch gradient descent on the cross-entropy.
    lr : float
        Learning rate.
    momentum : float
        Heavy-ball momentum, in [0, 1).
    start : {"default", "zero"}
        Initial weights: drawn anew for each head as torch draws a linear layer's, or zero.
    """

    heads: int = 200
    samples: int = 50
    steps: int = 100
    lr: float = 0.1
    momentum: float = 0.9
    start: str = "default"

    def __post_init__(self) -> None:
        for name in ("heads", "samples", "steps"):
            require_int(name, getattr(self, name), low=1)
        require_number("lr", self.lr, above=0)
        require_number("momentum", self.momentum, low=0, high=0.999)
        require_choice("start", self.start, ("default", "zero"))

    def draw_start(self, m: int, classes: int, width: int, generator: torch.Generator) -> Heads:
        """Draw the initial weights of `m` heads over `width` features."""
        shape, bound = (m, classes, width + 1), 0.0 if self.start == "zero" else width**-0.5
        drawn = torch.rand(shape, generator=generator).mul_(2).sub_(1).mul_(bound)
        return Heads(drawn[..., :width].contiguous(), drawn[..., width].contiguous())


HEAD_PRESETS = {
    "quick small": {"recipe": HeadRecipe(heads=50, samples=20)},
    "quick lenet": {"recipe": HeadRecipe(heads=100)},
    "quick resnet18": {"recipe": HeadRecipe(heads=100)},
    "paper small": {"recipe": HeadRecipe(heads=200, samples=20)},
}
"""Hyperparameters by profile and architecture of the attacks that train heads; elsewhere the defaults."""


def spread(total: int, classes: list[int]) -> list[int]:
    """Return `total` class indices that repeat `classes` as evenly as possible."""
    return [classes[i % len(classes)] for i in range(total)]


def plan(access: WhiteBoxWithSamples, heads: int) -> tuple[Ints, Ints]:
    """Return source (m,) and label (m,) of the heads to train under the access's protocol (see HeadEvidence)."""
    if access.known_forgotten:
        retained = sorted(set(range(access.classes)) - access.known_forgotten)
        sources = spread(heads, retained) + spread(heads, sorted(access.known_forgotten))
        return np.array(sources), np.repeat([0, 1], heads)
    candidates = np.array(spread(-(-heads // access.classes) * access.classes, list(range(access.classes))))
    labels = np.where(np.isin(candidates, list(access.known_retained)), 0, -1)
    return np.append(candidates, np.full(heads, -1)), np.append(labels, np.ones(heads, dtype=np.int64))


def auxiliary_heads(
    access: WhiteBoxWithSamples, recipe: HeadRecipe, *, generator: torch.Generator
) -> tuple[Ints, Ints, Heads]:
    """Train the auxiliary heads M_r' and M_f' on frozen features of the target model (paper, section IV-A1).

    Each head sees `recipe.samples` samples of one class. Under the `paper` protocol half of the heads come from
    retained classes and half from forgotten ones, labelled so. Under the `attacker` protocol every class is a
    candidate; heads on known retained classes are labelled 0, and as many heads on unrelated images (given a
    uniformly drawn class) 1. Returns source and label as in HeadEvidence, and the heads; ValueError if a class of the
    pool has fewer samples than a head needs.
    """
    source, label = plan(access, recipe.heads)
    pool = classifier.extract_features(access.model, access.pool.images)
    unrelated = classifier.extract_features(access.model, access.unrelated)
    members = {int(c): torch.nonzero(access.pool.labels == int(c)).flatten() for c in set(source.tolist()) - {-1}}
    for c, found in members.items():
        valid = f"at most {len(found)}, the attacker pool's samples of class {c}"
        require(len(found) >= recipe.samples, "samples", recipe.samples, valid)
    require(
        len(unrelated) >= recipe.samples, "samples", recipe.samples, f"at most {len(unrelated)}, the unrelated images"
    )
    members[-1] = torch.arange(len(unrelated))
    chosen = [_choose(members[int(c)], recipe.samples, generator) for c in source]
    phi = torch.stack([(pool if c >= 0 else unrelated)[index] for c, index in zip(source, chosen, strict=True)])
    drawn = torch.randint(access.classes, (len(source),), generator=generator)
    labels = torch.where(torch.from_numpy(source) >= 0, torch.from_numpy(source), drawn)[:, None].expand(
        -1, recipe.samples
    )
    start = recipe.draw_start(len(source), access.classes, phi.shape[2], generator)
    start = Heads(start.weight.to(phi.device), start.bias.to(phi.device))
    heads = fit_heads(phi, labels.to(phi.device), start, steps=recipe.steps, lr=recipe.lr, momentum=recipe.momentum)
    return source, label, heads


def _choose(members: Tensor, n: int, generator: torch.Generator) -> Tensor:
    return members[torch.randperm(len(members), generator=generator)[:n]]
