"""The models of a trial: the original one, and those unlearned from it."""

from __future__ import annotations

import functools
from typing import Any

from filelock import FileLock

from labelleak_lib.data import files
from labelleak_lib.data.samples import split_classes
from labelleak_lib.files import require_writable
from labelleak_lib.models import classifier
from labelleak_lib.models.checkpoints import load_checkpoint, save_checkpoint
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.devices import resolve_device
from labelleak_lib.models.training import train
from labelleak_lib.registry import METHODS
from labelleak_lib.trials.identity import content_hash
from labelleak_lib.trials.seeds import make_generator
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.unlearning import RecordsTraining, apply_method


def original_model(spec: TrialSpec) -> Classifier:
    """Return M_o of the trial's training seed: trained once, then read from the cache outside the repository."""
    identity = spec.identity()
    decisive = {name: identity[name] for name in ("data", "model", "recipe", "train_seed", "version")}
    key = content_hash(decisive)
    path = files.cache_dir() / "models" / f"{spec.data.name}-{key}.safetensors"
    require_writable(path.parent)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            model = classifier.build(spec.model_spec, seed=spec.train_seed).to(resolve_device(spec.device))
            generator = make_generator(spec.train_seed, "train")
            train(model, spec.part("train"), spec.settings.recipe, generator=generator)
            save_checkpoint(model, path)
    return load_checkpoint(path).to(resolve_device(spec.device))


def original_and_unlearned(
    spec: TrialSpec, unlearning: str, method: Any | None = None
) -> tuple[Classifier, Classifier]:
    """Return (M_o, M_u) of the trial under a method's code, or under `method` itself where one is given."""
    chosen = spec.settings.methods.get(unlearning) or METHODS[unlearning]() if method is None else method
    retain, forget = split_classes(spec.part("train"), spec.forgotten)
    if isinstance(chosen, RecordsTraining):
        original = chosen.train_original(
            spec.model_spec, retain, forget, spec.settings.recipe,
            seed=spec.train_seed, generator=make_generator(spec.train_seed, "train"),
            device=resolve_device(spec.device),
        )  # fmt: skip
    else:
        original = original_model(spec)
    generator = make_generator(spec.unlearn_seed, "unlearn", unlearning)
    return original, apply_method(chosen, original, retain, forget, generator=generator)


@functools.lru_cache(maxsize=24)
def _unlearned(spec: TrialSpec, unlearning: str) -> tuple[Classifier, Classifier]:
    return original_and_unlearned(spec, unlearning)


def unlearned_model(spec: TrialSpec, unlearning: str) -> Classifier:
    """Return M_u of the trial under the method with code `unlearning`, kept for the life of the process."""
    return _unlearned(spec, unlearning)[1]
