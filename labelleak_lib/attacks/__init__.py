"""Attacks, one file each; every file's class is found by its name.

An attack is a frozen dataclass with one verb, `evidence(access, *, generator)`. Three class attributes say what it
needs and who can read its evidence: `access_kind` ("white_box_with_samples", "white_box" or "black_box"),
`per_protocol` (whether the protocols `paper` and `attacker` give it different labels) and `criteria`, the names of
the criteria that apply.
"""

from typing import Any, ClassVar, Protocol

import torch

from labelleak_lib.evidence import Evidence
from labelleak_lib.registry import ATTACKS


class Attack(Protocol):
    """What an attack offers."""

    name: ClassVar[str]
    title: ClassVar[str]
    access_kind: ClassVar[str]
    per_protocol: ClassVar[bool]
    criteria: ClassVar[tuple[str, ...]]

    def evidence(self, access: Any, *, generator: torch.Generator) -> Evidence:
        """Return the evidence found through `access`; the model behind it stays as it is."""
        ...


__all__ = ["ATTACKS", "Attack"]
