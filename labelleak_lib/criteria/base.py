"""What every criterion is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from labelleak_lib.checks import require
from labelleak_lib.evidence import Evidence, Floats
from labelleak_lib.registry import CRITERIA


class Criterion(ABC):
    """A rule with one verb, `decide`; `score` orders the classes by how forgotten they look under the rule."""

    name: ClassVar[str]

    @abstractmethod
    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return the classes held to be forgotten."""

    def score(self, evidence: Evidence) -> Floats:
        """Return float (C,); the higher, the more the class looks forgotten."""
        return evidence.score


def criterion_for(attack_criteria: tuple[str, ...], name: str) -> Criterion:
    """Return criterion `name` with its defaults; ValueError if the attack does not offer it."""
    require(name in attack_criteria, "criterion", name, "one of " + ", ".join(attack_criteria))
    return CRITERIA[name]()
