"""UNSIR: noise that M_o cannot tell from anything but the class impairs it, a little retained data repairs."""

import copy
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from labelleak_lib.checks import require, require_int, require_number
from labelleak_lib.data.samples import Samples, join, to_input
from labelleak_lib.models.classifier import Classifier, evaluation_mode
from labelleak_lib.registry import METHODS
from labelleak_lib.unlearning.descent import Descent, device_of, finished, placed


@METHODS.register("UNSIR")
@dataclass(frozen=True)
class Unsir(Descent):
    """Impair and repair by error-maximising noise (Tarun, Chundawat, Mandal and Kankanhalli, TNNLS 2023).

    For every forgotten class c a batch of noise z minimises -CE(M_o(z), c) + penalty mean ||z||^2 by Adam. The model is
    then trained on copies of the noise under the label c, together with a few samples of every retained class
    (impair), and on these samples alone (repair: `epochs` at `lr`). Theirs: all of this, 40 steps at rate 0.1, penalty
    0.1, 20 copies of 256 noises beside 8,000 samples, 1,000 a class, one pass of each at rates 0.02 and 0.01. Ours: the
    copies as a share; rates for small networks; inputs are 1/2 + z / 4, which the networks standardise to z. Of D_f
    only the classes are read.

    Parameters
    ----------
    impair_epochs, impair_lr
        As `epochs` and `lr`, of the impairment.
    samples : int
        Retained samples a class that are read.
    noise : int
        Inputs of noise a forgotten class.
    noise_share : float
        Copies of them a class, as a share of the retained samples that are read; each stands there at least once.
    noise_steps, noise_lr, penalty
        How the noise is found.
    """

    epochs: int = 1
    batch_size: int = 256
    optimiser: str = "adam"
    impair_epochs: int = 1
    impair_lr: float = 0.02
    samples: int = 1000
    noise: int = 256
    noise_share: float = 0.6
    noise_steps: int = 40
    noise_lr: float = 0.1
    penalty: float = 0.1
    title: ClassVar[str] = "UNSIR"
    order: ClassVar[int] = 13
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"impair_lr": 0.003, "lr": 0.01, "noise_share": 0.6, "epochs": 5},
        "lenet": {"impair_lr": 0.01, "lr": 0.003, "epochs": 2, "min_steps": 50},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("impair_epochs", "samples", "noise", "noise_steps"):
            require_int(name, getattr(self, name), low=1)
        require_number("impair_lr", self.impair_lr, above=0)
        require_number("noise_lr", self.noise_lr, above=0)
        require_number("penalty", self.penalty, low=0)
        require_number("noise_share", self.noise_share, low=0)

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a copy of `original`, impaired by noise and repaired on a part of `retain`."""
        require(len(retain) > 0, "retain", "empty", "at least one labelled image")
        few = _few_of_each(retain, self.samples, generator)
        noise = [self.noise_for(original, int(c), generator) for c in forget.labels.unique()]
        times = max(1, round(self.noise_share * len(few) / self.noise))
        copies = Samples(
            torch.cat([images for images in noise for _ in range(times)]),
            forget.labels.unique().repeat_interleave(self.noise * times),
        )
        model, shown = copy.deepcopy(original).train(), Samples(to_input(few.images), few.labels)
        impair = replace(self, epochs=self.impair_epochs, lr=self.impair_lr)
        for phase, taught in ((impair, join(shown, copies)), (self, shown)):
            optimiser, device = phase.optimiser_of(model), device_of(model)
            for _ in phase.passes(taught):
                for index in phase.one_pass(taught, generator):
                    images, labels = placed(taught, index, device)
                    phase.step(optimiser, nn.functional.cross_entropy(model(images), labels))
        return finished(model)

    def noise_for(self, model: Classifier, c: int, generator: Generator) -> Tensor:
        """Return inputs (noise, channels, side, side) that `model` gives to any class rather than to `c`."""
        drawn = torch.randn((self.noise, *model.spec.shape), generator=generator)
        z = drawn.to(device_of(model)).requires_grad_(True)
        optimiser, label = torch.optim.Adam([z], self.noise_lr), torch.full((self.noise,), c, device=z.device)
        with evaluation_mode(model):
            for _ in range(self.noise_steps):
                error = nn.functional.cross_entropy(model(_as_input(z)), label)
                (z.grad,) = torch.autograd.grad(self.penalty * z.square().flatten(1).sum(1).mean() - error, z)
                optimiser.step()
        return _as_input(z.detach()).cpu()


def _as_input(z: Tensor) -> Tensor:
    return 0.5 + z / 4


def _few_of_each(samples: Samples, count: int, generator: Generator) -> Samples:
    order = torch.randperm(len(samples), generator=generator)
    places = [order[samples.labels[order] == c][:count] for c in samples.labels.unique()]
    index = torch.cat(places)
    return Samples(samples.images[index], samples.labels[index])
