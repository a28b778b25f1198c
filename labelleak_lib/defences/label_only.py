"""Answer with the most probable class alone."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from labelleak_lib.defences.answers import AnswerDefence
from labelleak_lib.registry import DEFENCES


@DEFENCES.register("label_only")
@dataclass(frozen=True)
class LabelOnly(AnswerDefence):
    """Answer 1 for the most probable class and 0 for all others.

    It takes the probabilities from whoever uses the model, and from an attacker the search by probabilities. A class
    that is never the answer stays one.
    """

    title: ClassVar[str] = "labels alone"
    order: ClassVar[int] = 12
    adaptive: ClassVar[tuple[str, ...]] = ("passive_answers",)

    def change(self, log_p: Tensor, forgotten: Tensor) -> Tensor:
        """Return one-hot answers; of equal probabilities the first class is meant."""
        return torch.nn.functional.one_hot(log_p.argmax(1), log_p.shape[1]).double()
