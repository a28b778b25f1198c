"""Controls that an attack has to beat: trivial and random answers, the direct probe, and readings that cost nothing.

Every control is filed as an attack, so that it runs, is decided and is recorded as one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from labelleak_lib import models
from labelleak_lib.access import BlackBox, WhiteBox, WhiteBoxWithSamples
from labelleak_lib.checks import require_int
from labelleak_lib.criteria import Criterion, lower_cluster
from labelleak_lib.evidence import Evidence
from labelleak_lib.registry import ATTACKS, CRITERIA


def smooth_noise(n: int, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    """Draw `n` smooth random blobs: float `(n, *shape)` in [0, 1], 4x4 to 10x10 uniform noise upsampled bilinearly."""
    sizes = [size for size in range(4, 11) if size <= shape[1]]
    parts = []
    for i, size in enumerate(sizes):
        drawn = torch.rand((len(range(i, n, len(sizes))), shape[0], size, size), generator=generator)
        parts.append(torch.nn.functional.interpolate(drawn, shape[1:], mode="bilinear", align_corners=False))
    return torch.cat(parts)


@ATTACKS.register("trivial")
@dataclass(frozen=True)
class Trivial:
    """Say that nothing was forgotten."""

    access_kind: ClassVar[str] = "black_box"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("none",)

    def evidence(self, access: BlackBox, *, generator: torch.Generator) -> Evidence:
        """Return a score of zero for every class."""
        return Evidence("trivial", access.classes, np.zeros(access.classes))


@ATTACKS.register("random")
@dataclass(frozen=True)
class RandomGuess:
    """Toss a fair coin for every class."""

    access_kind: ClassVar[str] = "black_box"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("above_half",)

    def evidence(self, access: BlackBox, *, generator: torch.Generator) -> Evidence:
        """Return uniform scores in [0, 1)."""
        drawn = torch.rand(access.classes, generator=generator, dtype=torch.float64)
        return Evidence("random", access.classes, drawn.numpy())


@ATTACKS.register("direct_probe")
@dataclass(frozen=True)
class DirectProbe:
    """Classify the attacker's own samples: the same knowledge as the parameter attacks, and no auxiliary head."""

    access_kind: ClassVar[str] = "white_box_with_samples"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("above_half", "two_means")

    def evidence(self, access: WhiteBoxWithSamples, *, generator: torch.Generator) -> Evidence:
        """Return 1 - accuracy of the target on each class of the pool."""
        right = models.predict_proba(access.model, access.pool.images).argmax(1).cpu() == access.pool.labels
        accuracy = [right[access.pool.labels == c].double().mean() for c in range(access.classes)]
        return Evidence("direct_probe", access.classes, 1 - np.array(accuracy), seed=_seed(generator))


@ATTACKS.register("head_bias")
@dataclass(frozen=True)
class HeadBias:
    """Read the last layer's bias: no query, no sample."""

    access_kind: ClassVar[str] = "white_box"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("two_means",)

    def evidence(self, access: WhiteBox, *, generator: torch.Generator) -> Evidence:
        """Return minus the bias of each class."""
        bias = access.model.head.bias.detach().double().cpu().numpy()
        return Evidence("head_bias", access.classes, -bias, seed=_seed(generator))


@ATTACKS.register("head_row_sum")
@dataclass(frozen=True)
class HeadRowSum:
    """Read the sum of each row of the last layer's weight: no query, no sample."""

    access_kind: ClassVar[str] = "white_box"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("two_means",)

    def evidence(self, access: WhiteBox, *, generator: torch.Generator) -> Evidence:
        """Return minus the row sums: features are non-negative, so a low row sum pushes the class's logit down."""
        total = access.model.head.weight.detach().double().sum(1).cpu().numpy()
        return Evidence("head_row_sum", access.classes, -total, seed=_seed(generator))


@ATTACKS.register("random_inputs")
@dataclass(frozen=True)
class RandomInputs:
    """Ask the black box about smooth random blobs, unrelated to the task: what an inversion has to beat.

    Parameters
    ----------
    inputs : int
        Number of images.
    """

    inputs: int = 2000
    name: ClassVar[str]
    access_kind: ClassVar[str] = "black_box"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("two_means",)

    def __post_init__(self) -> None:
        require_int("inputs", self.inputs, low=1)

    def draw(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        """Return float `(inputs, *shape)` in [0, 1]."""
        return smooth_noise(self.inputs, shape, generator)

    def evidence(self, access: BlackBox, *, generator: torch.Generator) -> Evidence:
        """Return minus the mean log-probability of each class.

        `probe` holds, for the first 10, 100, ... and all inputs: their number, then by class the mean
        log-probability, the highest probability and how often the class is answered; float (rows, 1 + 3 * C).
        """
        drawn = self.draw(access.shape, generator)
        shuffled = drawn[torch.randperm(len(drawn), generator=generator)]
        answers = access.query(shuffled).double().clamp_min(1e-30).cpu()
        counts = [n for n in (10, 100, 1000) if n < self.inputs] + [self.inputs]
        probe = np.array([_probe(answers[:n]) for n in counts])
        c = access.classes
        return Evidence(self.name, c, -probe[-1, 1 : c + 1], seed=_seed(generator), queries=self.inputs, probe=probe)


@ATTACKS.register("random_noise")
@dataclass(frozen=True)
class RandomNoise(RandomInputs):
    """As `RandomInputs`, with uniform noise: every pixel drawn on its own."""

    def draw(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        """Return float `(inputs, *shape)` in [0, 1]."""
        return torch.rand((self.inputs, *shape), generator=generator)


@ATTACKS.register("random_photos")
@dataclass(frozen=True)
class RandomPhotos(RandomInputs):
    """As `RandomInputs`, with random crops of the two photographs that scikit-learn carries."""

    def draw(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        """Return float `(inputs, *shape)` in [0, 1]: square crops of 32 to 256 pixels, scaled to the input's side."""
        from sklearn.datasets import load_sample_images

        photos = [torch.from_numpy(p.copy()).permute(2, 0, 1).float() / 255 for p in load_sample_images().images]
        return torch.stack([_crop(photos[i % len(photos)], shape, generator) for i in range(self.inputs)])


def _crop(photo: Tensor, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    side = int(torch.randint(32, 257, (1,), generator=generator))
    top, left = (int(torch.randint(photo.shape[i] - side + 1, (1,), generator=generator)) for i in (1, 2))
    crop = photo[None, :, top : top + side, left : left + side]
    scaled = torch.nn.functional.interpolate(crop, shape[1:], mode="area")[0].clamp(0, 1)
    return scaled if shape[0] == 3 else scaled.mean(0, keepdim=True).expand(shape[0], -1, -1)


def _probe(answers: Tensor) -> np.ndarray:
    answered = torch.bincount(answers.argmax(1), minlength=answers.shape[1]).double()
    parts = [torch.tensor([len(answers)]).double(), answers.log().mean(0), answers.amax(0), answered]
    return torch.cat(parts).numpy()


@CRITERIA.register("none")
@dataclass(frozen=True)
class Nothing(Criterion):
    """Call no class forgotten."""

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return the empty set."""
        return frozenset()


@CRITERIA.register("above_half")
@dataclass(frozen=True)
class AboveHalf(Criterion):
    """Call a class forgotten when its score, in [0, 1], lies above one half."""

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return {c: score_c > 1/2}."""
        return frozenset(np.flatnonzero(evidence.score > 0.5).tolist())


@CRITERIA.register("two_means")
@dataclass(frozen=True)
class TwoMeans(Criterion):
    """Split the classes' scores by 2-means and call the higher cluster forgotten."""

    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return the classes of the higher cluster (none if all scores are equal)."""
        return frozenset(np.flatnonzero(lower_cluster(-evidence.score[:, None], evidence.seed)).tolist())


def _seed(generator: torch.Generator) -> int:
    return generator.initial_seed() % 2**31
