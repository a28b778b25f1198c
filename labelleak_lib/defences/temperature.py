"""Answer with flatter probabilities."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from labelleak_lib.checks import require_number
from labelleak_lib.defences.answers import AnswerDefence
from labelleak_lib.registry import DEFENCES


@DEFENCES.register("temperature")
@dataclass(frozen=True)
class Temperature(AnswerDefence):
    """Divide the logits by a temperature T before the softmax, p_c^(1/T) / sum_j p_j^(1/T).

    Every margin between two classes' log-probabilities is divided by T, so that relative reach does not change at all.

    Parameters
    ----------
    value : float
        T; above 1 the answers are flatter.
    """

    value: float = 10.0
    title: ClassVar[str] = "temperature"
    order: ClassVar[int] = 15
    adaptive: ClassVar[tuple[str, ...]] = ("passive_answers",)

    def __post_init__(self) -> None:
        require_number("value", self.value, above=0)

    def change(self, log_p: Tensor, forgotten: Tensor) -> Tensor:
        """Return the softmax at the temperature."""
        return (log_p / self.value).softmax(dim=1)
