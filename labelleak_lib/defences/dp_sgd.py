"""DP-SGD: train anew on the retained samples with differential privacy, by Opacus."""

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from labelleak_lib.checks import one_line, require, require_int, require_number
from labelleak_lib.data.samples import Samples, to_input
from labelleak_lib.models import classifier
from labelleak_lib.models.checkpoints import require_finite
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.registry import DEFENCES


@DEFENCES.register("dp_sgd")
@dataclass(frozen=True)
class DPSGD:
    """Clip each sample's gradient and add Gaussian noise to their sum (Abadi et al., 2016), from a fresh start.

    A step moves by `lr / (q n) (sum_i g_i min(1, clip / |g_i|) + noise * clip * N(0, I))`, over samples each drawn with
    probability q. The guarantee is about single samples: it says that one of them hardly matters, not that a class
    does. It is retraining, whatever method went before. Needs the package `opacus`, and a network without batch norm.

    Parameters
    ----------
    steps, batch_size : int
        Steps, and samples a step in the mean.
    lr : float
        Rate.
    noise : float
        Standard deviation of the noise, in units of `clip`.
    clip : float
        Largest norm of a sample's gradient.
    """

    steps: int = 800
    batch_size: int = 256
    lr: float = 0.5
    noise: float = 1.0
    clip: float = 1.0
    title: ClassVar[str] = "DP-SGD"
    order: ClassVar[int] = 10
    retrains: ClassVar[bool] = True
    adaptive: ClassVar[tuple[str, ...]] = ("row_distance", "row_norm", "gradient_reach")

    def __post_init__(self) -> None:
        require_int("steps", self.steps, low=1)
        require_int("batch_size", self.batch_size, low=1)
        require_number("lr", self.lr, above=0)
        require_number("noise", self.noise, above=0)
        require_number("clip", self.clip, above=0)

    def missing(self) -> str:
        """Return one sentence where Opacus is not installed, else nothing."""
        try:
            import opacus  # noqa: F401
        except ImportError:
            return "DP-SGD is left out: it needs the package opacus (pip install 'labelleak[privacy]')"
        return ""

    def epsilon(self, samples: int, delta: float = 1e-5) -> float:
        """Return the epsilon that training on `samples` samples spends, at `delta`, by Renyi accounting."""
        accountant = self._opacus().accountants.RDPAccountant()
        accountant.history = [(self.noise, min(1.0, self.batch_size / samples), self.steps)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(accountant.get_epsilon(delta))

    def defend(self, model: Classifier, retain: Samples, forget: Samples, *, generator: torch.Generator) -> Classifier:
        """Return a model of the same form, freshly drawn and trained on `retain`; `forget` is not read."""
        opacus = self._opacus()
        seed = int(torch.randint(2**31, (1,), generator=generator))
        fresh = classifier.build(model.spec, seed=seed).to(model.head.weight.device).train()
        problems = opacus.validators.ModuleValidator.validate(fresh, strict=False)
        found = "; ".join(map(one_line, problems))
        require(not problems, "model", found, "a network whose layers Opacus can take samples apart in")
        with warnings.catch_warnings():
            # about hooks, and about seeded noise, which is meant here
            warnings.simplefilter("ignore")
            self._train(opacus, fresh, retain, generator)
        require_finite(fresh)
        return fresh.eval()

    def _train(self, opacus: Any, model: Classifier, retain: Samples, generator: torch.Generator) -> None:
        """Train `model` in place, by batches to which each sample belongs with the same probability."""
        apart = opacus.GradSampleModule(model)
        plain = torch.optim.SGD(model.parameters(), self.lr)
        expected = min(self.batch_size, len(retain))
        optimizer = opacus.optimizers.DPOptimizer(
            plain, noise_multiplier=self.noise, max_grad_norm=self.clip, expected_batch_size=expected,
            generator=generator,
        )  # fmt: skip
        device = model.head.weight.device
        for _ in range(self.steps):
            index = torch.nonzero(torch.rand(len(retain), generator=generator) < expected / len(retain)).flatten()
            images, labels = to_input(retain.images[index].to(device)), retain.labels[index].to(device)
            optimizer.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(apart(images), labels).backward()
            optimizer.step()
        model.zero_grad(set_to_none=True)
        apart.to_standard_module()

    def _opacus(self) -> Any:
        sentence = self.missing()
        if sentence:
            raise ValueError(sentence)
        import opacus
        import opacus.accountants
        import opacus.optimizers
        import opacus.validators

        return opacus
