"""Difference vectors w_u - w' between the target's last layer and auxiliary heads (paper, section IV-B1)."""

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


@ATTACKS.register("difference")
@dataclass(frozen=True)
class Difference:
    """Difference vectors of forgotten and retained classes are held to be separable.

    Parameters
    ----------
    recipe : HeadRecipe
        The auxiliary heads.
    """

    recipe: HeadRecipe = field(default_factory=HeadRecipe)
    access_kind: ClassVar[str] = "white_box_with_samples"
    per_protocol: ClassVar[bool] = True
    criteria: ClassVar[tuple[str, ...]] = ("decision_tree",)

    def __post_init__(self) -> None:
        require(isinstance(self.recipe, HeadRecipe), "recipe", self.recipe, "a HeadRecipe")

    def evidence(self, access: WhiteBoxWithSamples, *, generator: torch.Generator) -> Evidence:
        """Return each head's vector w_u - w'; a class's score is its heads' mean of `sum |w_u - w'|` (Figure 11)."""
        seed = generator.initial_seed() % 2**31
        source, label, heads = auxiliary_heads(access, self.recipe, generator=generator)
        difference = flat_head(access.model) - heads.flat()
        found = head_evidence(source, label, difference, difference)
        score = class_means(source, found.absolute_sum, access.classes)
        protocol = "paper" if access.known_forgotten else "attacker"
        return Evidence("difference", access.classes, score, protocol, seed, heads=found)
