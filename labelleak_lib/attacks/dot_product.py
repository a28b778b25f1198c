"""Dot products <w_u, w'> of the target's last layer with auxiliary heads (paper, IV-A1, equations 16 and 17)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from labelleak_lib.access import WhiteBoxWithSamples
from labelleak_lib.attacks.heads import HeadRecipe, auxiliary_heads, class_means, head_evidence
from labelleak_lib.checks import require
from labelleak_lib.evidence import Evidence
from labelleak_lib.models.classifier import flat_head
from labelleak_lib.registry import ATTACKS


@ATTACKS.register("dot_product")
@dataclass(frozen=True)
class DotProduct:
    """A low <w_u, w'> speaks for a forgotten class.

    Parameters
    ----------
    recipe : HeadRecipe
        The auxiliary heads.
    """

    recipe: HeadRecipe = field(default_factory=HeadRecipe)
    access_kind: ClassVar[str] = "white_box_with_samples"
    per_protocol: ClassVar[bool] = True
    criteria: ClassVar[tuple[str, ...]] = ("youden", "kmeans")

    def __post_init__(self) -> None:
        require(isinstance(self.recipe, HeadRecipe), "recipe", self.recipe, "a HeadRecipe")

    def evidence(self, access: WhiteBoxWithSamples, *, generator: torch.Generator) -> Evidence:
        """Return each head's dot product with w_u; a class's score is minus its heads' mean."""
        seed = generator.initial_seed() % 2**31
        source, label, heads = auxiliary_heads(access, self.recipe, generator=generator)
        target, flat = flat_head(access.model), heads.flat()
        found = head_evidence(source, label, (flat @ target)[:, None], target - flat)
        score = -class_means(source, found.vectors[:, 0], access.classes)
        protocol = "paper" if access.known_forgotten else "attacker"
        return Evidence("dot_product", access.classes, score, protocol, seed, heads=found)
