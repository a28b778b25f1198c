"""The last layer of anybody's network, where it is one linear layer, and what reading it says of each class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from labelleak_lib.attacks.dot_product import DotProduct
from labelleak_lib.attacks.head_readings import HeadBias, HeadRowSum
from labelleak_lib.attacks.heads import HeadRecipe
from labelleak_lib.audit.targets import Target, tensor_of
from labelleak_lib.checks import require
from labelleak_lib.data.samples import Samples
from labelleak_lib.evidence import Floats, HeadEvidence
from labelleak_lib.models.access import WhiteBoxWithSamples
from labelleak_lib.models.classifier import Classifier, ModelSpec
from labelleak_lib.space import InputSpace

MOST = 1e8
"""Numbers that all auxiliary heads may hold together: 0.4 GB."""
FREE = {"head_bias": HeadBias(), "head_row_sum": HeadRowSum()}
PROBES = 4
"""Inputs by which a layer shows that it is the last one."""


@dataclass(frozen=True)
class ForeignSpec(ModelSpec):
    """What is known of a network whose architecture is not one of the library's."""

    lives: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Any architecture may be audited."""

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """Shape of one input."""
        return self.lives


class Before(nn.Module):
    """What enters a layer of a target: its phi."""

    def __init__(self, target: Target, layer: nn.Linear) -> None:
        super().__init__()
        self.target, self.layer = target, layer

    def forward(self, x: Tensor) -> Tensor:
        """Return the float32 features (n, d) of inputs `(n, *shape)`."""
        entered: list[Tensor] = []
        hook = self.layer.register_forward_pre_hook(lambda layer, given: entered.append(given[0].detach()))
        try:
            self.target.answer(x)
        finally:
            hook.remove()
        return entered[-1].float().cpu()


def head_of(target: Target, space: InputSpace, classes: int, name: str | None = None) -> Classifier | None:
    """Return the target as features and a linear head, or None where no last layer can be told.

    A layer is the head if it is linear, has one output a class, and what it puts out is what the model puts out,
    as it is or as probabilities. A head without a bias gets one of zeros.

    Parameters
    ----------
    name : str, optional
        The layer's name, as ``named_modules`` tells it; ValueError where it is none, or no such layer.
    """
    module = target.module
    if module is None or isinstance(module, torch.jit.ScriptModule):
        require(name is None, "head", name, "left out: layers are seen in a module of Python alone")
        return None
    linear = {n: layer for n, layer in module.named_modules() if isinstance(layer, nn.Linear)}
    fitting = {n: layer for n, layer in linear.items() if layer.out_features == classes}
    if name is not None:
        valid = f"a linear layer of {classes} outputs: {', '.join(fitting) or 'there is none'}"
        require(name in fitting, "head", name, valid)
        fitting = {name: fitting[name]}
    middle = space.within(torch.rand((PROBES, *space.shape), generator=torch.Generator().manual_seed(0)))
    for layer in reversed(list(fitting.values())):
        if _is_last(target, layer, middle):
            return _headed(target, layer, space, classes)
    require(name is None, "head", name, "the layer whose outputs the model puts out")
    return None


def _is_last(target: Target, layer: nn.Linear, x: Tensor) -> bool:
    left: list[Tensor] = []
    hook = layer.register_forward_hook(lambda layer, given, out: left.append(out.detach().cpu()))
    try:
        answers = tensor_of(target.answer(x))
    finally:
        hook.remove()
    if len(left) != 1 or left[0].shape != answers.shape:
        return False
    forms = (left[0], torch.softmax(left[0].float(), dim=1), torch.log_softmax(left[0].float(), dim=1))
    return any(torch.allclose(form.float(), answers.float(), rtol=1e-3, atol=1e-4) for form in forms)


def _headed(target: Target, layer: nn.Linear, space: InputSpace, classes: int) -> Classifier:
    head = nn.utils.skip_init(nn.Linear, layer.in_features, classes)  # which draws nothing
    with torch.no_grad():
        head.weight.copy_(layer.weight)
        head.bias.copy_(torch.zeros(classes) if layer.bias is None else layer.bias)
    spec = ForeignSpec("foreign", classes, space.shape[0], space.shape)
    return Classifier(spec, Before(target, layer), head)


def readings(
    model: Classifier, space: InputSpace, samples: tuple[Tensor, Tensor] | None, known: frozenset[int],
    generator: torch.Generator,
) -> dict[str, Floats]:  # fmt: skip
    """Return float (C,) of each reading of the head, the higher the more forgotten.

    Bias and row sums need nothing else. Dot product and difference (paper, section IV-A) need samples of every class,
    and their auxiliary heads have to fit `MOST`.

    Parameters
    ----------
    known : frozenset of int
        Classes that the samples show to be retained.
    """
    c, none = model.spec.classes, torch.empty(0)
    access = WhiteBoxWithSamples(model, Samples(none, none), none, known)
    read = {name: a.evidence(access, generator=generator).score for name, a in FREE.items()}
    least = 0 if samples is None else int(np.bincount(samples[1], minlength=c).min())
    recipe = HeadRecipe(samples=max(1, min(least, HeadRecipe.samples)))
    size = 2 * max(recipe.heads, c) * c * (model.head.in_features + 1)
    if samples is None or least == 0 or size > MOST:
        return read
    unrelated = torch.cat([space.unrelated(family, recipe.samples, generator) for family in space.families])
    access = WhiteBoxWithSamples(model, Samples(*samples), unrelated, known)
    product = DotProduct(recipe).evidence(access, generator=generator)
    distance = cast(HeadEvidence, product.heads)
    return {**read, "dot_product": product.score, "difference": distance.class_means(distance.absolute_sum, c)}
