"""Architectures: each is `features` (the paper's phi) followed by `head` (one linear layer, the paper's w)."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from labelleak_lib.checks import require_choice, require_int
from labelleak_lib.data.samples import to_input
from labelleak_lib.registry import ARCHITECTURES


@dataclass(frozen=True)
class ModelSpec:
    """What is needed to build a classifier anew: architecture name, number of classes, input channels."""

    architecture: str
    classes: int
    channels: int

    def __post_init__(self) -> None:
        require_choice("architecture", self.architecture, tuple(ARCHITECTURES))
        require_int("classes", self.classes, low=2)
        require_int("channels", self.channels, low=1, high=4)

    @property
    def side(self) -> int:
        """Height and width of the input in pixels."""
        return ARCHITECTURES[self.architecture].side

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one input image: (channels, height, width)."""
        return (self.channels, self.side, self.side)


class Classifier(nn.Module):
    """A feature extractor phi: X -> R^d and a last linear layer w, built from `spec`.

    `features` maps float images (n, channels, side, side) in [0, 1] to features (n, d), `head` these to logits
    (n, classes).
    """

    def __init__(self, spec: ModelSpec, features: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.spec = spec
        self.features = features
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, classes) of images (n, channels, side, side) with values in [0, 1]."""
        return self.head(self.features(x))


def build(spec: ModelSpec, *, seed: int) -> Classifier:
    """Build a classifier with torch's default initialisation drawn from `seed`; the global generator is left alone."""
    require_int("seed", seed, low=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        features, width = ARCHITECTURES[spec.architecture].build(spec.channels)
        model = Classifier(spec, features, nn.Linear(width, spec.classes))
    return model.to(memory_format=torch.channels_last)


@contextlib.contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put `model` into evaluation mode, and back into the mode it was in."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


@torch.no_grad()
def extract_features(model: Classifier, images: Tensor, *, batch_size: int = 1024) -> Tensor:
    """Return phi of `images` (uint8 or float in [0, 1], (n, channels, side, side)) as float32 (n, d), in eval mode."""
    device = next(model.parameters()).device
    with evaluation_mode(model):
        return torch.cat([model.features(to_input(batch.to(device))) for batch in images.split(batch_size)])


@torch.no_grad()
def predict_proba(model: Classifier, images: Tensor, *, batch_size: int = 1024) -> Tensor:
    """Return class probabilities float32 (n, classes) of `images` (uint8 or float in [0, 1]), in eval mode."""
    return torch.softmax(model.head(extract_features(model, images, batch_size=batch_size)), dim=1)


def flat_head(model: Classifier) -> Tensor:
    """Return w_u: the head's weight and bias, flattened row by row to (classes * (d + 1),)."""
    with torch.no_grad():
        return torch.cat([model.head.weight, model.head.bias[:, None]], dim=1).flatten().clone()
