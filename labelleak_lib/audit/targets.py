"""What an audit can ask: a module or any callable, as a function from inputs to probabilities or labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from labelleak_lib.audit.asking import as_it_was, refusing_training_mode, require_steady, require_values
from labelleak_lib.checks import require, require_choice, require_int
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.space import InputSpace

OUTPUTS = ("auto", "either", "probabilities", "logits", "labels")
"""What a model may be said to put out; "either": probabilities where rows are distributions, else logits."""
FIRST = 2
"""Inputs that tell what a model puts out, before any search."""


@dataclass(frozen=True, eq=False)
class Target:
    """A model to audit, as far as it is known before it is asked.

    Parameters
    ----------
    answer : callable
        Maps a float32 batch `(n, *shape)` to what the model puts out.
    outputs : {"auto", "probabilities", "logits", "labels"}
        What that is. "auto" takes rows that are distributions for probabilities; other rows are logits of a module,
        and an error of anything else. "either" takes them for logits everywhere.
    space : InputSpace, optional
        Where its inputs live, where the file says so.
    classes : int, optional
        Number of classes, where it is known.
    module : nn.Module, optional
        The network itself.
    name : str
        How the report calls it.
    """

    answer: Callable[[Tensor], Any]
    outputs: str = "auto"
    space: InputSpace | None = None
    classes: int | None = None
    module: nn.Module | None = None
    name: str = "model"

    def __post_init__(self) -> None:
        require(callable(self.answer), "target", self.answer, "a module, a callable, a path or a Target")
        require_choice("outputs", self.outputs, OUTPUTS)


def of_module(module: nn.Module, outputs: str = "auto", name: str = "") -> Target:
    """Return the target around a module, which is asked in evaluation mode and left as it was.

    ValueError if a parameter has no values, or they are not finite.
    """
    # the network in a compiled one answers the same, at once
    module = getattr(module, "_orig_mod", module)
    space, classes, called = None, None, name or type(module).__name__
    require_values(module, called)
    if isinstance(module, Classifier):
        space, classes = InputSpace(module.spec.shape), module.spec.classes

    def answer(x: Tensor) -> Any:
        like = next((p for p in [*module.parameters(), *module.buffers()] if p.is_floating_point()), x)
        with as_it_was(module), torch.no_grad():
            return module(x.to(like.device, like.dtype))

    return Target(answer, outputs, space, classes, module, called)


def normalised(target: Target, mean: Sequence[float] | None, std: Sequence[float] | None) -> Target:
    """Return the target behind (x - mean) / std, of which either is one number, or one a channel or feature."""
    if mean is None and std is None:
        return target
    shift, scale = torch.tensor([*(mean or (0.0,))]).float(), torch.tensor([*(std or (1.0,))]).float()
    require(bool((scale > 0).all()), "std", std, "above zero")

    def answer(x: Tensor) -> Any:
        for name, values in (("mean", shift), ("std", scale)):
            require(len(values) in (1, x.shape[1]), name, values.tolist(), f"one number, or {x.shape[1]}")
        form = (1, -1, *(1,) * (x.dim() - 2))
        return target.answer((x - shift.view(form)) / scale.view(form))

    return Target(answer, target.outputs, target.space, target.classes, target.module, target.name)


def answering(target: Target, classes: int, batch_size: int = 512) -> Callable[[Tensor], Tensor]:
    """Return the function that a black box needs: float32 probabilities (n, classes), of labels one-hot vectors.

    ValueError if the model answers anything else.
    """

    def answer(x: Tensor) -> Tensor:
        return torch.cat(
            [probabilities(target.answer(part), target, len(part), classes) for part in x.split(batch_size)]
        )

    return answer


def probabilities(raw: Any, target: Target, n: int, classes: int | None) -> Tensor:
    """Return what a model put out for `n` inputs as float32 probabilities (n, classes); ValueError if it cannot be."""
    values = tensor_of(raw)
    if target.outputs == "labels" or (
        target.outputs == "auto" and values.dim() == 1 and not values.is_floating_point()
    ):
        return _one_hot(values, n, classes)
    require(values.dim() == 2, "the model's output", f"of shape {tuple(values.shape)}", f"({n}, number of classes)")
    require(len(values) == n, "the model's output", f"of {len(values)} rows", f"one row for each of {n} inputs")
    numbers = not values.is_complex() and values.dtype != torch.bool
    require(numbers, "the model's output", f"of type {values.dtype}", "real numbers")
    width = values.shape[1]
    require(width >= 2, "the model's output", f"of {width} column", "one column a class, both of two classes too")
    require(
        classes in (None, width),
        "the model's output",
        f"of {width} columns",
        f"one column for each of {classes} classes",
    )
    values = values.double()
    require(
        not bool(values.isnan().any()), "the model's output", "NaN for some inputs", "finite; check the inputs' range"
    )
    require(not bool(values.isposinf().any()), "the model's output", "infinite for some inputs", "finite")
    distributions = _distributions(values)
    guessed = target.outputs == "either" or (target.outputs == "auto" and target.module is not None)
    if target.outputs == "logits" or (guessed and not distributions):
        return torch.softmax(values, dim=1).float()
    seen = [round(float(values.min()), 3), round(float(values.max()), 3)]
    # logits, and logarithms of probabilities, are hardly ever all at least 0: percentages, sigmoids or losses are
    logits = "say outputs='logits' (--outputs logits) if it answers logits"
    other = "rounded, rescaled or independent numbers have to be made probabilities first"
    valid = f"probabilities, each row summing to 1; {logits if values.min() < 0 else other}"
    told = f"values in {seen}, rows summing to {float(values.sum(dim=1).mean()):.3g}"
    require(distributions, "the model's output", told, valid)
    return values.float()


def _distributions(values: Tensor) -> bool:
    return bool((values >= -1e-6).all()) and bool(((values.sum(1) - 1).abs() < 1e-2).all())


def tensor_of(raw: Any) -> Tensor:
    """Return the one array that a model put out, also where it stands in a dict or an object as `logits`."""
    if isinstance(raw, dict) and "logits" in raw:
        raw = raw["logits"]
    elif hasattr(raw, "logits"):
        raw = raw.logits
    elif isinstance(raw, tuple) and len(raw) == 1:
        raw = raw[0]
    try:
        if isinstance(raw, list) and raw and all(isinstance(row, Tensor) for row in raw):
            # one batch, or one row an input
            return torch.cat([row if row.dim() == 2 else row[None] for row in raw]).detach().cpu()
        return torch.as_tensor(raw if isinstance(raw, Tensor) else np.array(raw)).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"the model's output is a {type(raw).__name__}; it must be one array of probabilities, logits or labels"
        ) from error


def _one_hot(labels: Tensor, n: int, classes: int | None) -> Tensor:
    require(classes is not None, "classes", classes, "given where the model answers with labels alone")
    require(tuple(labels.shape) == (n,), "the model's labels", f"of shape {tuple(labels.shape)}", f"of shape ({n},)")
    whole = bool((labels == labels.long()).all()) and bool((labels >= 0).all() and (labels < int(classes or 0)).all())
    require(whole, "the model's labels", labels[:5].tolist(), f"integers from 0 to {int(classes or 0) - 1}")
    return torch.nn.functional.one_hot(labels.long(), int(classes or 0)).float()


def outputs_of(
    target: Target, space: InputSpace, classes: int | None = None, batch_size: int = FIRST
) -> tuple[Target, int]:
    """Return the target with what it puts out made certain, and its number of classes.

    `FIRST` inputs in the middle of the box are asked about, at most `batch_size` at a time. ValueError if the
    answer is not as promised, of a network in training mode, or differs between them, which are equal.
    """
    if classes is not None:
        require_int("classes", classes, low=2)
    known = classes if classes is not None else target.classes
    middle = space.smooth(torch.zeros((FIRST, *space.grid(1))))
    with refusing_training_mode():
        parts = [target.answer(part) for part in middle.split(batch_size)]
    raw = parts[0] if len(parts) == 1 else torch.cat([tensor_of(part) for part in parts])
    c = probabilities(raw, target, FIRST, known).shape[1]
    values = tensor_of(raw)
    require_steady(values)
    outputs = target.outputs
    if outputs in ("auto", "either"):
        # decided once, so that no later batch is read in another way
        outputs = "labels" if values.dim() == 1 else "probabilities" if _distributions(values.double()) else "logits"
    return Target(target.answer, outputs, target.space, c, target.module, target.name), c
