"""BE: move the forget set into a shadow class, and take the shadow class away."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, nn

from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.registry import METHODS
from labelleak_lib.unlearning.descent import Descent, device_of, finished, placed


def widened(head: nn.Linear, generator: Generator) -> nn.Linear:
    """Return `head` with one more output, whose weights and bias are drawn as torch draws those of a linear layer."""
    wide = nn.utils.skip_init(nn.Linear, head.in_features, head.out_features + 1).to(head.weight)
    bound = head.in_features**-0.5
    drawn = bound * (2 * torch.rand((head.in_features + 1,), generator=generator) - 1)
    with torch.no_grad():
        wide.weight.copy_(torch.cat([head.weight, drawn[None, 1:].to(head.weight)]))
        wide.bias.copy_(torch.cat([head.bias, drawn[:1].to(head.bias)]))
    return wide


def pruned(head: nn.Linear, outputs: int) -> nn.Linear:
    """Return the first `outputs` outputs of `head`."""
    narrow = nn.utils.skip_init(nn.Linear, head.in_features, outputs).to(head.weight)
    with torch.no_grad():
        narrow.weight.copy_(head.weight[:outputs])
        narrow.bias.copy_(head.bias[:outputs])
    return narrow


@METHODS.register("BE")
@dataclass(frozen=True)
class BoundaryExpand(Descent):
    """Boundary expanding (Chen, Gao, Liu, Peng and Wang, CVPR 2023).

    The head gets a shadow class C beside its classes 0 .. C - 1, cross-entropy to C descends on D_f alone, and the
    shadow's row is pruned, so that the model has C outputs again. (Some public copies leave C + 1.) Theirs: all of
    this, with SGD of momentum 0.9 and 10 passes. Ours: rates for small networks (theirs is 1e-5), and batch norm's
    running averages stay M_o's.
    """

    title: ClassVar[str] = "boundary expanding"
    order: ClassVar[int] = 12
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"lr": 0.003, "epochs": 20},
        "lenet": {"lr": 0.003, "epochs": 1, "min_steps": 20},
    }

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a copy of `original` that once gave `forget` to a class that is gone; `retain` is not read."""
        model, classes = copy.deepcopy(original).eval(), original.head.out_features
        model.head = widened(model.head, generator)
        optimiser, device = self.optimiser_of(model), device_of(model)
        for _ in self.passes(forget):
            for index in self.one_pass(forget, generator):
                images, labels = placed(forget, index, device)
                self.step(optimiser, nn.functional.cross_entropy(model(images), torch.full_like(labels, classes)))
        model.head = pruned(model.head, classes)
        return finished(model)
