"""Random generators by seed and role, and the draw of the forgotten classes."""

import hashlib
import json

import torch

from labelleak_lib.checks import require_int


def make_generator(seed: int, *role: object) -> torch.Generator:
    """Return a generator seeded by `seed` and a role, so that different roles draw independently of each other."""
    digest = hashlib.sha256(json.dumps([seed, *map(str, role)]).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def draw_forgotten(classes: int, k: int, *, seed: int, trial: int) -> tuple[int, ...]:
    """Draw the k forgotten classes of a trial.

    Blocks of `classes` consecutive trials rotate one random order of the classes, so that every class is forgotten
    equally often; the classes of k are among those of k + 1.
    """
    require_int("k", k, low=1, high=classes - 1)
    block, shift = divmod(trial, classes)
    order = torch.randperm(classes, generator=make_generator(seed, "forgotten", block)).roll(-shift)
    return tuple(sorted(order[:k].tolist()))
