"""DELETE: distil the original model's answers on the forget set, the true class masked out."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor

from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier, extract_features
from labelleak_lib.registry import METHODS
from labelleak_lib.unlearning.descent import Descent, device_of, divergence, finished, placed


@torch.no_grad()
def masked_answers(model: Classifier, samples: Samples) -> Tensor:
    """Return what `model` would answer if each sample's true class did not exist: probabilities (n, classes)."""
    logits = model.head(extract_features(model, samples.images))
    labels = samples.labels.to(logits.device)
    return logits.scatter(1, labels[:, None], -torch.inf).softmax(1)


@METHODS.register("DELETE")
@dataclass(frozen=True)
class Delete(Descent):
    """Decoupled distillation to erase (Zhou, Zheng, Lin, Li and Zheng, CVPR 2025).

    Minimises over D_f the mean of KL(p̃_o(x) ‖ p(x)), where p̃_o is the softmax of M_o's logits after the true class's
    is set to minus infinity. Only that class is masked, so with several forgotten classes some of them may be the
    target of others. Theirs: loss, SGD with momentum 0.9, 20 passes at batch 128. Ours: learning rates for small
    networks (theirs is 1e-4), and running averages of batch norm that stay M_o's, since a batch of forgotten images
    alone would overwrite them.
    """

    epochs: int = 20
    lr: float = 0.01
    title: ClassVar[str] = "DELETE"
    order: ClassVar[int] = 5
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"lr": 0.003, "min_steps": 0},
        "lenet": {"lr": 0.003, "epochs": 5, "min_steps": 100},
    }

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a copy of `original` that answers `forget` with other classes; `retain` is not read."""
        targets, model = masked_answers(original, forget), copy.deepcopy(original).eval()
        optimiser, device = self.optimiser_of(model), device_of(model)
        for _ in self.passes(forget):
            for index in self.one_pass(forget, generator):
                images, _ = placed(forget, index, device)
                self.step(optimiser, divergence(targets[index.to(device)], model(images)))
        return finished(model)
