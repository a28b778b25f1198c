"""NG: climb the loss on the forget set, within bounds."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from labelleak_lib.checks import require, require_int, require_number
from labelleak_lib.data.samples import Samples, to_input
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.evaluation import accuracy
from labelleak_lib.registry import METHODS


@METHODS.register("NG")
@dataclass(frozen=True)
class NegativeGradient:
    """Bounded gradient ascent on D_f (paper, section V-C; Liu et al., 2022).

    Unbounded ascent destroys the model, since the cross-entropy on D_f has no maximum. Here, as in its source, a
    penalty on retained samples holds the model in place while it climbs; besides, no sample's loss is raised beyond a
    ceiling, the gradient's norm is clipped, the accuracies on fixed subsets of D_f and D_r are watched every few
    steps, the ascent stops once the model no longer knows D_f, and steps that cost D_r more than `margin` are taken
    back and tried again at half the rate.

    Parameters
    ----------
    lr, clip_norm : float
        Step length, and largest gradient norm: parameters move by at most `lr * clip_norm` a step.
    batch_size : int
        Forget samples a step (and retained samples, where `keep` is positive).
    keep : float
        Weight of the cross-entropy on retained samples, which is descended; 0 is the bare ascent, which collapses the
        retained accuracy when several similar classes are forgotten.
    ceiling : float
        Cross-entropy in nats up to which a forgotten sample's loss is raised.
    max_steps, check_every : int
        Largest number of ascent steps, and steps between two looks at the accuracies.
    target : float
        Accuracy on D_f, in [0, 1], at which the ascent stops.
    margin : float
        Loss of accuracy on D_r, in [0, 1], beyond which steps are taken back.
    monitor : int
        Samples of each set that the looks use.
    """

    lr: float = 0.01
    clip_norm: float = 1.0
    batch_size: int = 128
    keep: float = 1.0
    ceiling: float = 6.0
    max_steps: int = 400
    check_every: int = 2
    target: float = 0.01
    margin: float = 0.02
    monitor: int = 1000
    title: ClassVar[str] = "negative gradient"
    order: ClassVar[int] = 4
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"lr": 0.02, "batch_size": 256, "keep": 20.0},
        "lenet": {"lr": 0.03, "batch_size": 256, "keep": 5.0, "margin": 0.035},
        "resnet18": {"lr": 0.02, "batch_size": 64, "keep": 10.0, "check_every": 4, "margin": 0.03, "monitor": 400},
    }

    def __post_init__(self) -> None:
        require_number("lr", self.lr, above=0)
        require_number("clip_norm", self.clip_norm, above=0)
        require_number("keep", self.keep, low=0)
        require_number("ceiling", self.ceiling, above=0)
        for name in ("batch_size", "max_steps", "check_every", "monitor"):
            require_int(name, getattr(self, name), low=1)
        require(self.check_every <= self.max_steps, "check_every", self.check_every, f"at most {self.max_steps}")
        require_number("target", self.target, low=0, high=1)
        require_number("margin", self.margin, low=0, high=1)

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a copy of `original` after bounded ascent on `forget`, held in place and watched on `retain`."""
        require(len(forget) > 0, "forget", "empty", "at least one labelled image")
        # eval mode: batch statistics of forgotten images alone would overwrite batch-norm's running averages
        model = copy.deepcopy(original).eval()
        watched_f, watched_r = (_subset(s, self.monitor, generator) for s in (forget, retain))
        floor = accuracy(model, watched_r) - self.margin
        safe, lr = copy.deepcopy(model.state_dict()), self.lr
        for step in range(1, self.max_steps + 1):
            model.zero_grad(set_to_none=True)
            climbed = _losses(model, _subset(forget, self.batch_size, generator)).clamp_max(self.ceiling)
            (-climbed.mean()).backward()
            if self.keep > 0:
                (self.keep * _losses(model, _subset(retain, self.batch_size, generator)).mean()).backward()
            nn.utils.clip_grad_norm_(model.parameters(), self.clip_norm)
            _descend(model, lr)
            if step % self.check_every:
                continue
            if accuracy(model, watched_r) < floor:
                model.load_state_dict(safe)
                lr /= 2
            elif accuracy(model, watched_f) <= self.target:
                break
            else:
                safe = copy.deepcopy(model.state_dict())
        else:
            model.load_state_dict(safe)
        model.zero_grad(set_to_none=True)
        return model


def _losses(model: Classifier, samples: Samples) -> Tensor:
    device = next(model.parameters()).device
    logits = model(to_input(samples.images.to(device)))
    return nn.functional.cross_entropy(logits, samples.labels.to(device), reduction="none")


@torch.no_grad()
def _descend(model: Classifier, lr: float) -> None:
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.sub_(parameter.grad, alpha=lr)


def _subset(samples: Samples, n: int, generator: Generator) -> Samples:
    index = torch.randperm(len(samples), generator=generator)[:n]
    return Samples(samples.images[index], samples.labels[index])
