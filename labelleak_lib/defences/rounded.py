"""Answer with probabilities of few digits."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from labelleak_lib.checks import require_int
from labelleak_lib.defences.answers import AnswerDefence
from labelleak_lib.registry import DEFENCES


@DEFENCES.register("rounded")
@dataclass(frozen=True)
class Rounded(AnswerDefence):
    """Round every probability but the highest down to `digits` decimals; the highest gets what is left to 1.

    So all have so many decimals, their sum is 1, and the label is the same.

    Parameters
    ----------
    digits : int
        Decimals.
    """

    digits: int = 2
    title: ClassVar[str] = "rounded"
    order: ClassVar[int] = 14
    adaptive: ClassVar[tuple[str, ...]] = ("passive_answers",)

    def __post_init__(self) -> None:
        require_int("digits", self.digits, low=1, high=12)

    def change(self, log_p: Tensor, forgotten: Tensor) -> Tensor:
        """Return the rounded probabilities."""
        p, scale = log_p.exp(), 10.0**self.digits
        index = p.argmax(1, keepdim=True)
        others = (p * scale).floor().scatter(1, index, 0.0)
        return others.scatter(1, index, scale - others.sum(1, keepdim=True)) / scale
