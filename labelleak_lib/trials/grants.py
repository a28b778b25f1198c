"""What a trial grants its attacks, and what they find with it."""

import time
from typing import Any

import torch

from labelleak_lib.attacks import Attack
from labelleak_lib.checks import require, require_choice
from labelleak_lib.evidence import Evidence
from labelleak_lib.models.access import BlackBox, WhiteBox, WhiteBoxWithSamples
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.devices import with_float64
from labelleak_lib.space import blobs
from labelleak_lib.trials.seeds import make_generator
from labelleak_lib.trials.specification import TrialSpec


def unrelated_images(spec: TrialSpec, n: int = 500) -> torch.Tensor:
    """Return uint8 (n, channels, side, side): smooth noise that has nothing to do with the task."""
    noise = blobs(n, spec.model_spec.shape, make_generator(spec.attack_seed, "unrelated"))
    return noise.mul(255).round().to(torch.uint8)


def known_retained(spec: TrialSpec) -> frozenset[int]:
    """Return the half of the retained classes (at least one) that the attacker knows, drawn by the attack seed."""
    retained = [c for c in range(spec.data.classes) if c not in spec.forgotten]
    order = torch.randperm(len(retained), generator=make_generator(spec.attack_seed, "known")).tolist()
    return frozenset(retained[i] for i in order[: max(1, len(retained) // 2)])


def grant(spec: TrialSpec, model: Classifier, access_kind: str, protocol: str) -> Any:
    """Return the access object that the threat model grants an attack of this kind under `protocol`."""
    model = with_float64(model)
    if access_kind == "black_box":
        return BlackBox.of(model)
    if access_kind == "labels_only":
        return BlackBox.of(model, labels_only=True)
    if access_kind == "white_box":
        return WhiteBox(model)
    require(
        access_kind == "white_box_with_samples",
        "access_kind",
        access_kind,
        "black_box, labels_only, white_box or white_box_with_samples",
    )
    require_choice("protocol", protocol, ("paper", "attacker"))
    pool, forgotten = spec.part("pool"), frozenset(spec.forgotten)
    if protocol == "paper":
        retained = frozenset(range(spec.data.classes)) - forgotten
        return WhiteBoxWithSamples(model, pool, unrelated_images(spec), retained, forgotten)
    return WhiteBoxWithSamples(model, pool, unrelated_images(spec), known_retained(spec))


def gather(spec: TrialSpec, model: Classifier, name: str, attack: Attack, protocol: str = "") -> tuple[Evidence, float]:
    """Return what the attack called `name` finds on `model`, and the processor seconds that it takes.

    `protocol` is empty for an attack that gives the same evidence under both.
    """
    generator = make_generator(spec.attack_seed, "attack", name, protocol or "paper,attacker")
    start = time.process_time()
    evidence = attack.evidence(grant(spec, model, attack.access_kind, protocol or "paper"), generator=generator)
    return evidence, time.process_time() - start
