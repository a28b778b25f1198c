"""SFRon: short salient ascents on the forget set, each followed by steps on the retained data."""

import copy
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from labelleak_lib.checks import require_int, require_number
from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.registry import METHODS
from labelleak_lib.unlearning.descent import Descent, device_of, endless, finished, placed
from labelleak_lib.unlearning.importance import importance

TINY = 1e-15


def adaptive(losses: Tensor, exponent: float) -> Tensor:
    """Return the mean of `losses` (n,), each weighed in proportion to loss^-exponent; weights have the mean 1.

    >>> adaptive(torch.tensor([1.0, 4.0]), 0.0), adaptive(torch.tensor([1.0, 4.0]), 0.5)
    (tensor(2.5000), tensor(2.))
    """
    weights = 1 / (losses.detach() ** exponent + TINY)
    return (losses * weights / weights.mean()).mean()


@METHODS.register("SFRon")
@dataclass(frozen=True)
class SfrOn(Descent):
    """Saliency forgetting in the remain-preserving manifold (Huang, Cheng, Zheng et al., NeurIPS 2024).

    Of the steps t = 0 .. T - 1, each descends CE(D_r); before every `forget_every`-th, one climbs on D_f the mean of
    w CE, w in proportion to CE^-exponent, times forget_weight (1 + cos(pi t / T)) / 2, along the weights whose squared
    gradient on D_f is at least `threshold` times that on D_r. The rate falls along the same cosine. Theirs: all of
    this, 1,500 steps, rate 0.01, momentum 0.9 and weight decay 5e-4 of one optimiser (which moves the other weights a
    little, too), weight 25, exponent 0.5, threshold 1, the ascents' gradients clipped at norm 7. (Their running mean of
    the weights has a decay at which it is none.) Ours: passes over D_r in place of steps, `clip_norm` for all steps,
    and batch norm's running averages, which do not see D_f's batches.

    Parameters
    ----------
    forget_every : int
        Retain steps to one forget step.
    forget_weight, exponent, threshold : float
        Scale of the ascent, how much weaker samples with a large loss count, and the least ratio of importances.
    """

    epochs: int = 5
    weight_decay: float = 5e-4
    clip_norm: float = 7.0
    forget_every: int = 5
    forget_weight: float = 25.0
    exponent: float = 0.5
    threshold: float = 1.0
    title: ClassVar[str] = "SFR-on"
    order: ClassVar[int] = 17
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"lr": 0.03, "clip_norm": 0.03, "forget_every": 1, "batch_size": 32, "min_steps": 600},
        "lenet": {"lr": 0.03, "clip_norm": 0.03, "forget_every": 1, "epochs": 1, "min_steps": 300},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require_int("forget_every", self.forget_every, low=1)
        require_number("forget_weight", self.forget_weight, low=0)
        require_number("exponent", self.exponent, low=0)
        require_number("threshold", self.threshold, low=0)

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a copy of `original` that climbed on `forget` and descended on `retain`."""
        model = copy.deepcopy(original)
        matters = [importance(model, s, self.batch_size, generator=generator) for s in (forget, retain)]
        ratios = [(f + TINY) / (r + TINY) for f, r in zip(*matters, strict=True)]
        masks = {p: ratio >= self.threshold for p, ratio in zip(model.parameters(), ratios, strict=True)}
        optimiser, device = self.optimiser_of(model), device_of(model)
        batches = [list(self.one_pass(retain, generator)) for _ in self.passes(retain)]
        order, others = [index for part in batches for index in part], endless(self, forget, generator)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=len(order))
        for t, index in enumerate(order):
            if t % self.forget_every == 0:
                images, labels = placed(forget, next(others), device)
                losses = nn.functional.cross_entropy(model.eval()(images), labels, reduction="none")
                fading = self.forget_weight * (1 + math.cos(math.pi * t / len(order))) / 2
                self.step(optimiser, -fading * adaptive(losses, self.exponent), masks)
            images, labels = placed(retain, index, device)
            self.step(optimiser, nn.functional.cross_entropy(model.train()(images), labels))
            schedule.step()
        return finished(model)
