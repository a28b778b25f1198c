"""LB-HR: train the last layer on with a penalty on forgotten biases below a bound."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from labelleak_lib.checks import require_number
from labelleak_lib.data.samples import Samples
from labelleak_lib.defences.descent import descend, require_descent
from labelleak_lib.defences.rows import gone
from labelleak_lib.models.classifier import Classifier, extract_features
from labelleak_lib.registry import DEFENCES


@DEFENCES.register("lower_bound_hinge")
@dataclass(frozen=True)
class LowerBoundHinge:
    """Minimise CE(D_r) + weight * sum_F max(0, bound - b_c)^2 over the last layer (Zheng et al., 2026, LB-HR).

    After arXiv 2605.08730 and the authors' code, where it unlearns by itself, starting from M_o: only the last layer
    moves, by SGD at 0.1 with a weight decay of 5e-4, and the bound is -0.01. Ours: the weight and the number of steps,
    which neither states, and that it can follow any method.

    Parameters
    ----------
    steps, batch_size : int
        Steps, and samples of D_r a step.
    lr, weight_decay : float
        As in SGD; the rate falls to 0.
    bound : float
        Least bias that costs nothing.
    weight : float
        What a lower one costs; small, for with momentum a larger one throws a low bias far above the bound.
    """

    steps: int = 20_000
    batch_size: int = 128
    lr: float = 0.1
    weight_decay: float = 5e-4
    bound: float = -0.01
    weight: float = 0.01
    title: ClassVar[str] = "LB-HR"
    order: ClassVar[int] = 3
    unlearns: ClassVar[bool] = True
    adaptive: ClassVar[tuple[str, ...]] = ("row_distance", "row_norm", "row_typical", "gradient_reach")

    def __post_init__(self) -> None:
        require_descent(self.steps, self.lr, self.batch_size)
        require_number("weight_decay", self.weight_decay, low=0)
        require_number("bound", self.bound)
        require_number("weight", self.weight, low=0)

    def defend(self, model: Classifier, retain: Samples, forget: Samples, *, generator: torch.Generator) -> Classifier:
        """Return `model` with its last layer trained on; where nothing is forgotten, as it is."""
        forgotten = gone(model, forget)
        if not forgotten.any():
            return model
        # features do not move: they are computed once
        phi, labels = extract_features(model, retain.images), retain.labels.to(model.head.weight.device)

        def loss() -> torch.Tensor:
            index = torch.randint(len(labels), (self.batch_size,), generator=generator).to(labels.device)
            fit = torch.nn.functional.cross_entropy(model.head(phi[index]), labels[index])
            below = (self.bound - model.head.bias[forgotten]).clamp_min(0)
            return fit + self.weight * below.pow(2).sum()

        moved = model.head.parameters()
        return descend(
            model, loss, steps=self.steps, lr=self.lr, weight_decay=self.weight_decay, parameters=moved
        )  # fmt: skip
