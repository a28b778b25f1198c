"""Joint reach: random inputs and a search share the queries, and a class has to be out of both's reach."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch

from labelleak_lib.attacks.passive_reach import PassiveReach
from labelleak_lib.attacks.query_reach import QueryReach
from labelleak_lib.attacks.reach import relative_reach
from labelleak_lib.evidence import Evidence
from labelleak_lib.models.access import BlackBox
from labelleak_lib.registry import ATTACKS


@ATTACKS.register("joint_reach")
@dataclass(frozen=True)
class JointReach:
    """Take the mean of each class's relative reach by random inputs and by a search.

    Random inputs miss classes that are rare in training; a search comes near classes that were forgotten by a short
    ascent. Each is right where the other errs.

    Parameters
    ----------
    passive, query : PassiveReach, QueryReach
        The two halves.
    """

    passive: PassiveReach = field(default_factory=lambda: PassiveReach(inputs=1000))
    query: QueryReach = field(default_factory=lambda: QueryReach(starts=20, generations=6))
    name: ClassVar[str]
    title: ClassVar[str] = "joint reach"
    order: ClassVar[int] = 7
    access_kind: ClassVar[str] = "black_box"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple[str, ...]] = ("reach",)
    # see results.tuning: chosen on printed characters, 5 and 10 classes, seeds from 1000
    threshold: ClassVar[float] = 0.175

    def evidence(self, access: BlackBox, *, generator: torch.Generator) -> Evidence:
        """Return minus the mean relative reach; `probe` holds both parts, float (2, C)."""
        halves = [half.evidence(access, generator=generator) for half in (self.passive, self.query)]
        probe = np.array([relative_reach(-half.score) for half in halves])
        reach = probe.mean(axis=0)
        queries = sum(half.queries for half in halves)
        return Evidence(self.name, access.classes, -reach, reach=reach, probe=probe, queries=queries)
