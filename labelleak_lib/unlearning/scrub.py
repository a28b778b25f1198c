"""SCRUB: a student leaves its teacher on the forget set and stays with it on the retained data."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from labelleak_lib.checks import require_int, require_number
from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier, extract_features
from labelleak_lib.registry import METHODS
from labelleak_lib.unlearning.descent import Descent, device_of, divergence, finished, placed


@METHODS.register("SCRUB")
@dataclass(frozen=True)
class Scrub(Descent):
    """Scalable remembering and unlearning unbound (Kurmanji, Triantafillou, Hayes and Triantafillou, NeurIPS 2023).

    The teacher is M_o, frozen; the student starts as its copy. With d(x) = T^2 KL(softmax(teacher / T) ‖
    softmax(student / T)): each of the first passes climbs the mean of d over D_f, and every pass then descends the mean
    of alpha d + gamma CE over D_r. Where there is no batch norm, the first climb has hardly a slope, since the student
    still is its teacher. Theirs: losses, order, and the settings of their large runs (3 passes, 2 of them climbing,
    rate 5e-4, weight decay 5e-4, T 4, alpha 0.001, gamma 0.99). Their code also has a distance of parameters, weighed
    0. Ours: rates for small networks, a bound on the gradient's norm (d has no maximum, and the climb may destroy the
    model), and batch norm's running averages, which do not see D_f's batches.

    Parameters
    ----------
    leaving : float
        Share of the passes, the first ones, that climb on D_f, in [0, 1].
    forget_batch_size : int
        Forget samples a step.
    temperature, alpha, gamma : float
        T, and the weights of d and of the cross-entropy on D_r.
    """

    epochs: int = 3
    lr: float = 5e-4
    weight_decay: float = 5e-4
    leaving: float = 0.67
    forget_batch_size: int = 32
    temperature: float = 4.0
    alpha: float = 0.001
    gamma: float = 0.99
    title: ClassVar[str] = "SCRUB"
    order: ClassVar[int] = 8
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"lr": 0.003, "clip_norm": 1.0, "leaving": 0.3, "min_steps": 300},
        "lenet": {"lr": 0.003, "clip_norm": 1.0, "epochs": 2, "leaving": 0.5, "min_steps": 200},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("leaving", self.leaving, low=0, high=1)
        require_int("forget_batch_size", self.forget_batch_size, low=1)
        require_number("temperature", self.temperature, above=0)
        require_number("alpha", self.alpha, low=0)
        require_number("gamma", self.gamma, low=0)

    def distance(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Return the mean over the batch of d, of logits (n, classes)."""
        softened = (teacher / self.temperature).softmax(1)
        return self.temperature**2 * divergence(softened, student, self.temperature)

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a student of `original` that left it on `forget` and stayed with it on `retain`."""
        with torch.no_grad():
            known_f, known_r = (original.head(extract_features(original, s.images)) for s in (forget, retain))
        model = copy.deepcopy(original)
        optimiser, device = self.optimiser_of(model), device_of(model)
        passes = self.passes(retain)
        for t in passes:
            climbing = t < round(self.leaving * len(passes))
            model.eval()
            for index in self.one_pass(forget, generator, self.forget_batch_size) if climbing else ():
                images, _ = placed(forget, index, device)
                self.step(optimiser, -self.distance(known_f[index.to(device)], model(images)))
            model.train()
            for index in self.one_pass(retain, generator):
                images, labels = placed(retain, index, device)
                logits = model(images)
                stay = self.distance(known_r[index.to(device)], logits)
                self.step(optimiser, self.alpha * stay + self.gamma * nn.functional.cross_entropy(logits, labels))
        return finished(model)
