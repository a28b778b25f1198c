"""L1: fine-tune on the retained data under a fading pull of all weights towards zero."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, nn

from labelleak_lib.checks import require_number
from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.registry import METHODS
from labelleak_lib.unlearning.descent import Descent, device_of, finished, placed


@METHODS.register("L1")
@dataclass(frozen=True)
class L1Sparse(Descent):
    """l1-sparse unlearning (Jia, Liu, Ram, Yao, Liu, Liu, Sharma and Liu, NeurIPS 2023).

    Pass t of T descends CE(D_r) + gamma (1 - t / T) ||theta||_1. Theirs: the loss with the fading weight, 10 passes of
    SGD at rate 0.01 with momentum 0.9 and weight decay 5e-4. Ours: gamma for small networks.

    Parameters
    ----------
    gamma : float
        Weight of the penalty in the first pass.
    """

    weight_decay: float = 5e-4
    gamma: float = 5e-4
    title: ClassVar[str] = "l1-sparse fine-tuning"
    order: ClassVar[int] = 14
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"lr": 0.1, "gamma": 0.002, "min_steps": 300},
        "lenet": {"lr": 0.01, "gamma": 0.001, "epochs": 4},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("gamma", self.gamma, low=0)

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a fine-tuned, sparser copy of `original`; `forget` is not read."""
        model = copy.deepcopy(original).train()
        optimiser, device = self.optimiser_of(model), device_of(model)
        passes = self.passes(retain)
        for t in passes:
            weight = self.gamma * (1 - t / len(passes))
            for index in self.one_pass(retain, generator):
                images, labels = placed(retain, index, device)
                length = torch.stack([parameter.abs().sum() for parameter in model.parameters()]).sum()
                self.step(optimiser, nn.functional.cross_entropy(model(images), labels) + weight * length)
        return finished(model)
