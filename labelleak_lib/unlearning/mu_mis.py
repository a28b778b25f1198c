"""MUMis: make the model less sensitive to the forgotten class's inputs, and more so on behalf of others."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor

from labelleak_lib.checks import require, require_number
from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.registry import METHODS
from labelleak_lib.unlearning.descent import Descent, device_of, finished, placed
from labelleak_lib.unlearning.random_label import draw_wrong_labels


def sensitivity(model: Classifier, images: Tensor, classes: Tensor) -> Tensor:
    """Return ||d z_c / d x||^2 of every image (n, ...) and the logit of its class in `classes` (n,): (n,)."""
    inputs = images.requires_grad_(True)
    logits = model(inputs).gather(1, classes[:, None]).sum()
    (slope,) = torch.autograd.grad(logits, inputs, create_graph=True)
    return slope.flatten(1).square().sum(1)


@METHODS.register("MUMis")
@dataclass(frozen=True)
class MinimisedSensitivity(Descent):
    """Unlearning by minimised input sensitivity (Cheng, Huang, Zhou et al., ICLR 2026).

    Descends, over D_f alone, the mean of ||dz_y / dx||^2 - contrast ||dz_c / dx||^2, with z the logits, y the true
    class and c another one, drawn anew in every step. Theirs: the loss, with contrast 1. Ours: c is a retained class;
    the bound on the gradient's norm (the loss has no minimum); passes and rates; batch norm's running averages stay
    M_o's.

    Parameters
    ----------
    contrast : float
        Weight of the other class's sensitivity.
    """

    contrast: float = 1.0
    title: ClassVar[str] = "MU-Mis"
    order: ClassVar[int] = 18
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"lr": 0.002, "min_steps": 35, "contrast": 0.5},
        "lenet": {"lr": 0.001, "epochs": 1, "min_steps": 30, "contrast": 0.5},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("contrast", self.contrast, low=0)

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a copy of `original` that is less sensitive to `forget`; `retain` is not read."""
        gone = set(forget.labels.tolist())
        retained = torch.tensor([c for c in range(original.spec.classes) if c not in gone])
        require(len(retained) > 0, "forget", "all classes", "a set that leaves one class retained")
        model = copy.deepcopy(original).eval()
        optimiser, device = self.optimiser_of(model), device_of(model)
        for _ in self.passes(forget):
            for index in self.one_pass(forget, generator):
                images, labels = placed(forget, index, device)
                others = draw_wrong_labels(len(index), retained, generator).to(device)
                own, other = (sensitivity(model, images, classes) for classes in (labels, others))
                self.step(optimiser, (own - self.contrast * other).mean())
        return finished(model)
