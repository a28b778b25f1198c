"""Dummy classes: outputs that no sample ever had, among which a forgotten class is one more."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from labelleak_lib.checks import require_int
from labelleak_lib.data.samples import Samples
from labelleak_lib.defences.descent import descend, draw, require_descent
from labelleak_lib.defences.rows import with_head
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.registry import DEFENCES


@DEFENCES.register("surplus")
@dataclass(frozen=True)
class Surplus:
    """Add outputs without samples before anything is forgotten, and train on.

    A class that is retrained away has then been drawn, and pushed down, exactly as each of the m dummies was: a model
    from which k classes were retrained away has the same distribution whichever k of the k + m these are, and no attack
    on it names them with a probability above 1 / binomial(k + m, k). By another method the forgotten row comes from a
    trained one, and nothing of the kind holds. Names of dummies must be as good as names of classes. That one more
    output than before is out of reach still says that something was forgotten.

    Parameters
    ----------
    dummies : int
        m, outputs to add.
    steps, batch_size : int
        Steps, and samples a step.
    lr : float
        Rate, which falls to 0.
    """

    dummies: int = 5
    steps: int = 400
    batch_size: int = 128
    lr: float = 0.05
    title: ClassVar[str] = "dummy classes"
    order: ClassVar[int] = 9
    publishes: ClassVar[str] = "other outputs"
    before: ClassVar[bool] = True
    adaptive: ClassVar[tuple[str, ...]] = ("among_unreached", "row_among_unreached")

    def __post_init__(self) -> None:
        require_int("dummies", self.dummies, low=1)
        require_descent(self.steps, self.lr, self.batch_size)

    def defend(self, model: Classifier, retain: Samples, forget: Samples, *, generator: torch.Generator) -> Classifier:
        """Return a copy of `model` with more outputs, trained on; `forget` is not read.

        The new rows are drawn as torch draws a fresh layer's, uniformly within 1 / sqrt(d).
        """
        weight, bias = model.head.weight.detach(), model.head.bias.detach()
        bound = weight.shape[1] ** -0.5
        drawn = (2 * torch.rand((self.dummies, weight.shape[1] + 1), generator=generator) - 1) * bound
        drawn = drawn.to(weight)
        wide = with_head(model, torch.cat([weight, drawn[:, 1:]]), torch.cat([bias, drawn[:, 0]]))

        def loss() -> Tensor:
            images, labels = draw(retain, self.batch_size, generator, weight.device)
            return nn.functional.cross_entropy(wide(images), labels)

        return descend(wide, loss, steps=self.steps, lr=self.lr)
