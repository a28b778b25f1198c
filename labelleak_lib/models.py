"""Architectures: each is `features` (the paper's phi) followed by `head` (one linear layer, the paper's w)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from labelleak_lib.checks import require, require_choice, require_int
from labelleak_lib.half_precision import HalfPrecision
from labelleak_lib.tap_exact import skip_padding_taps


class Standardise(nn.Module):
    """Map pixel values in [0, 1] to about zero mean and unit scale, by constants that hold for every data set."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (x - 1/2) * 4 of images (n, channels, side, side)."""
        # channels-last strides make the convolutions of small images up to twice as fast on a CPU
        return ((x - 0.5) * 4.0).contiguous(memory_format=torch.channels_last)


class MaxPool(nn.MaxPool2d):
    """Maxima of 2x2 pixels, for even sides."""

    def __init__(self) -> None:
        super().__init__(2)

    def forward(self, input: Tensor) -> Tensor:
        """Return the maxima (n, channels, height / 2, width / 2) of `input` (n, channels, height, width)."""
        if input.requires_grad:
            # of equal pixels exactly one gets the gradient
            return super().forward(input)
        # the same values up to five times as fast: torch's own kernel is slow on few channels in channels-last order
        rows = torch.maximum(input[:, :, ::2], input[:, :, 1::2])
        return torch.maximum(rows[..., ::2], rows[..., 1::2])


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
    """A feature extractor phi: X -> R^d and a last linear layer w.

    Parameters
    ----------
    spec : ModelSpec
        What the classifier was built from.
    features : nn.Module
        Maps float images (n, channels, side, side) in [0, 1] to features (n, d).
    head : nn.Linear
        Maps features (n, d) to logits (n, classes).
    """

    def __init__(self, spec: ModelSpec, features: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.spec = spec
        self.features = features
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, classes) of images (n, channels, side, side) with values in [0, 1]."""
        return self.head(self.features(x))


def _small(channels: int) -> tuple[nn.Module, int]:
    layers = [
        *(Standardise(), nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, padding=1), MaxPool(), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(32 * 4 * 4, 64), nn.ReLU()),
    ]
    return nn.Sequential(*layers), 64


def _lenet(channels: int) -> tuple[nn.Module, int]:
    # maximum and ReLU commute exactly, and ReLU after pooling has a quarter of the work
    layers = [
        *(Standardise(), nn.Conv2d(channels, 6, 5, padding=2), MaxPool(), nn.ReLU()),
        *(nn.Conv2d(6, 16, 5), MaxPool(), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(16 * 5 * 5, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()),
    ]
    return nn.Sequential(*layers), 84


def _resnet18(channels: int) -> tuple[nn.Module, int]:
    from torchvision.models import resnet18

    network = resnet18(weights=None)
    width = network.fc.in_features
    network.fc = nn.Identity()
    if channels != 3:
        network.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    skip_padding_taps(network)
    return HalfPrecision(Standardise(), network), width


@dataclass(frozen=True)
class Architecture:
    """An architecture's input side in pixels and the function that builds its feature extractor."""

    side: int
    build: Callable[[int], tuple[nn.Module, int]]


ARCHITECTURES = {
    "small": Architecture(8, _small),
    "lenet": Architecture(28, _lenet),
    "resnet18": Architecture(32, _resnet18),
}


def default_architecture(channels: int, side: int) -> str:
    """Return the architecture for images of this shape: small (8x8), LeNet (28x28 grey), else ResNet18 (32x32)."""
    if side == 8:
        return "small"
    return "lenet" if side == 28 and channels == 1 else "resnet18"


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


def resolve_device(device: str) -> torch.device:
    """Return the torch device named `device` ("auto" picks CUDA when there is one, else the CPU).

    Raises
    ------
    ValueError
        If the device is unknown or not on this machine.
    """
    valid = "auto, cpu, cuda, cuda:N or mps"
    require(isinstance(device, str) and re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device), "device", device, valid)
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    chosen = torch.device(device)
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[chosen.type]
    if there and chosen.type == "cuda":
        there = (chosen.index or 0) < torch.cuda.device_count()
    require(there, "device", device, "a device of this machine; 'auto' and 'cpu' always work")
    return chosen


def to_input(images: Tensor) -> Tensor:
    """Scale uint8 images (any shape) to float32 in [0, 1]; float images pass unchanged."""
    return images.float().div_(255) if images.dtype == torch.uint8 else images


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
