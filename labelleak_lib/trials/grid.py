"""Which trials to run: a grid of data set, unlearning methods, numbers of forgotten classes and trials."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from labelleak_lib.checks import require, require_int
from labelleak_lib.data.datasets import stamp as stamp_of
from labelleak_lib.names import PAPER_METHODS, PROTOCOLS
from labelleak_lib.trials.chosen import Wish
from labelleak_lib.trials.settings import Settings
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.unlearning import UnlearningMethod


@dataclass(frozen=True)
class Grid:
    """Which trials to run: every k (or the `forgotten` classes) x every unlearning method x `trials` trials.

    Parameters
    ----------
    dataset, profile, seed, device, data_dir, architecture, given
        As for `TrialSpec.from_parameters`.
    trials : int
        Number of trials of each cell.
    first : int
        Index of the first trial.
    ks : tuple of int
        Numbers of forgotten classes.
    forgotten : sequence of int or str, optional
        Forget these classes, by index or name, in every trial, whatever `ks` says.
    methods : tuple of str
        Codes of unlearning methods, each with a defence behind it ("RT+mean_row") or not.
    """

    dataset: str = "digits"
    trials: int = 1
    first: int = 0
    ks: tuple[int, ...] = (1,)
    forgotten: Wish | None = None
    methods: tuple[str, ...] = PAPER_METHODS
    seed: int = 0
    profile: str = "quick"
    device: str = "auto"
    data_dir: str | None = None
    architecture: str | None = None
    given: Settings | None = None

    def __post_init__(self) -> None:
        require_int("trials", self.trials, low=1)
        require_int("first", self.first, low=0)
        require(_is_list(self.ks), "ks", self.ks, "a list of at least one number of forgotten classes")
        codes = _is_list(self.methods) and all(isinstance(code, str) for code in self.methods)
        require(codes, "methods", self.methods, "a list of at least one code of an unlearning method")
        first = self.specs()[0]
        for code in self.methods:
            first.method(code)

    def specs(self) -> list[TrialSpec]:
        """Return the trials, checked, those of every k before the next trial."""
        fixed = {name: getattr(self, name) for name in _PASSED_ON}
        stamp = stamp_of(str(self.dataset))
        found = [
            TrialSpec.from_parameters(trial=trial, k=k, forgotten=self.forgotten, stamp=stamp, **fixed)
            for trial in range(self.first, self.first + self.trials)
            for k in (self.ks if self.forgotten is None else (1,))
        ]
        return list(dict.fromkeys(found))

    def cells(self) -> list[Wanted]:
        """Return every cell, with the identities of what is to be known of it."""
        return [wanted(spec, code, spec.method(code)) for spec in self.specs() for code in self.methods]


def _is_list(value: object) -> bool:
    """Tell whether `value` holds something, and is not text, whose letters are no list."""
    return isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping) and len(value) > 0


_PASSED_ON = ("dataset", "seed", "profile", "device", "data_dir", "architecture", "given")


class Wanted(NamedTuple):
    """A cell, and the identities of its models and of all evidence that its settings ask for."""

    spec: TrialSpec
    unlearning: str
    method: UnlearningMethod
    original: str
    model: str
    on_original: frozenset[str]
    on_model: frozenset[str]


def wanted(spec: TrialSpec, unlearning: str, method: UnlearningMethod) -> Wanted:
    """Return a cell with the identities of what is to be known of it."""
    # with its settings: another process may not know what was registered in this one
    spec = replace(spec, given=spec.settings, architecture=spec.model_spec.architecture)
    original, model = spec.original_id(method), spec.unlearned_id(unlearning, method)
    asked = [
        (name, a, p) for name, a in spec.settings.attacks.items() for p in (PROTOCOLS if a.per_protocol else ("",))
    ]
    found = (frozenset(spec.evidence_id(m, a, name, p) for name, a, p in asked) for m in (original, model))
    return Wanted(spec, unlearning, method, original, model, *found)
