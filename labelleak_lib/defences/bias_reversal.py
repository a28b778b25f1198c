"""TS-BGRM: ascend on the forget set with the retained biases' gradients reversed, then repair."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from labelleak_lib.checks import require_int, require_number
from labelleak_lib.data.samples import Samples
from labelleak_lib.defences.rows import gone
from labelleak_lib.models.checkpoints import require_finite
from labelleak_lib.models.classifier import Classifier, extract_features
from labelleak_lib.registry import DEFENCES


@DEFENCES.register("bias_reversal")
@dataclass(frozen=True)
class BiasReversal:
    """Two stages on the last layer: up the cross-entropy on D_f, then down that on D_r (Zheng et al., 2026, TS-BGRM).

    In the first, d/db_c of every retained class is multiplied by `factor`. At -1 the retained biases fall as the
    forgotten one does, in place of rising, so that none lies far below the others. After arXiv 2605.08730 and the
    authors' code, where it unlearns by itself, starting from M_o, by AdamW at 0.01 and then 0.001, with a weight decay
    of 1e-4. Ours: the factor, which is 1 by default in that code, where it reverses nothing; the numbers of steps, for
    the 8 passes over D_f that it takes destroy the networks of this book; and that it can follow any method.

    Parameters
    ----------
    ascent, repair : int
        Steps on D_f, and on D_r.
    batch_size : int
        Samples a step.
    ascent_lr, repair_lr : float
        Rates of AdamW.
    factor : float
        What the gradients of retained biases are multiplied by while ascending.
    """

    ascent: int = 20
    repair: int = 400
    batch_size: int = 128
    ascent_lr: float = 0.01
    repair_lr: float = 0.001
    factor: float = -1.0
    title: ClassVar[str] = "TS-BGRM"
    order: ClassVar[int] = 4
    unlearns: ClassVar[bool] = True
    adaptive: ClassVar[tuple[str, ...]] = ("row_distance", "row_norm", "row_typical", "gradient_reach")

    def __post_init__(self) -> None:
        for name in ("ascent", "repair", "batch_size"):
            require_int(name, getattr(self, name), low=1)
        require_number("ascent_lr", self.ascent_lr, above=0)
        require_number("repair_lr", self.repair_lr, above=0)
        require_number("factor", self.factor)

    def defend(self, model: Classifier, retain: Samples, forget: Samples, *, generator: torch.Generator) -> Classifier:
        """Return `model` with its last layer changed in two stages; where nothing is forgotten, as it is."""
        forgotten = gone(model, forget)
        if not forgotten.any():
            return model
        # one optimiser for both stages, as in the authors' code
        optimizer = torch.optim.AdamW(model.head.parameters(), self.ascent_lr, weight_decay=1e-4)
        stages = ((forget, self.ascent, self.ascent_lr, -1), (retain, self.repair, self.repair_lr, 1))
        for samples, steps, lr, sign in stages:
            phi, labels = extract_features(model, samples.images), samples.labels.to(forgotten.device)
            optimizer.param_groups[0]["lr"] = lr
            for _ in range(steps):
                index = torch.randint(len(labels), (self.batch_size,), generator=generator).to(labels.device)
                optimizer.zero_grad(set_to_none=True)
                (sign * torch.nn.functional.cross_entropy(model.head(phi[index]), labels[index])).backward()
                if sign < 0 and model.head.bias.grad is not None:
                    model.head.bias.grad[~forgotten] *= self.factor
                optimizer.step()
        model.zero_grad(set_to_none=True)
        require_finite(model)
        return model
