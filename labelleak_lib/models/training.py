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
from labelleak_lib.models.shares import GradientShare, has_batch_norm

SHORTEST_CYCLE = 4
"""Steps below which a one-cycle schedule has no rise and fall, and the rate stays constant."""
FLOATS_A_REGISTER = 16
"""The most float32 numbers in a processor's vector register."""


def batches(groups: Tensor, batch_size: int, generator: torch.Generator) -> Iterator[tuple[int, Tensor]]:
    """Yield one epoch of (group, indices): shuffled, no batch mixing two groups, the batches of all groups shuffled."""
    listed: list[tuple[int, Tensor]] = []
    for group in groups.unique().tolist():
        members = torch.nonzero(groups == group).flatten()
        parts = list(members[torch.randperm(len(members), generator=generator)].split(batch_size))
        if len(parts) > 1 and len(parts[-1]) == 1:
            # batch norm cannot train on a single sample
            parts[-2:] = [torch.cat(parts[-2:])]
        listed += [(group, part) for part in parts]
    for i in torch.randperm(len(listed), generator=generator).tolist():
        yield listed[i]


def train(
    model: Classifier,
    samples: Samples,
    recipe: Recipe,
    *,
    generator: torch.Generator,
    groups: Tensor | None = None,
    record_group: int | None = None,
) -> dict[str, Tensor]:
    """Train `model` in place with cross-entropy; return the sum of the recorded updates, by parameter name.

    ValueError if there are no samples, or if the parameters became non-finite.

    Parameters
    ----------
    groups : Tensor, optional
        int64 (n,); samples of different groups never share a batch.
    record_group : int, optional
        Record the parameter updates of the steps taken on batches of this group. Where the network has batch
        normalisation, batches are mixed all the same, since a batch of one group would be told apart by statistics
        that inference never sees; then the group's share of every step is recorded, which is exact, a step being
        linear in the gradients. The sums are zeros when nothing is recorded.
    """
    require(len(samples) > 0, "samples", "empty", "at least one labelled image")
    groups = torch.zeros(len(samples), dtype=torch.long) if groups is None else groups
    share = None
    if record_group is not None and has_batch_norm(model):
        share, groups = GradientShare(model, groups == record_group, recipe.momentum), torch.zeros_like(groups)
    steps_an_epoch = sum(1 for _ in batches(groups, recipe.batch_size, torch.Generator()))
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
    recorded = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    model.train()
    for _ in range(epochs):
        for group, index in batches(groups, recipe.batch_size, generator):
            apart = share is None and group == record_group
            before = {n: p.detach().clone() for n, p in model.named_parameters()} if apart else {}
            logits = model(to_input(samples.images[index].to(device)))
            labels = samples.labels[index].to(device)
            optimizer.zero_grad(set_to_none=True)
            if share is not None:
                share.measure(logits, labels, index)
            nn.functional.cross_entropy(logits, labels).backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
            optimizer.step()
            if share is not None:
                share.add(recorded, optimizer.param_groups[0]["lr"], (recipe.clip_norm / norm).clamp(max=1))
            if schedule is not None:
                schedule.step()
            for name, parameter in model.named_parameters() if before else ():
                recorded[name] += parameter.detach() - before[name]
    model.eval()
    require_finite(model)
    return recorded


def parameter_groups(model: nn.Module) -> list[dict[str, Any]]:
    """Return the parameters in groups for an optimiser: those that one fused pass over memory updates, and the others.

    The fused pass rounds what is left over after the last whole vector register in another way. Parameters that leave
    nothing over get the same bits either way.
    """
    even: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for parameter in model.parameters():
        even[parameter.numel() % FLOATS_A_REGISTER == 0].append(parameter)
    return [{"params": found, "fused": fused} for fused, found in even.items() if found]
