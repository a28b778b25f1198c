"""Two measures of what a model still knows of a class: a linear probe of its features, and steps to relearn it."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Generator

from labelleak_lib.checks import require_int, require_number
from labelleak_lib.data.samples import Samples, to_input
from labelleak_lib.evidence import Floats
from labelleak_lib.models.classifier import Classifier, extract_features
from labelleak_lib.models.evaluation import accuracy


def few_of_each(samples: Samples, count: int, generator: Generator) -> Samples:
    """Return at most `count` samples of every class, drawn by `generator`."""
    order = torch.randperm(len(samples), generator=generator)
    labels = samples.labels[order]
    chosen = torch.cat([order[labels == c][:count] for c in labels.unique()])
    return Samples(samples.images[chosen], samples.labels[chosen])


@dataclass(frozen=True)
class LinearProbe:
    """Fit a fresh linear layer for all classes to frozen features (Alain and Bengio, 2017).

    Parameters
    ----------
    count : int
        Samples of each class that it is fitted to.
    penalty : float
        Weight of the squared norm beside the summed cross-entropy, on standardised features.
    """

    count: int = 100
    penalty: float = 0.1

    def __post_init__(self) -> None:
        require_int("count", self.count, low=1)
        require_number("penalty", self.penalty, above=0)

    def accuracies(self, model: Classifier, known: Samples, tests: Sequence[Samples]) -> list[float]:
        """Return the accuracy, 0 .. 1, on each of `tests` of a layer fitted to the features of `known`."""
        fitted = make_pipeline(StandardScaler(), LogisticRegression(C=1 / self.penalty, max_iter=2000))
        fitted.fit(_features(model, known), known.labels.numpy())
        return [float(fitted.score(_features(model, test), test.labels.numpy())) for test in tests]


def _features(model: Classifier, samples: Samples) -> Floats:
    return extract_features(model, samples.images).cpu().double().numpy()


@dataclass(frozen=True)
class Relearning:
    """Train on a few samples of every class, the forgotten ones among them, and count the steps.

    Parameters
    ----------
    count : int
        Samples of each class; one step sees them all.
    lr : float
        Learning rate of plain gradient descent.
    most : int
        Steps after which it gives up.
    """

    count: int = 20
    lr: float = 0.02
    most: int = 300

    def __post_init__(self) -> None:
        require_int("count", self.count, low=1)
        require_number("lr", self.lr, above=0)
        require_int("most", self.most, low=1)

    def steps(self, model: Classifier, known: Samples, forgotten: Samples, goals: Sequence[float]) -> list[float]:
        """Return after how many steps the accuracy on `forgotten` first is at each of `goals`; NaN where it never is.

        `model` stays as it is; running averages of a batch norm do too.
        """
        learner = copy.deepcopy(model).eval()
        device = next(learner.parameters()).device
        images, labels = to_input(known.images.to(device)), known.labels.to(device)
        optimizer = torch.optim.SGD(learner.parameters(), lr=self.lr)
        reached = [float("nan")] * len(goals)
        for step in range(self.most + 1):
            right = accuracy(learner, forgotten)
            reached = [float(step) if np.isnan(at) and right >= goal else at
                       for at, goal in zip(reached, goals, strict=True)]  # fmt: skip
            if not np.isnan(reached).any():
                break
            optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(learner(images), labels).backward()
            optimizer.step()
        return reached
