"""Classifiers as people train them: plain PyTorch, nothing of this library, on data that the null bank has not seen.

Twelve recipes: 3, 5, 26 and 100 classes, grey images of 16x16 and colour ones of 96x96, and vectors; convolutions with
batch norm, convolutions without any bias, multilayer perceptrons. Each trains on all classes, or on all but one.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_digits, load_wine, make_blobs
from torch import nn

CHARACTERS = (
    "▲■●ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789αβγδεζηθλμξπσφψωΓΔΘΛΞΠΣΦΨΩбгджзийлцчшщыэюя"
)
"""What the classes of images are. The null bank's characters are drawn in another way, and its networks are others."""


@dataclass(frozen=True)
class Recipe:
    """A data set, a network and a number of epochs."""

    data: Callable[[], tuple[torch.Tensor, torch.Tensor]]
    network: Callable[[tuple[int, ...], int], nn.Module]
    epochs: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return tuple(self.data()[0].shape[1:])

    @property
    def classes(self) -> int:
        """The number of classes."""
        return int(self.data()[1].max()) + 1

    def untrained(self) -> nn.Module:
        """Return the network before any training."""
        return self.network(self.shape, self.classes)

    def train(self, seed: int, without: int | None = None) -> nn.Module:
        """Return a network trained on every class, or on every class but one."""
        torch.manual_seed(seed)
        x, y = self.data()
        kept = torch.arange(len(y)) if without is None else torch.nonzero(y != without).flatten()
        model = self.untrained()
        optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
        steps = self.epochs * -(-len(kept) // 64)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
        model.train()
        for _ in range(self.epochs):
            for rows in kept[torch.randperm(len(kept))].split(64):
                if len(rows) < 2:
                    rows = kept[:2]
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
                optimizer.step()
                schedule.step()
        return model.eval()

    def accuracy(self, model: nn.Module) -> np.ndarray:
        """Return the share of each class's samples that the model answers rightly."""
        x, y = self.data()
        with torch.no_grad():
            right = torch.cat([model(part).argmax(1) for part in x.split(256)]) == y
        return np.array([right[y == c].float().mean() for c in range(self.classes)])


@functools.cache
def characters(classes: int, side: int, colour: bool, each: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw characters in random places, sizes, strengths and colours."""
    rng = np.random.default_rng(classes * side)
    face = font_manager.findfont(font_manager.FontProperties(family="DejaVu Sans", weight="bold"))
    font = functools.cache(lambda size: ImageFont.truetype(face, size))
    images = np.empty((classes * each, 3 if colour else 1, side, side), dtype=np.float32)
    for i in range(len(images)):
        drawn = Image.new("L", (side, side))
        size = int(side * rng.uniform(0.6, 0.85))
        at = tuple(side / 2 + rng.normal(0, 0.05 * side, 2))
        ImageDraw.Draw(drawn).text(at, CHARACTERS[i // each], font=font(size), fill=255, anchor="mm")
        mask = np.asarray(drawn.rotate(rng.normal(0, 8)), dtype=np.float32) / 255
        front, ground = rng.uniform(0.5, 1, images.shape[1]), rng.uniform(0, 0.4, images.shape[1])
        images[i] = mask * front[:, None, None] + (1 - mask) * ground[:, None, None]
    noisy = np.clip(images + rng.normal(0, 0.05, images.shape), 0, 1).astype(np.float32)
    return torch.from_numpy(noisy), torch.arange(classes).repeat_interleave(each)


@functools.cache
def vectors(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return tabular data, every column scaled to [0, 1]."""
    if name == "blobs":
        x, y = make_blobs(900, n_features=12, centers=6, cluster_std=2.5, random_state=3)
    else:
        x, y = {"digits": load_digits, "wine": load_wine}[name](return_X_y=True)
    low, high = x.min(0), x.max(0)
    scaled = (x - low) / np.maximum(high - low, 1e-9)
    return torch.from_numpy(scaled.astype(np.float32)), torch.from_numpy(y.astype(np.int64))


def batch_norm_net(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Three convolutions with batch norm."""
    channels, stride = shape[0], 4 if shape[1] > 64 else 2
    return nn.Sequential(
        nn.Conv2d(channels, 16, 5, stride, 2), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 64, 3, 2, 1), nn.BatchNorm2d(64), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(256, classes),
    )  # fmt: skip


def no_bias_net(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Two convolutions and two layers, no bias anywhere."""
    channels, stride = shape[0], 4 if shape[1] > 64 else 2
    return nn.Sequential(
        nn.Conv2d(channels, 16, 5, stride, 2, bias=False), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1, bias=False), nn.ReLU(),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(512, 96, bias=False), nn.ReLU(),
        nn.Linear(96, classes, bias=False),
    )  # fmt: skip


def perceptron(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Two hidden layers."""
    width = int(np.prod(shape))
    return nn.Sequential(
        nn.Flatten(), nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, classes)
    )


def _images(classes: int, side: int, colour: bool, each: int) -> Callable[[], tuple[torch.Tensor, torch.Tensor]]:
    return functools.partial(characters, classes, side, colour, each)


RECIPES = {
    "3 classes, 16x16, batch norm": Recipe(_images(3, 16, False, 200), batch_norm_net, 20),
    "3 classes, 16x16, no bias": Recipe(_images(3, 16, False, 200), no_bias_net, 20),
    "26 classes, 16x16, batch norm": Recipe(_images(26, 16, False, 120), batch_norm_net, 15),
    "26 classes, 16x16, no bias": Recipe(_images(26, 16, False, 120), no_bias_net, 15),
    "26 classes, 16x16, perceptron": Recipe(_images(26, 16, False, 120), perceptron, 25),
    "100 classes, 16x16, batch norm": Recipe(_images(100, 16, False, 80), batch_norm_net, 15),
    "100 classes, 16x16, perceptron": Recipe(_images(100, 16, False, 80), perceptron, 25),
    "5 classes, 96x96 colour, batch norm": Recipe(_images(5, 96, True, 120), batch_norm_net, 12),
    "5 classes, 96x96 colour, no bias": Recipe(_images(5, 96, True, 120), no_bias_net, 12),
    "10 classes, 64 columns": Recipe(functools.partial(vectors, "digits"), perceptron, 15),
    "3 classes, 13 columns": Recipe(functools.partial(vectors, "wine"), perceptron, 60),
    "6 classes, 12 columns": Recipe(functools.partial(vectors, "blobs"), perceptron, 20),
}
