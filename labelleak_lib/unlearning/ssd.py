"""SSD: dampen the parameters that matter more to the forget set than to the training set."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator

from labelleak_lib.checks import require_int, require_number
from labelleak_lib.data.samples import Samples, join
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.registry import METHODS
from labelleak_lib.unlearning.descent import finished
from labelleak_lib.unlearning.importance import importance


@METHODS.register("SSD")
@dataclass(frozen=True)
class SelectiveSynapticDampening:
    """Selective synaptic dampening (Foster, Schoepf and Brintrup, AAAI 2024); no step is taken.

    With I_f and I the squared gradients on D_f and on D = D_r + D_f: where I_f > alpha I, theta becomes
    theta min(lambda I / I_f, 1). Theirs: the equation, alpha 10 and lambda 1 for ResNet18, gradients of whole batches
    of 64 (the paper's Fisher information is that of single samples). Ours: other alpha for small networks.

    Parameters
    ----------
    alpha : float
        How many times more a parameter must matter to D_f than to D to be dampened.
    dampening : float
        Their lambda: how much of it is left.
    batch_size : int
        Samples whose mean gradient is squared; 1 gives the Fisher information's diagonal.
    """

    alpha: float = 10.0
    dampening: float = 1.0
    batch_size: int = 64
    title: ClassVar[str] = "selective synaptic dampening"
    order: ClassVar[int] = 6
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"alpha": 2.0, "batch_size": 8},
        "lenet": {"alpha": 5.0, "batch_size": 8},
    }

    def __post_init__(self) -> None:
        require_number("alpha", self.alpha, above=0)
        require_number("dampening", self.dampening, above=0)
        require_int("batch_size", self.batch_size, low=1)

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a dampened copy of `original`; both sets are read."""
        model = copy.deepcopy(original)
        matters = [importance(model, s, self.batch_size, generator=generator) for s in (forget, join(retain, forget))]
        with torch.no_grad():
            for parameter, on_forget, on_all in zip(model.parameters(), *matters, strict=True):
                factor = (self.dampening * on_all / on_forget).clamp(max=1)
                parameter.copy_(torch.where(on_forget > self.alpha * on_all, parameter * factor, parameter))
        return finished(model)
