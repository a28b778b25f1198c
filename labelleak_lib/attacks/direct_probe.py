"""Classify the attacker's own samples."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from labelleak_lib.evidence import Evidence
from labelleak_lib.models import classifier
from labelleak_lib.models.access import WhiteBoxWithSamples
from labelleak_lib.registry import ATTACKS


@ATTACKS.register("direct_probe")
@dataclass(frozen=True)
class DirectProbe:
    """Classify the attacker's own samples: the same knowledge as the parameter attacks, and no auxiliary head."""

    title: ClassVar[str] = "direct probe"
    order: ClassVar[int] = 22
    access_kind: ClassVar[str] = "white_box_with_samples"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("above_half", "two_means")

    def evidence(self, access: WhiteBoxWithSamples, *, generator: torch.Generator) -> Evidence:
        """Return 1 - accuracy of the target on each class of the pool."""
        right = classifier.predict_proba(access.model, access.pool.images).argmax(1).cpu() == access.pool.labels
        accuracy = [right[access.pool.labels == c].double().mean() for c in range(access.classes)]
        return Evidence("direct_probe", access.classes, 1 - np.array(accuracy))
