"""What an audit has to say beside its verdict, and when it gives none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelleak_lib.audit.null import Comparison
from labelleak_lib.audit.racing import LOOKS, Found
from labelleak_lib.criteria.calibrated import AgainstReferences
from labelleak_lib.evidence import Floats

KNOWN = 0.5
"""Accuracy on a class's samples from which on it is not named, whatever the search says."""
RARE = 0.05
"""Accuracy up to which a class counts as forgotten, as in the gate of the trials."""
FLAT = 0.5
"""Share of the null's smallest unit of reach below which a model looks untrained."""


@dataclass(frozen=True, eq=False)
class Learnt:
    """What was found out about a target.

    Parameters
    ----------
    found : Found
        What the search reached.
    labels_only, vectors : bool
        Whether labels alone were read; whether the inputs are vectors.
    accuracy : ndarray, optional
        float (C,); on the auditor's samples of each class, NaN where there are none.
    against : AgainstReferences, optional
        How it compares with reference models.
    references : int
        Their number.
    """

    found: Found
    labels_only: bool = False
    vectors: bool = False
    accuracy: Floats | None = None
    against: AgainstReferences | None = None
    references: int = 0

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.found.reach)

    @property
    def unreached(self) -> frozenset[int]:
        """Classes that no input reached."""
        return frozenset(np.flatnonzero(self.found.reach <= 0).tolist())

    @property
    def known(self) -> frozenset[int]:
        """Classes that the model answers to most of their samples."""
        share = np.zeros(self.classes) if self.accuracy is None else np.nan_to_num(self.accuracy)
        return frozenset(np.flatnonzero(share >= KNOWN).tolist())

    def decided_by_references(self, level: float) -> bool:
        """Say whether there are enough reference models for a p-value of `level`."""
        return self.against is not None and (self.references + 1) * level >= 1 - 1e-9

    def named(self, p_values: Floats, level: float) -> frozenset[int]:
        """Return the classes that the rule names.

        Of those out of reach: against enough references, those that lie farther out than any class of any of them; else
        those with a p-value of `level` at most. Never one that the model answers to its samples.
        """
        return self.far_out(p_values, level) & self.unreached - self.known

    def far_out(self, p_values: Floats, level: float) -> frozenset[int]:
        """Return the classes that lie farther out than in models that forgot nothing, out of reach or not."""
        if self.against is not None and self.decided_by_references(level):
            return self.against.named
        return frozenset(np.flatnonzero(p_values <= level).tolist())

    def said_of(self, c: int, named: bool) -> str:
        """Return the verdict on class `c` in words."""
        if named:
            return "as if hardly ever seen"
        if c not in self.unreached:
            return "reached"
        return "out of reach, yet known" if c in self.known else "out of reach, as in models that forgot nothing"


def flags_of(learnt: Learnt, null: Comparison, level: float) -> tuple[list[str], str]:
    """Return the flags, and why there is no verdict (empty where there is one)."""
    stop = _stop(learnt, null)
    return [flag for flag in ([stop] if stop else []) + _flags(learnt, null, level) if flag], stop


def near_misses(learnt: Learnt, p_values: Floats, level: float) -> list[str]:
    """Return a flag for every class that lies far out, and is not named since inputs are answered with it."""
    return [
        f"class {c} is harder to reach than in models that forgot nothing, but an input is answered with it: not named"
        for c in sorted(learnt.far_out(p_values, level) - learnt.unreached)
    ]


def _stop(learnt: Learnt, null: Comparison) -> str:
    found, c = learnt.found, learnt.classes
    if found.inputs < LOOKS[0]:
        return f"only {found.inputs} random inputs were asked about; at least {LOOKS[0]} are needed"
    if learnt.accuracy is not None and np.nanmean(learnt.accuracy) <= 1 / c:
        share = 100 * float(np.nanmean(learnt.accuracy))
        return f"it is no better than chance on the samples ({share:.0f}%): wrong range, normalisation or classes?"
    if found.answered.max() == found.answered.sum():
        most = int(found.answered.argmax())
        return f"the model answers class {most} for every random input: wrong range or normalisation, or untrained?"
    if len(learnt.unreached) > c / 2:
        return f"{len(learnt.unreached)} of {c} classes are out of reach: wrong range or normalisation, or untrained?"
    scale = float(np.quantile(found.passive, 0.75))
    if not learnt.labels_only and scale < FLAT * null.least_scale:
        return (
            f"no answer is confident (margins of {scale:.2g} nats, at least {null.least_scale:.2g} in models that were "
            "trained): wrong range or normalisation, or untrained?"
        )
    return ""


def _flags(learnt: Learnt, null: Comparison, level: float) -> list[str]:
    found, flags = learnt.found, []
    if found.stopped:
        flags.append(f"{found.stopped} after {found.queries:,} inputs: what was found until then is judged")
    share = found.answered.max() / max(found.answered.sum(), 1)
    if share > null.most_answered:
        flags.append(
            f"class {int(found.answered.argmax())} is answered to {100 * share:.0f}% of the random inputs, more than "
            f"any class of the models compared with ({100 * null.most_answered:.0f}% at most)"
        )
    flags += _outside(learnt, null, level)
    if learnt.against is not None and learnt.decided_by_references(level):
        flags.append(
            f"{learnt.references} reference models decided (p-value {learnt.against.p_value:.3g}); the p-values of "
            "single classes are against the library's own models"
        )
    elif learnt.against is not None:
        flags.append(
            f"with {learnt.references} references no p-value can be below {1 / (learnt.references + 1):.2g}; "
            f"{int(np.ceil(1 / level)) - 1} are needed at level {level:g}; they decided nothing"
        )
    for c in sorted(learnt.unreached):
        flags.append(_beside_samples(learnt, c))
    return flags


def _outside(learnt: Learnt, null: Comparison, level: float) -> list[str]:
    flags, counts = [], (int(null.classes.min()), int(null.classes.max()))
    if learnt.vectors:
        flags.append("the inputs are vectors; the rule's false alarms were measured on images only")
    if not counts[0] / 2 <= learnt.classes <= counts[1] * 1.5:
        said = f"{counts[0]}" if counts[0] == counts[1] else f"{counts[0]} to {counts[1]}"
        flags.append(f"the model has {learnt.classes} classes; the models compared with have {said}")
    if null.alarms > level * len(null):
        rate = 100 * null.alarms / len(null)
        flags.append(f"{rate:.0f}% of the never-unlearned models compared with have a class out of reach, too")
    return flags


def _beside_samples(learnt: Learnt, c: int) -> str:
    share = float("nan") if learnt.accuracy is None else float(learnt.accuracy[c])
    if not share > RARE:
        return ""
    rest = "it is known, and not named" if c in learnt.known else "it is partly known: rare rather than forgotten"
    return f"class {c} is out of reach, but {100 * share:.0f}% of its samples are answered rightly: {rest}"
