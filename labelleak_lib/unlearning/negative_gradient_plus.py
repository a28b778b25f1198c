"""NegGrad+: descend on the retained data and climb on the forget set, both in every step."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Generator, nn

from labelleak_lib.checks import require_number
from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.registry import METHODS
from labelleak_lib.unlearning.descent import Descent, device_of, endless, finished, placed


# not "NG+": a plus in a code stands before a defence
@METHODS.register("NGP")
@dataclass(frozen=True)
class NegativeGradientPlus(Descent):
    """NegGrad+ (Kurmanji, Triantafillou, Hayes and Triantafillou, NeurIPS 2023).

    Every step descends alpha CE(batch of D_r) - (1 - alpha) CE(batch of D_f); a pass is one over D_r, and D_f's batches
    go round. Theirs: the loss, alpha 0.95, 10 passes at rate 0.01. Ours: the bound on the gradient's norm, and batch
    norm's running averages, which do not see D_f's batches.

    Parameters
    ----------
    alpha : float
        Weight of the retained data, in [0, 1].
    """

    alpha: float = 0.95
    title: ClassVar[str] = "NegGrad+"
    order: ClassVar[int] = 9
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"lr": 0.03, "alpha": 0.9, "clip_norm": 0.03, "batch_size": 32},
        "lenet": {"alpha": 0.9, "clip_norm": 0.01, "lr": 0.01, "epochs": 1, "min_steps": 900},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("alpha", self.alpha, low=0, high=1)

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a copy of `original` that descended on `retain` and climbed on `forget`."""
        model = copy.deepcopy(original)
        optimiser, device = self.optimiser_of(model), device_of(model)
        others = endless(self, forget, generator)
        for _ in self.passes(retain):
            for index in self.one_pass(retain, generator):
                losses = []
                for samples, batch, training in ((retain, index, True), (forget, next(others), False)):
                    images, labels = placed(samples, batch, device)
                    losses.append(nn.functional.cross_entropy(model.train(training)(images), labels))
                self.step(optimiser, self.alpha * losses[0] - (1 - self.alpha) * losses[1])
        return finished(model)
