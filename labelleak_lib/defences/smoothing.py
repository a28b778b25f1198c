"""Label smoothing: train on with a little of every class in each label."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from labelleak_lib.checks import require_number
from labelleak_lib.data.samples import Samples
from labelleak_lib.defences.descent import descend, draw, require_descent
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.registry import DEFENCES


@DEFENCES.register("smoothing")
@dataclass(frozen=True)
class Smoothing:
    """Minimise the cross-entropy on D_r with labels (1 - share) e_y + share / C (Szegedy et al., 2016).

    The forgotten classes have their part of every label, so that their logits are held at a finite distance below the
    others. A provider does this with every model, whether something was forgotten or not.

    Parameters
    ----------
    steps, batch_size : int
        Steps, and samples a step.
    lr : float
        Rate, which falls to 0.
    share : float
        What of each label is spread over all classes, in [0, 1).
    """

    steps: int = 800
    batch_size: int = 128
    lr: float = 0.05
    share: float = 0.1
    title: ClassVar[str] = "label smoothing"
    order: ClassVar[int] = 6
    adaptive: ClassVar[tuple[str, ...]] = ("passive_answers",)

    def __post_init__(self) -> None:
        require_descent(self.steps, self.lr, self.batch_size)
        require_number("share", self.share, low=0, high=0.99)

    def defend(self, model: Classifier, retain: Samples, forget: Samples, *, generator: torch.Generator) -> Classifier:
        """Return `model` trained on; `forget` is not read."""

        def loss() -> Tensor:
            images, labels = draw(retain, self.batch_size, generator, model.head.weight.device)
            return nn.functional.cross_entropy(model(images), labels, label_smoothing=self.share)

        return descend(model, loss, steps=self.steps, lr=self.lr)
