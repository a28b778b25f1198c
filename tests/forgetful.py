"""Networks trained by a plain loop on synthetic data, with or without some classes: what outsiders bring."""

import functools
import math

import torch
from torch import nn


def pictures(classes, shape, seed=0, per_class=40):
    """Return inputs in [0, 1], noisy copies of one smooth picture (or vector) a class, and labels."""
    generator = torch.Generator().manual_seed(seed)
    if len(shape) == 1:
        means = torch.rand((classes, *shape), generator=generator)
    else:
        coarse = torch.rand((classes, shape[0], 4, 4), generator=generator)
        means = nn.functional.interpolate(coarse, shape[1:], mode="bilinear")
    labels = torch.arange(classes).repeat(per_class)
    noise = 0.15 * torch.randn((len(labels), *shape), generator=generator)
    return (means[labels] + noise).clamp(0, 1), labels


def network(classes, shape):
    """Return an untrained network of one hidden layer; of images one with a convolution."""
    d = math.prod(shape)
    if len(shape) == 1:
        return nn.Sequential(nn.Linear(d, 64), nn.ReLU(), nn.Linear(64, classes))
    first = [nn.Conv2d(shape[0], 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()]
    return nn.Sequential(
        *first, nn.Linear(8 * (shape[1] // 2) * (shape[2] // 2), 64), nn.ReLU(), nn.Linear(64, classes)
    )


@functools.cache
def fitted(classes, shape, without=(), seed=0, steps=300):
    """Return a network trained on all classes but those `without`; no test may change what it returns."""
    x, y = pictures(classes, shape)
    kept = ~torch.isin(y, torch.tensor(without, dtype=torch.long))
    x, y = x[kept], y[kept]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = network(classes, shape)
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(steps):
            rows = torch.randint(len(y), (64,))
            loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    model.zero_grad(set_to_none=True)
    return model.eval()
