"""Never answer with a forgotten class: its probability is zero."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from labelleak_lib.defences.answers import AnswerDefence
from labelleak_lib.registry import DEFENCES


@DEFENCES.register("mask")
@dataclass(frozen=True)
class Mask(AnswerDefence):
    """Set the forgotten classes' probabilities to 0 and divide the others by their sum, p_c / (1 - sum_F p_j).

    What a provider does who hides an output and thinks it gone. The zero is the one number that no softmax gives: who
    knows the defence looks for a class that is answered with exactly 0 each time.
    """

    title: ClassVar[str] = "masked output"
    order: ClassVar[int] = 11
    adaptive: ClassVar[tuple[str, ...]] = ("always_zero",)

    def change(self, log_p: Tensor, forgotten: Tensor) -> Tensor:
        """Return the softmax over the retained classes; exactly 0 for the others."""
        return log_p.masked_fill(forgotten, -float("inf")).softmax(dim=1)
