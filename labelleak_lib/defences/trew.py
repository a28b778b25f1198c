"""TREW: teach the forgotten samples to look as they would to a model that never saw their class."""

import copy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from labelleak_lib.checks import require_number
from labelleak_lib.data.samples import Samples
from labelleak_lib.defences.descent import descend, draw, require_descent
from labelleak_lib.defences.rows import gone
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.registry import DEFENCES


def tilted(log_p: Tensor, similarity: Tensor, forgotten: Tensor, beta: float) -> Tensor:
    """Return q_i proportional to p_i exp(beta * s_i) over the retained classes, 0 for the others: (n, C).

    `log_p` (n, C) are log-probabilities, `similarity` (n, C) the s of each sample's class, `forgotten` bool (C,). Of
    all distributions over the retained classes with the same expected similarity q is the one nearest to p, in
    Kullback and Leibler's sense.

    >>> log_p = torch.tensor([[0.5, 0.25, 0.25]]).log()
    >>> gone, alike = torch.tensor([True, False, False]), torch.tensor([[0.0, 1.0, 0.0]])
    >>> [round(q, 3) for q in tilted(log_p, alike, gone, beta=1.0)[0].tolist()]
    [0.0, 0.731, 0.269]
    """
    return (log_p + beta * similarity).masked_fill(forgotten, -float("inf")).softmax(dim=1)


@DEFENCES.register("trew")
@dataclass(frozen=True)
class Trew:
    """Minimise CE(D_r) + CE(q, D_f) with the tilted distribution q of `tilted` (Ebrahimpour-Boroojeny et al., 2025).

    After arXiv 2506.20893: p are the probabilities of the model as it was handed over, s a softmax over the retained
    classes of the cosines between rows of the last layer, beta is 10. It unlearns by itself there, starting from M_o.
    Ours: rows are centred and not projected onto principal components first, and `sharpness` of the softmax.

    Parameters
    ----------
    steps, batch_size : int
        Steps, and samples of D_r and of D_f a step.
    lr : float
        Rate, which falls to 0.
    beta : float
        Strength of the tilt.
    sharpness : float
        What the cosines are multiplied by in the softmax.
    """

    steps: int = 400
    batch_size: int = 64
    lr: float = 0.02
    beta: float = 10.0
    sharpness: float = 10.0
    title: ClassVar[str] = "TREW"
    order: ClassVar[int] = 5
    unlearns: ClassVar[bool] = True
    adaptive: ClassVar[tuple[str, ...]] = ("row_distance", "row_norm", "gradient_reach")

    def __post_init__(self) -> None:
        require_descent(self.steps, self.lr, self.batch_size)
        require_number("beta", self.beta, low=0)
        require_number("sharpness", self.sharpness, above=0)

    def similarity(self, model: Classifier, forgotten: Tensor) -> Tensor:
        """Return how alike the classes are, (C, C): rows are at least 0, with the sum 1 over the retained classes."""
        rows = model.head.weight.detach() - model.head.weight.detach().mean(0)
        cosines = nn.functional.normalize(rows) @ nn.functional.normalize(rows).T
        return (self.sharpness * cosines).masked_fill(forgotten, -float("inf")).softmax(dim=1)

    def defend(self, model: Classifier, retain: Samples, forget: Samples, *, generator: torch.Generator) -> Classifier:
        """Return `model` trained on; where nothing is forgotten, as it is."""
        forgotten = gone(model, forget)
        if not forgotten.any():
            return model
        before, alike = copy.deepcopy(model).eval(), self.similarity(model, forgotten)
        device = model.head.weight.device

        def loss() -> Tensor:
            kept, labels = draw(retain, self.batch_size, generator, device)
            lost, classes = draw(forget, self.batch_size, generator, device)
            with torch.no_grad():
                target = tilted(before(lost).log_softmax(1), alike[classes], forgotten, self.beta)
            fit = nn.functional.cross_entropy
            return fit(model(kept), labels) + fit(model(lost), target)

        return descend(model, loss, steps=self.steps, lr=self.lr)
