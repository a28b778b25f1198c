"""BT: one teacher that knows nothing for the forget set, and the original model for the rest."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator

from labelleak_lib.checks import require, require_number
from labelleak_lib.data.samples import Samples, join
from labelleak_lib.models import classifier
from labelleak_lib.models.classifier import Classifier, extract_features
from labelleak_lib.registry import METHODS
from labelleak_lib.unlearning.descent import Descent, device_of, divergence, finished, placed


@METHODS.register("BT")
@dataclass(frozen=True)
class BadTeacher(Descent):
    """Bad teaching (Chundawat, Tarun, Mandal and Kankanhalli, AAAI 2023).

    Minimises KL(softmax(teacher / T) ‖ softmax(student / T)) over D_f and a `share` of D_r, shuffled together; the
    teacher is a freshly drawn network on D_f and M_o on D_r. Theirs: the loss, T 1, Adam, one pass at rate 1e-4, 30% of
    D_r, batch 256. Ours: the mean over samples (theirs, torch's default, is smaller by the number of classes, which
    Adam does not see), and rates for small networks.

    Parameters
    ----------
    share : float
        Share of D_r that is read, in [0, 1].
    temperature : float
        T.
    """

    epochs: int = 1
    lr: float = 1e-4
    batch_size: int = 256
    optimiser: str = "adam"
    share: float = 0.3
    temperature: float = 1.0
    title: ClassVar[str] = "bad teacher"
    order: ClassVar[int] = 10
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"lr": 0.01, "share": 1.0, "min_steps": 100},
        "lenet": {"lr": 0.003, "share": 0.3, "epochs": 2, "min_steps": 100},
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("share", self.share, low=0, high=1)
        require_number("temperature", self.temperature, above=0)

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a student of both teachers, which started as a copy of `original`."""
        require(len(forget) > 0, "forget", "empty", "at least one labelled image")
        seed = int(torch.randint(2**31, (1,), generator=generator))
        ignorant = classifier.build(original.spec, seed=seed).to(device_of(original))
        few = torch.randperm(len(retain), generator=generator)[: round(self.share * len(retain))]
        some = Samples(retain.images[few], retain.labels[few])
        parts = ((ignorant, forget), (original, some))
        with torch.no_grad():
            logits = torch.cat([teacher.head(extract_features(teacher, s.images)) for teacher, s in parts if len(s)])
        answers, taught = (logits / self.temperature).softmax(1), join(forget, some)
        model = copy.deepcopy(original).train()
        optimiser, device = self.optimiser_of(model), device_of(model)
        for _ in self.passes(taught):
            for index in self.one_pass(taught, generator):
                images, _ = placed(taught, index, device)
                self.step(optimiser, divergence(answers[index.to(device)], model(images), self.temperature))
        return finished(model)
