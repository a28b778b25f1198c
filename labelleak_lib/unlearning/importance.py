"""How much each parameter matters to some samples: squared gradients of their loss."""

import torch
from torch import Generator, Tensor, nn

from labelleak_lib.checks import require
from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier, evaluation_mode
from labelleak_lib.unlearning.descent import device_of, placed


def importance(model: Classifier, samples: Samples, batch_size: int, *, generator: Generator) -> list[Tensor]:
    """Return the mean over batches of the squared gradient of a batch's mean cross-entropy, parameter by parameter.

    Batches of one give the diagonal of the empirical Fisher information; larger ones are faster, and what most public
    code computes in its place. ValueError if there are no samples.
    """
    require(len(samples) > 0, "samples", "empty", "at least one labelled image")
    parameters, device = list(model.parameters()), device_of(model)
    total = [torch.zeros_like(parameter) for parameter in parameters]
    parts = torch.randperm(len(samples), generator=generator).split(batch_size)
    with evaluation_mode(model):
        for index in parts:
            images, labels = placed(samples, index, device)
            gradients = torch.autograd.grad(nn.functional.cross_entropy(model(images), labels), parameters)
            for whole, gradient in zip(total, gradients, strict=True):
                whole.add_(gradient.square(), alpha=1 / len(parts))
    return total
