"""A trial: its specification, its models, its attacks under both protocols, each with its placebo."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from labelleak_lib.checks import require, require_int
from labelleak_lib.data import datasets
from labelleak_lib.data.samples import Samples
from labelleak_lib.models.architectures import base
from labelleak_lib.models.classifier import ModelSpec
from labelleak_lib.models.devices import resolve_device
from labelleak_lib.trials.seeds import draw_forgotten
from labelleak_lib.trials.settings import Settings, settings

SPLIT_SEED = 0
RECORD_VERSION = 2
"""Raised whenever the same hyperparameters would give other models or other numbers."""


@functools.lru_cache(maxsize=2)
def cached_dataset(dataset: str, data_dir: str | None) -> datasets.Dataset:
    """Load a data set once a process."""
    return datasets.load_dataset(dataset, data_dir=data_dir, split_seed=SPLIT_SEED)


@functools.lru_cache(maxsize=8)
def fingerprint(dataset: str, data_dir: str | None) -> str:
    """Return a short digest of a data set's images and labels, so that records of different data never mix."""
    loaded, digest = cached_dataset(dataset, data_dir), hashlib.sha256()
    for part in ("train", "pool", "test"):
        digest.update(getattr(loaded, f"{part}_labels").numpy().tobytes())
        digest.update(np.ascontiguousarray(getattr(loaded, f"{part}_images").numpy()).data)
    return digest.hexdigest()[:12]


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
        As for `resolve_device`.
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
        resolve_device(device)
        directory = None if data_dir is None else str(data_dir)
        loaded = cached_dataset(dataset, directory)
        settings(profile, base.default_architecture(loaded.channels, loaded.side))
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
    def data(self) -> datasets.Dataset:
        """The data set, loaded once a process."""
        return cached_dataset(self.dataset, self.data_dir)

    @property
    def model_spec(self) -> ModelSpec:
        """What the target model is built from."""
        loaded = self.data
        return ModelSpec(base.default_architecture(loaded.channels, loaded.side), loaded.classes, loaded.channels)

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
