"""Models trained in another way altogether: by Adam, on shifted images."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from labelleak_lib.checks import require_int, require_number
from labelleak_lib.data.samples import to_input
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.training import batches
from labelleak_lib.registry import NULLS
from labelleak_lib.trials.originals import untrained
from labelleak_lib.trials.seeds import make_generator
from labelleak_lib.trials.specification import TrialSpec


@NULLS.register("adam")
@dataclass(frozen=True)
class AdamShifted:
    """Train by Adam at a constant rate, every batch moved by up to `shift` pixels.

    Parameters
    ----------
    epochs, batch_size : int
        Passes over the data, and samples a step.
    lr : float
        Step size.
    shift : int
        Largest move along each side, in pixels; what leaves on one side comes in on the other.
    """

    epochs: int = 5
    batch_size: int = 64
    lr: float = 0.001
    shift: int = 1
    name: ClassVar[str]
    title: ClassVar[str] = "Adam, shifted images"
    order: ClassVar[int] = 5

    def __post_init__(self) -> None:
        require_int("epochs", self.epochs, low=1)
        require_int("batch_size", self.batch_size, low=1)
        require_number("lr", self.lr, above=0)
        require_int("shift", self.shift, low=0)

    def make(self, spec: TrialSpec) -> Classifier:
        """Return the model."""
        model, samples, generator = untrained(spec), spec.part("train"), make_generator(spec.train_seed, "adam")
        device = next(model.parameters()).device
        optimizer = torch.optim.Adam(model.parameters(), self.lr)
        model.train()
        for _ in range(max(self.epochs, -(-400 * self.batch_size // len(samples)))):
            for index in batches(len(samples), self.batch_size, generator):
                move = torch.randint(-self.shift, self.shift + 1, (2,), generator=generator).tolist()
                images = to_input(samples.images[index]).roll(move, dims=(2, 3))
                optimizer.zero_grad(set_to_none=True)
                nn.functional.cross_entropy(model(images.to(device)), samples.labels[index].to(device)).backward()
                optimizer.step()
        return model.eval()
