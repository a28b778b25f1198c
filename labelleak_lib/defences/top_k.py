"""Answer with the few highest probabilities alone."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from labelleak_lib.checks import require_int
from labelleak_lib.defences.answers import AnswerDefence
from labelleak_lib.registry import DEFENCES


@DEFENCES.register("top_k")
@dataclass(frozen=True)
class TopK(AnswerDefence):
    """Answer with the `k` highest probabilities; what is left over is spread evenly over the other classes.

    Parameters
    ----------
    k : int
        Number of probabilities that stay. With as many as there are classes, nothing changes.
    """

    k: int = 3
    title: ClassVar[str] = "highest probabilities"
    order: ClassVar[int] = 13
    adaptive: ClassVar[tuple[str, ...]] = ("passive_answers",)

    def __post_init__(self) -> None:
        require_int("k", self.k, low=1)

    def change(self, log_p: Tensor, forgotten: Tensor) -> Tensor:
        """Return `k` probabilities of each row as they are, and the mean of the others in their place."""
        p, others = log_p.exp(), log_p.shape[1] - self.k
        if others <= 0:
            return p
        kept, index = p.topk(self.k, dim=1)
        rest = (1 - kept.sum(1, keepdim=True)).clamp_min(0) / others
        return rest.expand_as(p).clone().scatter_(1, index, kept)
