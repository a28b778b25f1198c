"""Defences that leave the model as it is and change what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from labelleak_lib.data.samples import Samples
from labelleak_lib.defences.rows import gone
from labelleak_lib.models.access import BlackBox
from labelleak_lib.models.classifier import Classifier, extract_features


@dataclass(frozen=True, eq=False)
class Answers:
    """A query function: what a provider offers that publishes answers and no model.

    Parameters
    ----------
    model : Classifier
        Answers, behind the change.
    change : callable
        Maps log-probabilities, float64 (n, C), to the probabilities that are answered, (n, C).
    """

    model: Classifier
    change: Callable[[Tensor], Tensor]

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Return the answers to float `images` (n, channels, side, side) in [0, 1]: float32 (n, C)."""
        logits = self.model.head(extract_features(self.model, images, batch_size=2048))
        return self.change(torch.log_softmax(logits.double(), dim=1)).float()

    def box(self, *, labels_only: bool = False, budget: int | None = None) -> BlackBox:
        """Return the black box around these answers."""
        spec = self.model.spec
        return BlackBox(self, spec.classes, spec.shape, labels_only=labels_only, budget=budget)


Published = Classifier | Answers
"""What a provider offers: the model, or a query function alone."""


class AnswerDefence(ABC):
    """A defence with one verb more, `change`, which says what is answered in place of each probability vector."""

    publishes: ClassVar[str] = "answers"

    @abstractmethod
    def change(self, log_p: Tensor, forgotten: Tensor) -> Tensor:
        """Return the answers (n, C) to inputs whose log-probabilities are `log_p`, float64 (n, C).

        `forgotten` is bool (C,). Each row of answers is at least 0, with the sum 1.
        """

    def defend(self, model: Classifier, retain: Samples, forget: Samples, *, generator: torch.Generator) -> Answers:
        """Return the query function to publish; no random number is drawn."""
        return Answers(model, partial(self.change, forgotten=gone(model, forget)))
