"""FF: drown what the retained data do not need in noise."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor

from labelleak_lib.checks import require, require_int, require_number
from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier, evaluation_mode
from labelleak_lib.registry import METHODS
from labelleak_lib.unlearning.descent import device_of, finished, placed

LARGEST, LARGEST_HEAD = 1e3, 1e2
"""Bounds on the inverse Fisher information, in the network and in the head."""
ROW_VARIANCE = 1e-4
"""Variance, before `STRETCH`, of a forgotten class's row, whose mean becomes 0."""
STRETCH = 10.0
"""Factor on the variance of the head and of biases."""


def fisher_information(model: Classifier, samples: Samples) -> list[Tensor]:
    """Return the diagonal of the Fisher information, parameter by parameter; labels are not read.

    The mean over samples of sum_y p(y|x) (d log p(y|x) / d theta)^2.
    """
    parameters, device = list(model.parameters()), device_of(model)
    total = [torch.zeros_like(parameter) for parameter in parameters]
    with evaluation_mode(model):
        for i in range(len(samples)):
            images, _ = placed(samples, torch.tensor([i]), device)
            logs = model(images).log_softmax(1)[0]
            for log in logs:
                gradients = torch.autograd.grad(log, parameters, retain_graph=True)
                for whole, gradient in zip(total, gradients, strict=True):
                    whole.add_(gradient.square(), alpha=float(log.detach().exp()) / len(samples))
    return total


@METHODS.register("FF")
@dataclass(frozen=True)
class FisherForgetting:
    """Fisher forgetting (Golatkar, Achille and Soatto, CVPR 2020).

    theta becomes theta + normal noise of variance alpha min(1 / F, bound), F being the diagonal of D_r's Fisher
    information. Theirs, from the code (the paper derives a variance in proportion to F^-1/2): this variance, its bounds
    1,000 and, in the head, 100, the mean of it over the input units of a layer, ten times of it for the head and for
    biases, the forgotten rows of the head drawn about 0 with variance 1e-3, and alpha 1e-6. Ours: a part of D_r, and
    alpha for small networks. Of D_f only the classes are read.

    Parameters
    ----------
    alpha : float
        Scale of the variance.
    samples : int
        Retained samples that the Fisher information is the mean over.
    """

    alpha: float = 1e-6
    samples: int = 200
    title: ClassVar[str] = "Fisher forgetting"
    order: ClassVar[int] = 15
    presets: ClassVar[dict[str, dict[str, Any]]] = {"small": {"alpha": 1e-06}, "lenet": {"alpha": 1e-08}}

    def __post_init__(self) -> None:
        require_number("alpha", self.alpha, low=0)
        require_int("samples", self.samples, low=1)

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a noisy copy of `original`; labels of `forget` are read, and images of `retain`."""
        require(len(retain) > 0, "retain", "empty", "at least one image")
        few = torch.randperm(len(retain), generator=generator)[: self.samples]
        information = fisher_information(original, Samples(retain.images[few], retain.labels[few]))
        model, forgotten = copy.deepcopy(original), forget.labels.unique()
        in_head = {id(parameter) for parameter in model.head.parameters()}
        with torch.no_grad():
            for parameter, fisher in zip(model.parameters(), information, strict=True):
                head = id(parameter) in in_head
                variance = self.alpha * (1 / (fisher + 1e-8)).clamp(max=LARGEST_HEAD if head else LARGEST)
                if variance.ndim > 1:
                    variance = variance.mean(1, keepdim=True).expand_as(variance).clone()
                if head:
                    variance[forgotten], parameter[forgotten] = ROW_VARIANCE, 0.0
                if head or variance.ndim == 1:
                    variance *= STRETCH
                noise = torch.randn(parameter.shape, generator=generator).to(parameter.device)
                parameter.add_(variance.sqrt() * noise)
        return finished(model)
