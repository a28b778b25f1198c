"""Dot products <w_u, w'> of the target's last layer with auxiliary heads (paper, IV-A1, equations 16 and 17)."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from labelleak_lib.attacks.heads import HEAD_PRESETS, HeadRecipe, auxiliary_heads
from labelleak_lib.checks import require
from labelleak_lib.evidence import Evidence, HeadEvidence
from labelleak_lib.models.access import WhiteBoxWithSamples
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
    title: ClassVar[str] = "dot product"
    order: ClassVar[int] = 0
    access_kind: ClassVar[str] = "white_box_with_samples"
    per_protocol: ClassVar[bool] = True
    criteria: ClassVar[tuple[str, ...]] = ("youden", "kmeans")
    presets: ClassVar[dict[str, dict[str, Any]]] = HEAD_PRESETS

    def __post_init__(self) -> None:
        require(isinstance(self.recipe, HeadRecipe), "recipe", self.recipe, "a HeadRecipe")

    def evidence(self, access: WhiteBoxWithSamples, *, generator: torch.Generator) -> Evidence:
        """Return each head's dot product with w_u; a class's score is minus its heads' mean."""
        source, label, heads = auxiliary_heads(access, self.recipe, generator=generator)
        target, flat = flat_head(access.model), heads.flat()
        products, distance = (flat @ target).double().cpu().numpy(), (target - flat).abs().sum(1).double().cpu().numpy()
        measured = HeadEvidence(source, label, products, distance)
        score = -measured.class_means(products, access.classes)
        return Evidence("dot_product", access.classes, score, access.protocol, heads=measured)
