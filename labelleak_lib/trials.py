"""A trial: its specification, its models, its attacks under both protocols, each with its placebo."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from labelleak_lib import data, models
from labelleak_lib.checks import require, require_int
from labelleak_lib.files import require_writable
from labelleak_lib.models import Classifier, ModelSpec
from labelleak_lib.registry import METHODS
from labelleak_lib.settings import Settings, settings
from labelleak_lib.training import Samples, load_checkpoint, save_checkpoint, split_classes, train
from labelleak_lib.unlearning import RecordsTraining, apply_method

SPLIT_SEED = 0
RECORD_VERSION = 2
"""Raised whenever the same hyperparameters would give other models or other numbers."""


def make_generator(seed: int, *role: object) -> torch.Generator:
    """Return a generator seeded by `seed` and a role, so that different roles draw independently of each other."""
    digest = hashlib.sha256(json.dumps([seed, *map(str, role)]).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


@functools.lru_cache(maxsize=2)
def cached_dataset(dataset: str, data_dir: str | None) -> data.Dataset:
    """Load a data set once a process."""
    return data.load_dataset(dataset, data_dir=data_dir, split_seed=SPLIT_SEED)


@functools.lru_cache(maxsize=8)
def fingerprint(dataset: str, data_dir: str | None) -> str:
    """Return a short digest of a data set's images and labels, so that records of different data never mix."""
    loaded, digest = cached_dataset(dataset, data_dir), hashlib.sha256()
    for part in ("train", "pool", "test"):
        digest.update(getattr(loaded, f"{part}_labels").numpy().tobytes())
        digest.update(np.ascontiguousarray(getattr(loaded, f"{part}_images").numpy()).data)
    return digest.hexdigest()[:12]


def draw_forgotten(classes: int, k: int, *, seed: int, trial: int) -> tuple[int, ...]:
    """Draw the k forgotten classes of a trial.

    Blocks of `classes` consecutive trials rotate one random order of the classes, so that every class is forgotten
    equally often; the classes of k are among those of k + 1.
    """
    require_int("k", k, low=1, high=classes - 1)
    block, shift = divmod(trial, classes)
    order = torch.randperm(classes, generator=make_generator(seed, "forgotten", block)).roll(-shift)
    return tuple(sorted(order[:k].tolist()))


@dataclass(frozen=True)
class TrialSpec:
    """What a trial is; `seed` and `trial` give the seeds that enter training, unlearning and attacks independently.

    Parameters
    ----------
    dataset : str
        A known name or a path.
    profile : {"quick", "paper"}
        Which settings.
    seed, trial : int
        The seeds of trial t are `seed + t`.
    forgotten : tuple of int
        Indices of the forgotten classes, sorted.
    device : str
        As for `models.resolve_device`.
    data_dir : str, optional
        Where the data lie.
    """

    dataset: str
    profile: str
    seed: int
    trial: int
    forgotten: tuple[int, ...]
    device: str = "auto"
    data_dir: str | None = field(default=None)

    @classmethod
    def from_parameters(
        cls,
        *,
        dataset: str = "digits",
        seed: int = 0,
        trial: int = 0,
        k: int = 1,
        forgotten: Sequence[int] | None = None,
        profile: str = "quick",
        device: str = "auto",
        data_dir: str | None = None,
    ) -> TrialSpec:
        """Check a notebook's parameters and return the trial they name.

        Parameters
        ----------
        k : int
            Number of classes to forget, drawn by the seed; not used where `forgotten` names them.
        forgotten : sequence of int, optional
            The classes to forget.

        Raises
        ------
        ValueError
            If a parameter is not valid; one sentence names it, its value and what would be.
        """
        require_int("seed", seed, low=0)
        require_int("trial", trial, low=0)
        models.resolve_device(device)
        directory = None if data_dir is None else str(data_dir)
        loaded = cached_dataset(dataset, directory)
        settings(profile, models.default_architecture(loaded.channels, loaded.side))
        if forgotten is None:
            chosen = draw_forgotten(loaded.classes, k, seed=seed, trial=trial)
        else:
            require(isinstance(forgotten, Sequence), "forgotten", forgotten, "a list of classes")
            for c in forgotten:
                require_int("forgotten class", c, low=0, high=loaded.classes - 1)
            chosen = tuple(sorted(set(forgotten)))
            require(0 < len(chosen) < loaded.classes, "forgotten", chosen, f"1 to {loaded.classes - 1} classes")
        return cls(dataset, profile, seed, trial, chosen, device, directory)

    @property
    def data(self) -> data.Dataset:
        """The data set, loaded once a process."""
        return cached_dataset(self.dataset, self.data_dir)

    @property
    def model_spec(self) -> ModelSpec:
        """What the target model is built from."""
        loaded = self.data
        return ModelSpec(models.default_architecture(loaded.channels, loaded.side), loaded.classes, loaded.channels)

    @property
    def settings(self) -> Settings:
        """Hyperparameters of this trial's profile and architecture."""
        return settings(self.profile, self.model_spec.architecture)

    @property
    def train_seed(self) -> int:
        """Seed of the original model's initialisation and batches."""
        return self.seed + self.trial

    @property
    def unlearn_seed(self) -> int:
        """Seed of the unlearning method."""
        return self.seed + self.trial

    @property
    def attack_seed(self) -> int:
        """Seed of the attacks."""
        return self.seed + self.trial

    def part(self, name: str) -> Samples:
        """Return the samples of part "train", "pool" or "test"."""
        return Samples(getattr(self.data, f"{name}_images"), getattr(self.data, f"{name}_labels"))

    def identity(self) -> dict[str, Any]:
        """Return what decides this trial's numbers, apart from method and attacks; JSON-serialisable."""
        loaded = self.data
        return {
            "dataset": loaded.name, "variant": loaded.variant, "data": fingerprint(self.dataset, self.data_dir),
            "model": asdict(self.model_spec), "recipe": asdict(self.settings.recipe), "profile": self.profile,
            "train_seed": self.train_seed, "unlearn_seed": self.unlearn_seed, "attack_seed": self.attack_seed,
            "trial": self.trial, "forgotten": list(self.forgotten), "version": RECORD_VERSION,
        }  # fmt: skip


def content_hash(content: Any) -> str:
    """Return a short digest of JSON-serialisable content, the same in every process."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def describe(thing: Any) -> dict[str, Any]:
    """Return a hyperparameter dataclass, or a plain function, as JSON-serialisable content that identifies it."""
    if is_dataclass(thing) and not isinstance(thing, type):
        return {"class": type(thing).__name__, **asdict(thing)}
    code = getattr(thing, "__code__", None)
    body = [code.co_code.hex(), repr(code.co_names), repr(code.co_consts)] if code else []
    # the constants of a function that defines others hold code objects, whose repr is an address in memory
    bound = [getattr(thing, name, None) for name in ("__defaults__", "__kwdefaults__")]
    body += [repr(bound), repr([cell.cell_contents for cell in getattr(thing, "__closure__", None) or ()])]
    body = [re.sub(r" at 0x[0-9a-f]+", "", part) for part in body]
    return {"function": getattr(thing, "__qualname__", type(thing).__qualname__), "body": body}


def original_model(spec: TrialSpec) -> Classifier:
    """Return M_o of the trial's training seed: trained once, then read from the cache outside the repository."""
    identity = spec.identity()
    decisive = {name: identity[name] for name in ("data", "model", "recipe", "train_seed", "version")}
    key = content_hash(decisive)
    path = data.cache_dir() / "models" / f"{spec.data.name}-{key}.safetensors"
    require_writable(path.parent)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            model = models.build(spec.model_spec, seed=spec.train_seed).to(models.resolve_device(spec.device))
            generator = make_generator(spec.train_seed, "train")
            train(model, spec.part("train"), spec.settings.recipe, generator=generator)
            save_checkpoint(model, path)
    return load_checkpoint(path).to(models.resolve_device(spec.device))


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
            device=models.resolve_device(spec.device),
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
