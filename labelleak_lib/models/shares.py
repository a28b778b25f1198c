"""What some samples contribute to a training whose batches they share with others."""

import torch
from torch import Tensor, nn


class GradientShare:
    """The chosen samples' part of every step by Nesterov momentum, summed up in `total`; weight decay is nobody's.

    A step is linear in the gradients once their common clipping is known, so the parts of all samples and the weight
    decay add up to the way that the parameters went. `chosen`, bool (n,), says which samples of the training set
    count; `momentum` is the optimiser's.
    """

    def __init__(self, model: nn.Module, chosen: Tensor, momentum: float) -> None:
        self.model, self.chosen, self.momentum = model, chosen, momentum
        self.velocity = [torch.zeros_like(p) for p in model.parameters()]
        self.total = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
        self.gradients: list[Tensor] = []

    def measure(self, logits: Tensor, labels: Tensor, index: Tensor) -> None:
        """Take the chosen samples' part of the gradient of the mean loss over the batch `index`, not yet clipped."""
        losses = nn.functional.cross_entropy(logits, labels, reduction="none")
        part = losses[self.chosen[index].to(losses.device)].sum() / len(index)
        self.gradients = list(torch.autograd.grad(part, list(self.model.parameters()), retain_graph=True))

    @torch.no_grad()
    def add(self, lr: float, clipped: Tensor) -> None:
        """Add the part of the step just taken at rate `lr`, gradients scaled by `clipped`."""
        for gradient, velocity, total in zip(self.gradients, self.velocity, self.total.values(), strict=True):
            velocity.mul_(self.momentum).add_(gradient.mul_(clipped))
            total.sub_(gradient.add_(velocity, alpha=self.momentum), alpha=lr)
