"""Decoy training: give a forgotten class a retained one's reach, among inputs unrelated to any class."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from labelleak_lib.checks import require, require_int, require_number
from labelleak_lib.data.samples import Samples
from labelleak_lib.defences.descent import descend, draw, require_descent
from labelleak_lib.defences.rows import gone
from labelleak_lib.models.classifier import Classifier, extract_features
from labelleak_lib.registry import DEFENCES
from labelleak_lib.space import FAMILIES, InputSpace


@DEFENCES.register("decoy")
@dataclass(frozen=True)
class Decoy:
    """Minimise CE(D_r) + weight * CE(t, U) - guard * log(1 - p_f)(D_f), U inputs that have nothing to do with the task.

    The target t(x) is the model's own answer before, but for the decoys: as many inputs as a retained class is answered
    with (the median), on which the answers of the most probable and of the forgotten class change places. Decoys are
    the inputs farthest along a random direction of the features, so that they lie together and can be learnt, and tell
    nothing of the class that was forgotten. The last term, the unlikelihood of Welleck et al. (2020), holds D_f away
    from its class where a method has only pushed it down; after retraining it is near zero, and `guard=0` reads no
    forgotten sample at all. Ours.

    Parameters
    ----------
    inputs : int
        Unrelated inputs, spread evenly over the families.
    families : tuple of str
        Names of `labelleak_lib.space.FAMILIES`.
    steps, batch_size : int
        Steps, and samples of D_r and of U a step.
    lr : float
        Rate, which falls to 0.
    weight : float
        What an unrelated input counts beside a sample of D_r.
    guard : float
        What a forgotten sample counts that comes back.
    """

    inputs: int = 4000
    families: tuple[str, ...] = ("blobs", "shapes", "gratings", "photos")
    steps: int = 800
    batch_size: int = 128
    lr: float = 0.05
    weight: float = 1.0
    guard: float = 1.0
    title: ClassVar[str] = "decoys"
    order: ClassVar[int] = 7
    adaptive: ClassVar[tuple[str, ...]] = ("other_inputs", "row_distance", "row_norm", "row_evenness")

    def __post_init__(self) -> None:
        require_int("inputs", self.inputs, low=1)
        listed = isinstance(self.families, tuple) and len(self.families) > 0 and set(self.families) <= set(FAMILIES)
        require(listed, "families", self.families, f"a tuple of {', '.join(FAMILIES)}")
        require_descent(self.steps, self.lr, self.batch_size)
        require_number("weight", self.weight, above=0)
        require_number("guard", self.guard, low=0)

    def defend(self, model: Classifier, retain: Samples, forget: Samples, *, generator: torch.Generator) -> Classifier:
        """Return `model` trained on; where nothing is forgotten, as it is."""
        forgotten = gone(model, forget)
        if not forgotten.any():
            return model
        device = model.head.weight.device
        unrelated = self.unrelated(model, generator).to(device)
        penalty = self.penalty(model, forgotten, generator)
        target = self.targets(model, unrelated, forgotten, generator)

        def loss() -> Tensor:
            images, labels = draw(retain, self.batch_size, generator, device)
            index = torch.randint(len(unrelated), (self.batch_size,), generator=generator).to(device)
            logits = model(torch.cat([images, unrelated[index]])).split(self.batch_size)
            fit = nn.functional.cross_entropy
            total = fit(logits[0], labels) + self.weight * fit(logits[1], target[index]) + penalty()
            if self.guard == 0:
                return total
            lost, classes = draw(forget, self.batch_size, generator, device)
            own = model(lost).softmax(1).gather(1, classes[:, None])
            return total - self.guard * (1 - own).clamp_min(1e-6).log().mean()

        return descend(model, loss, steps=self.steps, lr=self.lr)

    def penalty(
        self, model: Classifier, forgotten: Tensor, generator: torch.Generator
    ) -> Callable[[], Tensor | float]:  # fmt: skip
        """Return a function that says what the last layer costs as it is; here nothing."""
        return float

    def unrelated(self, model: Classifier, generator: torch.Generator) -> Tensor:
        """Return U, float (inputs, channels, side, side)."""
        space, share = InputSpace(model.spec.shape), -(-self.inputs // len(self.families))
        drawn = [space.unrelated(family, share, generator) for family in self.families]
        return torch.cat(drawn)[: self.inputs]

    @torch.no_grad()
    def targets(self, model: Classifier, unrelated: Tensor, forgotten: Tensor, generator: torch.Generator) -> Tensor:
        """Return t, float (inputs, C): each forgotten class is the answer to its decoys."""
        phi = extract_features(model, unrelated)
        target = model.head(phi).softmax(1)
        answered = torch.bincount(target.argmax(1), minlength=len(forgotten))[~forgotten]
        count = max(1, int(answered.median()))
        free = torch.ones(len(phi), dtype=torch.bool, device=phi.device)
        scaled = (phi - phi.mean(0)) / phi.std(0).clamp_min(1e-6)
        for c in torch.nonzero(forgotten).flatten().tolist():
            along = scaled @ torch.randn(phi.shape[1], generator=generator).to(phi)
            decoys = along.masked_fill(~free, -float("inf")).topk(min(count, int(free.sum()))).indices
            free[decoys] = False
            best = target[decoys].argmax(1)
            swapped = target[decoys, best], target[decoys, c]
            target[decoys, c], target[decoys, best] = swapped
        return target
