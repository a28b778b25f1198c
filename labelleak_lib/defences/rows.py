"""Rows of the last layer: which are forgotten, and heads with fewer rows or more."""

import copy
from dataclasses import replace

import torch
from torch import Tensor, nn

from labelleak_lib.checks import require
from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier


def gone(model: Classifier, forget: Samples) -> Tensor:
    """Return which outputs of `model` have a sample in `forget`: bool (C,), all False where it is empty."""
    found = torch.zeros(model.head.out_features, dtype=torch.bool, device=model.head.weight.device)
    found[forget.labels.unique().to(found.device)] = True
    require(not found.all(), "forget", "samples of every class", "a set that leaves a class retained")
    return found


def with_head(model: Classifier, weight: Tensor, bias: Tensor) -> Classifier:
    """Return a copy of `model` whose last layer has `weight` (outputs, d) and `bias` (outputs,)."""
    # no initialisation: it would draw from the global generator
    head = nn.utils.skip_init(
        nn.Linear, weight.shape[1], len(bias), device=weight.device, dtype=weight.dtype
    )  # fmt: skip
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(bias)
    spec = replace(model.spec, classes=len(bias))
    return Classifier(spec, copy.deepcopy(model.features), head).train(model.training)
