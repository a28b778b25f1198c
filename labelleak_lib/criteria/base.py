"""What every criterion is."""

from abc import ABC, abstractmethod
from typing import ClassVar

from labelleak_lib.evidence import Evidence, Floats


class Criterion(ABC):
    """A rule with one verb, `decide`; `score` orders the classes by how forgotten they look under the rule.

    `reads` names the part of the evidence that the rule needs ("score", "ipv" or "heads"). A criterion is applied to
    the attacks that list it among their `criteria`; where `everywhere` is true, to all whose evidence has that part.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    reads: ClassVar[str] = "score"
    everywhere: ClassVar[bool] = True

    @abstractmethod
    def decide(self, evidence: Evidence) -> frozenset[int]:
        """Return the classes held to be forgotten."""

    def score(self, evidence: Evidence) -> Floats:
        """Return float (C,); the higher, the more the class looks forgotten."""
        return evidence.score

    def can_read(self, evidence: Evidence) -> bool:
        """Say whether the evidence has the part that this rule needs."""
        return getattr(evidence, self.reads) is not None
