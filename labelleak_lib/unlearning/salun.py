"""SalUn: random labels for the forget set, but only the weights that matter to it may move."""

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
from labelleak_lib.unlearning.random_label import draw_wrong_labels


def salient(model: Classifier, forget: Samples, share: float, batch_size: int) -> list[Tensor]:
    """Return, by parameter, the mask of the `share` of all weights whose loss on `forget` has the steepest slope."""
    parameters, device = list(model.parameters()), device_of(model)
    total = [torch.zeros_like(parameter) for parameter in parameters]
    with evaluation_mode(model):
        for index in torch.arange(len(forget)).split(batch_size):
            images, labels = placed(forget, index, device)
            loss = nn.functional.cross_entropy(model(images), labels, reduction="sum")
            for whole, gradient in zip(total, torch.autograd.grad(loss, parameters), strict=True):
                whole.add_(gradient)
    slope = torch.cat([whole.abs().flatten() for whole in total])
    chosen = torch.zeros_like(slope, dtype=torch.bool)
    chosen[slope.argsort(descending=True, stable=True)[: round(share * len(slope))]] = True
    parts = chosen.split([whole.numel() for whole in total])
    return [part.view(whole.shape) for part, whole in zip(parts, total, strict=True)]


@METHODS.register("SalUn")
@dataclass(frozen=True)
class SaliencyUnlearning(Descent):
    """Saliency unlearning (Fan, Liu, Zhang, Wong, Wei and Liu, ICLR 2024).

    The mask holds the `share` of weights whose sum over D_f of the cross-entropy's gradient, at M_o, is the largest in
    absolute value. Then every pass trains with cross-entropy on D_f under random labels, drawn anew each time, and on
    D_r; weights outside the mask keep M_o's values to the bit, whatever momentum and weight decay want. Theirs: mask,
    order, 10 passes, SGD at rate 0.013 with momentum 0.9 and weight decay 5e-4, share 0.5, weights put back after every
    step (since the corrected code of February 2026). Ours: random labels are those of retained classes (theirs may be
    the true one), and batch norm's running averages do not see D_f's batches.

    Parameters
    ----------
    share : float
        Share of the weights that may move, in [0, 1].
    """

    lr: float = 0.013
    weight_decay: float = 5e-4
    share: float = 0.5
    title: ClassVar[str] = "SalUn"
    order: ClassVar[int] = 7
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"lr": 0.03, "share": 0.5},
        "lenet": {"lr": 0.01, "share": 0.5, "epochs": 1, "min_steps": 100},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("share", self.share, low=0, high=1)

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a copy of `original`, moved within the mask on `forget` and `retain`."""
        retained = retain.labels.unique()
        require(len(retained) > 0, "retain", "empty", "at least one labelled image")
        model = copy.deepcopy(original)
        masks, start = salient(model, forget, self.share, self.batch_size), copy.deepcopy(list(model.parameters()))
        optimiser, device = self.optimiser_of(model), device_of(model)

        def pass_over(samples: Samples) -> None:
            for index in self.one_pass(samples, generator):
                images, labels = placed(samples, index, device)
                self.step(optimiser, nn.functional.cross_entropy(model(images), labels))
                _put_back(model, optimiser, masks, start)

        for _ in self.passes(retain):
            wrong = Samples(forget.images, draw_wrong_labels(len(forget), retained, generator))
            model.eval()
            pass_over(wrong)
            model.train()
            pass_over(retain)
        return finished(model)


@torch.no_grad()
def _put_back(
    model: Classifier, optimiser: torch.optim.Optimizer, masks: list[Tensor], start: list[nn.Parameter]
) -> None:
    """Give the weights outside the masks their first values, and let the optimiser keep no momentum for them."""
    for parameter, mask, before in zip(model.parameters(), masks, start, strict=True):
        parameter.copy_(torch.where(mask, parameter, before))
        for value in optimiser.state[parameter].values():
            if isinstance(value, Tensor) and value.shape == mask.shape:
                value.mul_(mask)
