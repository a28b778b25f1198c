"""What the threat model grants an attacker (paper, Table I and section III-C), and nothing more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from labelleak_lib.checks import require, require_int
from labelleak_lib.data.samples import Samples
from labelleak_lib.models import classifier
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.space import InputSpace

SUM_TOLERANCE = 1e-2
"""How far probabilities may be from the sum 1: half precision and answers of few digits are."""


@dataclass(frozen=True, eq=False)
class WhiteBox:
    """The target model with all its parameters, and no data."""

    model: Classifier

    @property
    def classes(self) -> int:
        """Number of classes of the target model."""
        return self.model.spec.classes

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (channels, height, width) of one input image."""
        return self.model.spec.shape

    @property
    def space(self) -> InputSpace:
        """Where the target model's inputs live."""
        return InputSpace(self.shape)


@dataclass(frozen=True, eq=False)
class WhiteBoxWithSamples(WhiteBox):
    """The target model with all its parameters, and a few samples of every class.

    Parameters
    ----------
    pool : Samples
        The attacker pool: labelled samples the target was not trained on, of every candidate class.
    unrelated : Tensor
        uint8 (m, channels, side, side); images that have nothing to do with the task.
    known_retained, known_forgotten : frozenset of int
        Classes the attacker knows to be retained, and those whose auxiliary heads carry the label "forgotten": the
        truth under the `paper` protocol (which presupposes the answer), empty under the `attacker` protocol.
    """

    pool: Samples
    unrelated: Tensor
    known_retained: frozenset[int]
    known_forgotten: frozenset[int] = frozenset()

    @property
    def protocol(self) -> str:
        """Return "paper" where the heads carry the answer, else "attacker"."""
        return "paper" if self.known_forgotten else "attacker"


class QueryBudgetError(RuntimeError):
    """The black box refused a query because its budget was spent."""


class BlackBox:
    """A query function, and nothing else: it counts its queries and can enforce a budget.

    Parameters
    ----------
    answer : callable
        Maps float inputs `(n, *shape)` to probabilities (n, classes).
    classes : int
        Number of classes.
    shape : tuple of int or InputSpace
        Where the inputs live; of a tuple, images of this shape (channels, height, width) with values in [0, 1].
    labels_only : bool
        Answer with one-hot vectors of the most probable class instead of probabilities.
    budget : int, optional
        Largest number of images answered.
    """

    def __init__(
        self, answer: Callable[[Tensor], Tensor], classes: int, shape: tuple[int, int, int] | InputSpace, *,
        labels_only: bool = False, budget: int | None = None,
    ) -> None:  # fmt: skip
        require_int("classes", classes, low=2)
        if budget is not None:
            require_int("budget", budget, low=1)
        self._answer, self.classes = answer, classes
        self.labels_only, self.budget = labels_only, budget
        self.space = shape if isinstance(shape, InputSpace) else InputSpace(shape)
        self.queries = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (channels, height, width) of one input image; vectors have none, `space` tells theirs."""
        channels, height, width = self.space.shape
        return channels, height, width

    @classmethod
    def of(cls, model: Classifier, *, labels_only: bool = False, budget: int | None = None) -> BlackBox:
        """Return the black box around `model`, as its provider would offer it."""
        answer = partial(classifier.predict_proba, model, batch_size=2048)
        return cls(answer, model.spec.classes, model.spec.shape, labels_only=labels_only, budget=budget)

    def query(self, images: Tensor) -> Tensor:
        """Return float32 probabilities (n, classes) of float `images` `(n, *shape)` inside the box of `space`.

        ValueError if the images have another shape or leave the box, or the answers are no probabilities of these
        classes; QueryBudgetError if answering would exceed the budget, and nothing is answered then.
        """
        shape = self.space.shape
        require(tuple(images.shape[1:]) == shape, "images", tuple(images.shape), f"of shape (n, *{shape})")
        low, high = (float(images.min()), float(images.max())) if len(images) else (0.0, 0.0)
        require(self.space.holds(images), "images", (low, high), f"within [{self.space.low}, {self.space.high}]")
        if self.budget is not None and self.queries + len(images) > self.budget:
            raise QueryBudgetError(f"{self.queries + len(images)} queries asked, the budget is {self.budget}")
        self.queries += len(images)
        probabilities = self._answer(images)
        self._require_probabilities(probabilities, len(images))
        if self.labels_only:
            return torch.nn.functional.one_hot(probabilities.argmax(1), self.classes).float()
        return probabilities

    def _require_probabilities(self, answers: Tensor, n: int) -> None:
        valid = f"({n}, {self.classes}) for {n} images: one number a class"
        require(
            tuple(answers.shape) == (n, self.classes), "shape of the black box's answers", tuple(answers.shape), valid
        )
        require(bool(torch.isfinite(answers).all()), "black box's answers", "not finite", "finite numbers")
        if self.labels_only or n == 0:
            return  # of logits, too, the largest is the label
        sums, low = answers.sum(1), float(answers.min())
        given = f"from {low:.3g}, with sums from {float(sums.min()):.3g} to {float(sums.max()):.3g}"
        valid = "probabilities, at least 0 with the sum 1; logits need a softmax first"
        require(low >= 0 and float((sums - 1).abs().max()) < SUM_TOLERANCE, "black box's answers", given, valid)


@dataclass(frozen=True, eq=False)
class BlackBoxWithSamples:
    """A query function, and images of which the attacker knows, or thinks to know, the class.

    Parameters
    ----------
    box : BlackBox
        The query function; its outputs need not be as many as the classes, nor in their order.
    images : Tensor
        uint8 or float in [0, 1], (n, channels, side, side).
    labels : Tensor
        int64 (n,), below `classes`.
    classes : int
        C, the classes that the attacker knows of.
    """

    box: BlackBox
    images: Tensor
    labels: Tensor
    classes: int
