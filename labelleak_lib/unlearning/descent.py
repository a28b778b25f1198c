"""Gradient descent on a loss of a method's own: pace, optimiser, batches, and the end of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from labelleak_lib.checks import require, require_choice, require_int, require_number
from labelleak_lib.data.samples import Samples, to_input
from labelleak_lib.models.checkpoints import require_finite
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.training import batches, parameter_groups

OPTIMISERS = ("sgd", "adam")


@dataclass(frozen=True)
class Descent:
    """How a method walks down its loss, at a constant rate.

    Parameters
    ----------
    epochs, batch_size : int
        Passes over the data, samples a step.
    min_steps : int
        On small data, passes are added until there are at least so many steps.
    lr : float
        Learning rate.
    momentum, weight_decay : float
        As in `torch.optim.SGD`; of Adam the decay of the mean gradient (its beta_1), and the L2 penalty.
    optimiser : {"sgd", "adam"}
        Which one the method's authors used.
    clip_norm : float
        Largest gradient norm a step may use.
    """

    epochs: int = 10
    lr: float = 0.01
    batch_size: int = 128
    min_steps: int = 0
    momentum: float = 0.9
    weight_decay: float = 0.0
    optimiser: str = "sgd"
    clip_norm: float = 5.0

    def __post_init__(self) -> None:
        require_int("epochs", self.epochs, low=1)
        require_number("lr", self.lr, above=0)
        require_int("batch_size", self.batch_size, low=1)
        require_int("min_steps", self.min_steps, low=0)
        require_number("momentum", self.momentum, low=0, high=0.999)
        require_number("weight_decay", self.weight_decay, low=0)
        require_choice("optimiser", self.optimiser, OPTIMISERS)
        require_number("clip_norm", self.clip_norm, above=0)

    def optimiser_of(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of all parameters of `model`."""
        groups = parameter_groups(model)
        if self.optimiser == "adam":
            return torch.optim.Adam(groups, self.lr, betas=(self.momentum, 0.999), weight_decay=self.weight_decay)
        return torch.optim.SGD(groups, self.lr, self.momentum, weight_decay=self.weight_decay)

    def step(
        self, optimiser: torch.optim.Optimizer, loss: Tensor, masks: Mapping[nn.Parameter, Tensor] | None = None
    ) -> None:
        """Take one step down `loss`, a number, along the part of its gradient that `masks`, by parameter, leave."""
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for parameter, mask in (masks or {}).items():
            assert parameter.grad is not None
            parameter.grad.mul_(mask)
        nn.utils.clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], self.clip_norm)
        optimiser.step()

    def passes(self, samples: Samples) -> range:
        """Return the numbers of the passes over `samples`, from 0; ValueError if there are none."""
        require(len(samples) > 0, "samples", "empty", "at least one labelled image")
        steps = -(-len(samples) // self.batch_size)
        return range(max(self.epochs, -(-self.min_steps // steps)))

    def one_pass(self, samples: Samples, generator: Generator, batch_size: int | None = None) -> Iterator[Tensor]:
        """Return the indices of one pass over `samples`, shuffled, batch by batch; ValueError if there are none.

        `batch_size` stands in for the method's own.
        """
        require(len(samples) > 0, "samples", "empty", "at least one labelled image")
        return batches(len(samples), batch_size or self.batch_size, generator)


def endless(descent: Descent, samples: Samples, generator: Generator) -> Iterator[Tensor]:
    """Yield indices of one pass after another."""
    while True:
        yield from descent.one_pass(samples, generator)


def placed(samples: Samples, index: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return images, float in [0, 1], and labels of the samples at `index`, on `device`."""
    return to_input(samples.images[index].to(device)), samples.labels[index].to(device)


def finished(model: Classifier) -> Classifier:
    """Return `model` as it is published: in evaluation mode, without gradients; ValueError if it diverged."""
    model.zero_grad(set_to_none=True)
    require_finite(model)
    return model.eval()


def device_of(model: nn.Module) -> torch.device:
    """Return where the parameters of `model` lie."""
    return next(model.parameters()).device


def divergence(target: Tensor, logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the mean over the batch of KL(target ‖ softmax(logits / T)).

    Both are (n, classes), `target` holds probabilities. Torch's own default divides by n times the number of classes.

    >>> logits = torch.tensor([[0.0, 0.0], [0.0, 0.0]])
    >>> round(float(divergence(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), logits)), 6)
    0.693147
    """
    return nn.functional.kl_div(torch.log_softmax(logits / temperature, dim=1), target, reduction="batchmean")
