"""Steps that a defence takes after unlearning: stochastic gradient descent on a few samples at a time."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from labelleak_lib.checks import require_int, require_number
from labelleak_lib.data.samples import Samples, to_input
from labelleak_lib.models.checkpoints import require_finite
from labelleak_lib.models.classifier import Classifier

MOMENTUM, CLIP_NORM = 0.9, 5.0
"""As in the training of the models."""


def require_descent(steps: int, lr: float, batch_size: int) -> None:
    """Raise ValueError, in one sentence, unless the hyperparameters of a descent are valid."""
    require_int("steps", steps, low=1)
    require_number("lr", lr, above=0)
    require_int("batch_size", batch_size, low=1)


def draw(samples: Samples, n: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return images, float (n, channels, side, side) in [0, 1], and labels (n,), drawn with replacement."""
    index = torch.randint(len(samples), (n,), generator=generator)
    return to_input(samples.images[index].to(device)), samples.labels[index].to(device)


def descend(
    model: Classifier, loss: Callable[[], Tensor], *, steps: int, lr: float, weight_decay: float = 0.0,
    parameters: Iterable[nn.Parameter] | None = None,
) -> Classifier:  # fmt: skip
    """Take `steps` steps down `loss()`, at a rate that falls from `lr` to 0, and return `model` in evaluation mode.

    It is in evaluation mode throughout, so that running averages of a batch norm stay as they are. `parameters` are
    those that move; all, if not given. ValueError if they become non-finite.
    """
    moved = list(model.parameters() if parameters is None else parameters)
    optimizer = torch.optim.SGD(moved, lr, MOMENTUM, weight_decay=weight_decay, nesterov=True)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / steps, total_iters=steps)
    model.eval()
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        nn.utils.clip_grad_norm_(moved, CLIP_NORM)
        optimizer.step()
        schedule.step()
    model.zero_grad(set_to_none=True)
    require_finite(model)
    return model
