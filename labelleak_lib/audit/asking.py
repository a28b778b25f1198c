"""Asking a model that somebody else wrote: what it may not do, and what it is left as."""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.nn.parameter import is_lazy

from labelleak_lib.adapters.undisturbed import own_defaults
from labelleak_lib.checks import one_line, require
from labelleak_lib.models.access import QueryBudgetError

CHANGING = (_BatchNorm, _DropoutNd)
"""Layers that answer otherwise in training mode."""
NOISE = 0.02
"""Share of the largest number put out by which two answers to one input may differ: half precision does."""


def guarded(answer: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
    """Return a model's function that gets inputs of its own, and whose errors are one sentence.

    Errors of a connection and of a budget pass as they are.
    """

    def ask(x: Tensor) -> Any:
        try:
            with own_defaults():
                return answer(x.clone())
        except (OSError, QueryBudgetError):
            raise
        except (Exception, SystemExit) as error:
            raise ValueError(
                f"the model fails on inputs of shape {tuple(x.shape)} ({type(error).__name__}: "
                f"{one_line(error)[:160]}); it must take batches of this size (batch_size sets it) and inputs of this "
                "shape"
            ) from error

    return ask


def require_values(module: nn.Module, name: str) -> None:
    """Raise ValueError unless all parameters of a module hold finite numbers; buffers may mask with infinities."""
    for key, value in module.named_parameters():
        empty = is_lazy(value) or value.is_meta
        require(not empty, f"parameter {key} of {name}", "without values", "loaded, before the model is audited")
        # gradients of tensors made in inference mode cannot be recorded
        require(torch.isfinite(value.detach()).all(), f"parameter {key} of {name}", "not finite", "finite numbers")


@contextlib.contextmanager
def as_it_was(module: nn.Module) -> Iterator[None]:
    """Put a module into evaluation mode, and give back each part's mode, its buffers and the random state."""
    modes = {part: part.training for part in module.modules()}
    held = [
        (part, name, buffer, buffer.detach().clone())
        for part in modes for name, buffer in part.named_buffers(recurse=False)
    ]  # fmt: skip
    try:
        with torch.random.fork_rng(devices=[]):
            # a program made by torch.export has no modes to switch
            for part in modes:
                part.training = False
            yield
    finally:
        for part, training in modes.items():
            part.training = training
        with torch.no_grad():
            for part, name, buffer, before in held:
                if not isinstance(part, torch.jit.ScriptModule):
                    part._buffers[name] = buffer
                # those made in inference mode cannot be written
                if not torch.equal(buffer, before):
                    buffer.copy_(before)


@contextlib.contextmanager
def refusing_training_mode() -> Iterator[None]:
    """Raise ValueError if dropout or batch normalisation runs inside, in any function, in training mode."""
    seen: list[str] = []

    def look(part: nn.Module, given: Any) -> None:
        if part.training and isinstance(part, CHANGING) and getattr(part, "p", 1) > 0:
            seen.append(type(part).__name__)

    hook = register_module_forward_pre_hook(look)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Using `torch.compile")  # that the hook is called twice there
            yield
    finally:
        hook.remove()
    valid = "asked in evaluation mode: call eval() on the network"
    require(not seen, "model", f"running {', '.join(sorted(set(seen)))} in training mode", valid)


def require_steady(values: Tensor) -> None:
    """Raise ValueError if a model's answers to two equal inputs, of which `values` are the rows, differ."""
    first, second = torch.nan_to_num(values.double(), neginf=0.0)
    same = bool((first - second).abs().max() <= NOISE * max(float(first.abs().max()), 1e-12))
    given = [[round(float(number), 3) for number in row.flatten()[:3]] for row in (first, second)]
    valid = "the same each time: switch dropout and other noise off, or answer the mean of many answers"
    require(same, "the model's answer to an input given twice", given, valid)
