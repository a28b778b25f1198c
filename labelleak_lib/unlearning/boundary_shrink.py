"""BS: hand every forgotten sample to the class on the other side of its nearest decision boundary."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from labelleak_lib.checks import require, require_number
from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier, evaluation_mode
from labelleak_lib.registry import METHODS
from labelleak_lib.unlearning.descent import Descent, device_of, finished, placed


def nearest_labels(model: Classifier, forget: Samples, bound: float, batch_size: int) -> Tensor:
    """Return, for each sample, the class across the nearest boundary: int64 (n,), none of them forgotten.

    A sample steps by `bound` along the sign of its loss's gradient, inside [0, 1]; the class is the most probable one
    there.
    """
    forgotten, device = forget.labels.unique(), device_of(model)
    require(len(forgotten) < model.spec.classes, "forget", "all classes", "a set that leaves one class retained")
    found = []
    with evaluation_mode(model):
        for index in torch.arange(len(forget)).split(batch_size):
            images, labels = placed(forget, index, device)
            images.requires_grad_(True)
            loss = nn.functional.cross_entropy(model(images), labels, reduction="sum")
            (slope,) = torch.autograd.grad(loss, images)
            with torch.no_grad():
                logits = model((images + bound * slope.sign()).clamp(0, 1))
            found.append(logits.index_fill(1, forgotten.to(device), -torch.inf).argmax(1).cpu())
    return torch.cat(found)


@METHODS.register("BS")
@dataclass(frozen=True)
class BoundaryShrink(Descent):
    """Boundary shrink (Chen, Gao, Liu, Peng and Wang, CVPR 2023).

    x' = x + bound sign(gradient of CE(M_o(x), y) with respect to x); the new label of x is the class of M_o at x'. Then
    cross-entropy to these labels descends on D_f alone. Theirs: the step with bound 0.1, SGD with momentum 0.9, 10
    passes. Ours: forgotten classes are no new label (theirs keep the true one where the step does not cross a
    boundary), rates for small networks (theirs is 1e-5), and batch norm's running averages stay M_o's.

    Parameters
    ----------
    bound : float
        Length of the step at every pixel, of values in [0, 1].
    """

    bound: float = 0.1
    title: ClassVar[str] = "boundary shrink"
    order: ClassVar[int] = 11
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"lr": 0.003, "bound": 0.1},
        "lenet": {"lr": 0.003, "bound": 0.1, "epochs": 5, "min_steps": 20},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("bound", self.bound, low=0, high=1)

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a copy of `original` that gives `forget` to its neighbours; `retain` is not read."""
        require(len(forget) > 0, "forget", "empty", "at least one labelled image")
        across = Samples(forget.images, nearest_labels(original, forget, self.bound, self.batch_size))
        model = copy.deepcopy(original).eval()
        optimiser, device = self.optimiser_of(model), device_of(model)
        for _ in self.passes(across):
            for index in self.one_pass(across, generator):
                images, labels = placed(across, index, device)
                self.step(optimiser, nn.functional.cross_entropy(model(images), labels))
        return finished(model)
