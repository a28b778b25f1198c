"""Decoys whose row of the last layer keeps the size of the others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from labelleak_lib.checks import require_number
from labelleak_lib.defences.decoy import Decoy
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.registry import DEFENCES

WIDEST = 1.5
"""Deviations from the mean that a drawn size has at most: the retained rows, too, stay about within that."""


def sizes(model: Classifier) -> Tensor:
    """Return norm, sum over the root of the length, and bias of each row of the last layer: (3, C)."""
    rows = model.head.weight
    return torch.stack([rows.norm(dim=1), rows.sum(1) / rows.shape[1] ** 0.5, model.head.bias])


@DEFENCES.register("matched_decoy")
@dataclass(frozen=True)
class MatchedDecoy(Decoy):
    """As `Decoy`, with a penalty match * sum over F and sizes u of (u_f - mean_R(u) - z dev_R(u))^2.

    Sizes are norm, scaled sum and bias of a row; each z is drawn once from a normal law, so that a forgotten row is
    neither an outlier nor more typical than any other. Decoys are hard to learn and stretch a row otherwise, which
    whoever holds the parameters can read. Ours.

    Parameters
    ----------
    match : float
        Weight of the penalty.
    """

    match: float = 1.0
    title: ClassVar[str] = "matched decoys"
    order: ClassVar[int] = 8
    adaptive: ClassVar[tuple[str, ...]] = (
        *("other_inputs", "row_distance", "row_norm", "row_typical", "row_evenness"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("match", self.match, above=0)

    def penalty(
        self, model: Classifier, forgotten: Tensor, generator: torch.Generator
    ) -> Callable[[], Tensor | float]:  # fmt: skip
        """Return a function that says what wrong sizes of the forgotten rows cost."""
        drawn = torch.randn((3, int(forgotten.sum())), generator=generator).clamp(-WIDEST, WIDEST)
        drawn = drawn.to(model.head.weight)

        def cost() -> Tensor:
            now = sizes(model)
            kept = now[:, ~forgotten].detach()
            goal = kept.mean(1, keepdim=True) + drawn * kept.std(1, keepdim=True)
            return self.match * (now[:, forgotten] - goal).pow(2).sum()

        return cost
