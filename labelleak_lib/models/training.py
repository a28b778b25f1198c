"""The training loop."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from labelleak_lib.checks import require
from labelleak_lib.data.samples import Samples, to_input
from labelleak_lib.models.checkpoints import require_finite
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.models.shares import GradientShare

SHORTEST_CYCLE = 4
"""Steps below which a one-cycle schedule has no rise and fall, and the rate stays constant."""
FLOATS_A_REGISTER = 16
"""The most float32 numbers in a processor's vector register."""


def batches(samples: int, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield one epoch of indices below `samples`, shuffled."""
    parts = list(torch.randperm(samples, generator=generator).split(batch_size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        # batch norm cannot train on a single sample
        parts[-2:] = [torch.cat(parts[-2:])]
    for i in torch.randperm(len(parts), generator=generator).tolist():
        yield parts[i]


def train(
    model: Classifier, samples: Samples, recipe: Recipe, *, generator: torch.Generator, recorded: Tensor | None = None
) -> dict[str, Tensor]:
    """Train `model` in place with cross-entropy; return what the recorded samples added, by parameter name.

    ValueError if there are no samples, or if the parameters became non-finite.

    Parameters
    ----------
    recorded : Tensor, optional
        bool (n,); the samples whose share of every step is summed up. The model is the same with and without.
    """
    require(len(samples) > 0, "samples", "empty", "at least one labelled image")
    share = None if recorded is None else GradientShare(model, recorded, recipe.momentum)
    steps_an_epoch = sum(1 for _ in batches(len(samples), recipe.batch_size, torch.Generator()))
    epochs = recipe.epochs_for(steps_an_epoch)
    steps = epochs * steps_an_epoch
    optimizer = torch.optim.SGD(
        parameter_groups(model), lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0,
        weight_decay=recipe.weight_decay,
    )  # fmt: skip
    schedule = None
    if recipe.schedule == "one_cycle" and steps >= SHORTEST_CYCLE:
        rise = max(0.2, 2 / steps)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, recipe.lr, total_steps=steps, pct_start=rise, cycle_momentum=False
        )
    device = next(model.parameters()).device
    model.train()
    for _ in range(epochs):
        for index in batches(len(samples), recipe.batch_size, generator):
            logits = model(to_input(samples.images[index].to(device)))
            labels = samples.labels[index].to(device)
            optimizer.zero_grad(set_to_none=True)
            if share is not None:
                share.measure(logits, labels, index)
            nn.functional.cross_entropy(logits, labels).backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
            optimizer.step()
            if share is not None:
                share.add(optimizer.param_groups[0]["lr"], (recipe.clip_norm / norm).clamp(max=1))
            if schedule is not None:
                schedule.step()
    model.eval()
    require_finite(model)
    return {} if share is None else share.total


def parameter_groups(model: nn.Module) -> list[dict[str, Any]]:
    """Return the parameters in groups for an optimiser: those that one fused pass over memory updates, and the others.

    The fused pass rounds what is left over after the last whole vector register in another way. Parameters that leave
    nothing over get the same bits either way.
    """
    even: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for parameter in model.parameters():
        even[parameter.numel() % FLOATS_A_REGISTER == 0].append(parameter)
    return [{"params": found, "fused": fused} for fused, found in even.items() if found]
