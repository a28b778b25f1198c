"""A trial: its data, architecture, hyperparameters, forgotten classes and seeds."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from dataclasses import asdict, dataclass

import numpy as np
import torch

from labelleak_lib.attacks import Attack
from labelleak_lib.checks import require, require_choice, require_int
from labelleak_lib.data import datasets
from labelleak_lib.data.describing import described
from labelleak_lib.data.files import DataError
from labelleak_lib.data.samples import Samples
from labelleak_lib.defences import JOINT, defended
from labelleak_lib.models.architectures import default_architecture
from labelleak_lib.models.classifier import ModelSpec
from labelleak_lib.models.devices import resolve_device
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.models.training import train
from labelleak_lib.registry import ARCHITECTURES, METHODS
from labelleak_lib.trials.chosen import Wish, chosen_classes
from labelleak_lib.trials.identity import code_digest, content_hash, describe
from labelleak_lib.trials.seeds import draw_forgotten
from labelleak_lib.trials.settings import Settings, fitted, require_enough, said_of_few, settings
from labelleak_lib.unlearning import PlainMethod, RecordsTraining, UnlearningMethod

LARGEST_SEED = 2**63 - 1
"""What records can hold."""


@functools.lru_cache(maxsize=2)
def cached_dataset(dataset: str, data_dir: str | None, split_seed: int = 0, stamp: str = "") -> datasets.Dataset:
    """Load a data set once a process, and anew where its files changed.

    `stamp` is that of its files (:func:`~labelleak_lib.data.datasets.stamp`) when a trial was made; DataError if they
    changed since then, so that no trial mixes two data sets.
    """
    loaded = datasets.load_dataset(dataset, data_dir=data_dir, split_seed=split_seed)
    if stamp and datasets.stamp(dataset) != stamp:
        raise DataError(f"{dataset} changed since this trial was specified; specify it again")
    return loaded


@functools.lru_cache(maxsize=8)
def fingerprint(dataset: str, data_dir: str | None, split_seed: int = 0, stamp: str = "") -> str:
    """Return a short digest of a data set's images and labels, so that records of different data never mix."""
    loaded, digest = cached_dataset(dataset, data_dir, split_seed, stamp), hashlib.sha256()
    for part in ("train", "pool", "test"):
        digest.update(getattr(loaded, f"{part}_labels").numpy().tobytes())
        digest.update(np.ascontiguousarray(getattr(loaded, f"{part}_images").numpy()).data)
    return digest.hexdigest()[:12]


@functools.cache
def _say_once(dataset: str, data_dir: str | None, split_seed: int, stamp: str, few: str) -> None:
    """Print, once a process, how a reader's own data set was understood, before anything is trained on it."""
    if stamp:
        print(described(cached_dataset(dataset, data_dir, split_seed, stamp)), *filter(None, [few]), file=sys.stderr)


@dataclass(frozen=True)
class TrialSpec:
    """What a trial is. Four seeds enter on their own: of the split, of training, of unlearning, of the attacks.

    Parameters
    ----------
    dataset : str
        A known name or a path; `data_dir` says where named ones lie.
    profile : {"quick", "paper"}
        Which presets, unless hyperparameters are `given`.
    seed, trial : int
        The seeds of trial t are `seed + t`, unless they are given themselves.
    forgotten : tuple of int
        Indices of the forgotten classes, sorted.
    device : str
        As for `models.devices.resolve_device`.
    architecture : str, optional
        A registered architecture, in place of the first that fits the data.
    stamp : str
        What the files of a reader's own data set were when the trial was specified; empty for a known name.
    """

    dataset: str
    profile: str
    seed: int
    trial: int
    forgotten: tuple[int, ...]
    train_seed: int
    unlearn_seed: int
    attack_seed: int
    split_seed: int = 0
    device: str = "auto"
    data_dir: str | None = None
    architecture: str | None = None
    given: Settings | None = None
    stamp: str = ""

    @classmethod
    def from_parameters(
        cls,
        *,
        dataset: str = "digits",
        seed: int = 0,
        trial: int = 0,
        k: int = 1,
        forgotten: Wish | None = None,
        profile: str = "quick",
        device: str = "auto",
        data_dir: str | None = None,
        architecture: str | None = None,
        given: Settings | None = None,
        split_seed: int = 0,
        stamp: str | None = None,
        **seeds: int | None,
    ) -> TrialSpec:
        """Check a notebook's parameters and return the trial they name.

        Without `forgotten` (indices or names of classes), `k` classes are drawn by the seed. `seeds` are `train_seed`,
        `unlearn_seed` and `attack_seed`, where they are not to be `seed + trial`. How a reader's own data were
        understood is printed once. A caller that makes many trials may hand over the `stamp` of the data's files.

        Raises
        ------
        ValueError
            If a parameter is not valid; one sentence names it, its value and what would be.
        """
        require_int("seed", seed, low=0)
        require_int("trial", trial, low=0)
        # plain numbers, since records hold JSON
        seed, trial = int(seed), int(trial)
        require(seed + trial <= LARGEST_SEED, "seed", seed, f"at most {LARGEST_SEED - trial}")
        require(isinstance(dataset, str | os.PathLike), "dataset", dataset, "a known name or a path")
        own = {}
        for name in ("train_seed", "unlearn_seed", "attack_seed"):
            chosen_seed = seeds.pop(name, None)
            own[name] = seed + trial if chosen_seed is None else chosen_seed
            require_int(name, own[name], low=0)
            own[name] = int(own[name])
            require(own[name] <= LARGEST_SEED, name, own[name], f"at most {LARGEST_SEED}")
        require(not seeds, "parameter", ", ".join(seeds), "train_seed, unlearn_seed or attack_seed")
        require_int("split_seed", split_seed, low=0)
        resolve_device(device)
        directory = None if data_dir is None else str(data_dir)
        require(directory != "", "data_dir", data_dir, "a folder")
        dataset = str(dataset)
        stamp = datasets.stamp(dataset) if stamp is None else stamp
        loaded = cached_dataset(dataset, directory, split_seed, stamp)
        if architecture is not None:
            require_choice("architecture", architecture, tuple(ARCHITECTURES))
        if given is None:
            settings(profile, architecture or default_architecture(loaded.channels, loaded.side))
        if forgotten is None:
            chosen = draw_forgotten(loaded.classes, k, seed=seed, trial=trial)
        else:
            chosen = chosen_classes(forgotten, loaded.class_names)
        spec = cls(
            dataset, profile, seed, trial, chosen, **own, split_seed=split_seed, device=device, data_dir=directory,
            architecture=architecture, given=given, stamp=stamp,
        )  # fmt: skip
        few = (
            "" if given is not None else said_of_few(settings(profile, spec.model_spec.architecture), min(spec.in_pool))
        )
        _say_once(dataset, directory, split_seed, stamp, few)
        require_enough(spec.settings, spec.in_pool, loaded.class_names, loaded.name)
        return spec

    @property
    def data(self) -> datasets.Dataset:
        """The data set, loaded once a process."""
        return cached_dataset(self.dataset, self.data_dir, self.split_seed, self.stamp)

    @property
    def in_pool(self) -> list[int]:
        """Number of images of each class in the attacker pool."""
        return torch.bincount(self.data.pool_labels, minlength=self.data.classes).tolist()

    @property
    def model_spec(self) -> ModelSpec:
        """What the target model is built from."""
        loaded = self.data
        name = self.architecture or default_architecture(loaded.channels, loaded.side)
        return ModelSpec(name, loaded.classes, loaded.channels)

    @property
    def settings(self) -> Settings:
        """Hyperparameters of this trial's profile and architecture, fitted to few data; or those that were given."""
        if self.given is not None:
            return self.given
        return fitted(settings(self.profile, self.model_spec.architecture), min(self.in_pool))

    def method(self, unlearning: str) -> UnlearningMethod:
        """Return the method with code `unlearning`, with this trial's hyperparameters; ValueError if unknown.

        "RT+mean_row" is RT with the defence `mean_row` behind it.
        """
        code, _, defence = unlearning.partition(JOINT)
        method = self.settings.methods.get(code) or METHODS[code]()
        return defended(method, defence) if defence else method

    def part(self, name: str) -> Samples:
        """Return the samples of part "train", "pool" or "test"."""
        return Samples(getattr(self.data, f"{name}_images"), getattr(self.data, f"{name}_labels"))

    def original_recipe(self, method: UnlearningMethod | PlainMethod | None = None) -> Recipe:
        """Return how M_o is trained; a `method` that watches the training may have it trained in another way."""
        recipe = self.settings.recipe
        return method.original_recipe(recipe) if isinstance(method, RecordsTraining) else recipe

    def original_id(self, method: UnlearningMethod | PlainMethod | None = None) -> str:
        """Return the identity of M_o, which does not depend on what will be forgotten."""
        return content_hash({
            "data": fingerprint(self.dataset, self.data_dir, self.split_seed, self.stamp),
            "model": asdict(self.model_spec),
            "architecture": code_digest(ARCHITECTURES[self.model_spec.architecture]),
            "recipe": describe(self.original_recipe(method)), "training": code_digest(train),
            "train_seed": self.train_seed,
        })  # fmt: skip

    def unlearned_id(self, unlearning: str, method: UnlearningMethod | PlainMethod) -> str:
        """Return the identity of M_u under `method`, which is filed under the code `unlearning`."""
        made = [unlearning, describe(method), list(self.forgotten), self.unlearn_seed]
        return content_hash([self.original_id(method), *made])

    def evidence_id(self, model: str, attack: Attack, name: str, protocol: str) -> str:
        """Return the identity of what an attack finds on the model with identity `model` under a protocol.

        `protocol` is empty where both give the same evidence; otherwise the forgotten classes decide what the attacker
        is told.
        """
        told = list(self.forgotten) if protocol else []
        return content_hash([model, name, describe(attack), protocol, told, self.attack_seed])
