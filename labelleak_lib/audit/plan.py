"""How one model is audited: what is asked of it, what that is compared with, what is said of each class."""

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from labelleak_lib import __version__
from labelleak_lib.attacks.reach import relative_reach
from labelleak_lib.audit.flags import Learnt, flags_of, near_misses
from labelleak_lib.audit.head import head_of, readings
from labelleak_lib.audit.null import comparable
from labelleak_lib.audit.racing import Found, Racing
from labelleak_lib.audit.report import AuditReport, verdict_of
from labelleak_lib.audit.targets import FIRST, Target, answering
from labelleak_lib.criteria.calibrated import AgainstReferences, against_references
from labelleak_lib.evidence import Floats
from labelleak_lib.models.access import BlackBox
from labelleak_lib.space import InputSpace
from labelleak_lib.trials.seeds import make_generator

BUDGET = 22_000
"""Inputs that a search asks about at most, unless told otherwise: it bounds the time with 1,000 classes."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What every audit of a call has in common; the fields are those of `labelleak_lib.audit`, checked.

    Parameters
    ----------
    samples : pair of tensors, optional
        float32 inputs `(n, *shape)` in the box, and int64 labels (n,).
    names : list of str
        What the classes are called.
    """

    space: InputSpace
    classes: int
    labels_only: bool
    budget: int
    level: float
    seed: int
    batch_size: int
    head: str | None
    progress: bool
    samples: tuple[torch.Tensor, torch.Tensor] | None
    names: list[str]

    def audit(self, target: Target, references: Sequence[Target] = ()) -> AuditReport:
        """Audit a target that has been asked what it puts out."""
        start, c = time.monotonic(), self.classes
        headed = head_of(target, self.space, c, self.head)
        box = self._box(target, self.budget - FIRST)
        accuracy = None if self.samples is None else _accuracy(box, *self.samples)
        found = self._searched(box)
        compared = self._against(references, found)
        learnt = Learnt(found, self.labels_only, len(self.space.shape) == 1, accuracy, compared, len(references))
        null = comparable(c, labels_only=self.labels_only, inputs=0 if found.complete else max(1, found.inputs))
        relative = relative_reach(found.reach) if np.isfinite(found.reach).all() else np.full(c, np.nan)
        p_values = null.p_values(relative)
        flags, stop = flags_of(learnt, null, self.level)
        named = frozenset() if stop else learnt.named(p_values, self.level)
        flags += [] if stop else near_misses(learnt, p_values, self.level)
        table = pd.DataFrame({
            "class": np.arange(c), "name": self.names, "reach": found.reach, "relative_reach": relative,
            "answered": found.answered, "p_value": p_values,
            "verdict": ["" if stop else learnt.said_of(i, i in named) for i in range(c)],
        })  # fmt: skip
        if accuracy is not None:
            table["accuracy"] = accuracy
        if headed is not None:
            generator = make_generator(self.seed, "audit", "head")
            table = table.assign(**readings(headed, self.space, self.samples, learnt.known, generator))
        decisive = compared if learnt.decided_by_references(self.level) else None
        return AuditReport(
            verdict=verdict_of(named, self.names, found, stop), forgotten=named,
            p_value=float("nan") if stop else decisive.p_value if decisive else float(p_values.min()),
            classes=table, flags=tuple(flags), queries=FIRST + box.queries, seconds=time.monotonic() - start, null=null,
            status=found.stopped or "complete", labels_only=self.labels_only, level=self.level,
            reproduce={
                "call": self._call(target), "seed": self.seed,
                "versions": {"labelleak": __version__, "torch": str(torch.__version__), "numpy": np.__version__,
                             "python": platform.python_version()},
            },
        )  # fmt: skip

    def _box(self, target: Target, budget: int | None = None) -> BlackBox:
        answer = answering(target, self.classes, self.batch_size)
        return BlackBox(answer, self.classes, self.space, labels_only=self.labels_only, budget=budget)

    def _searched(self, box: BlackBox) -> Found:
        search = Racing()
        with tqdm(total=search.inputs, unit=" inputs", desc="audit", disable=None if self.progress else True) as bar:

            def tell(asked: int, left: int) -> None:
                bar.set_postfix_str(f"{left} of {box.classes} classes not reached", refresh=False)
                bar.total = max(int(bar.total or 0), int(bar.n) + asked)
                bar.update(asked)

            return search.run(box, generator=make_generator(self.seed, "audit"), tell=tell)

    def _against(self, references: Sequence[Target], found: Found) -> AgainstReferences | None:
        """Compare the target with reference models by what the same random inputs reach in each."""
        if not references or found.stopped == "interrupted" or not found.inputs:
            return None
        search = Racing(inputs=min(found.inputs, Racing().inputs), rounds=0)
        rows = [found.passive]
        for reference in references:
            rows.append(search.run(self._box(reference), generator=make_generator(self.seed, "audit")).passive)
        scores = [-np.log1p(row) if self.labels_only else -relative_reach(row) for row in rows]
        return against_references(np.nan_to_num(scores[0]), np.nan_to_num(scores[1:]), self.level)

    def _call(self, target: Target) -> str:
        said = "" if not self.labels_only else ", labels_only=True"
        limit = "" if self.budget >= BUDGET else f", budget={self.budget}"
        given = f"space={self.space!r}{said}{limit}, level={self.level}, seed={self.seed}"
        return f"labelleak_lib.audit({target.name}, {given})"


def _accuracy(box: BlackBox, inputs: torch.Tensor, labels: torch.Tensor) -> Floats:
    """Return the accuracy on each class's samples, float (C,), NaN where there are none."""
    right = (box.query(inputs).argmax(1).cpu() == labels).numpy()
    counts = np.bincount(labels.numpy(), minlength=box.classes)
    hits = np.bincount(labels.numpy(), weights=right, minlength=box.classes)
    return np.divide(hits, counts, out=np.full(box.classes, np.nan), where=counts > 0)
