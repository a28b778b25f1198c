"""Which trials to run: a grid of data set, unlearning methods, numbers of forgotten classes and trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from labelleak_lib.checks import require, require_choice, require_int
from labelleak_lib.registry import METHODS
from labelleak_lib.trials.cells import config_hash
from labelleak_lib.trials.settings import PAPER_METHODS
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.unlearning import RecordsTraining


class Task(NamedTuple):
    """Methods of one trial that share an original model, and with it the placebo's evidence."""

    spec: TrialSpec
    methods: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """Which trials to run: every k (or the `forgotten` classes) x every unlearning method x `trials` trials.

    Parameters
    ----------
    dataset, profile, seed, device, data_dir
        As for `TrialSpec.from_parameters`.
    trials : int
        Number of trials of each cell.
    first : int
        Index of the first trial.
    ks : tuple of int
        Numbers of forgotten classes.
    forgotten : tuple of int, optional
        Forget these classes in every trial, whatever `ks` says.
    methods : tuple of str
        Codes of unlearning methods.
    """

    dataset: str = "digits"
    trials: int = 1
    first: int = 0
    ks: tuple[int, ...] = (1,)
    forgotten: tuple[int, ...] | None = None
    methods: tuple[str, ...] = PAPER_METHODS
    seed: int = 0
    profile: str = "quick"
    device: str = "auto"
    data_dir: str | None = None

    def __post_init__(self) -> None:
        require_int("trials", self.trials, low=1)
        require_int("first", self.first, low=0)
        require(len(self.ks) > 0, "ks", self.ks, "at least one number of forgotten classes")
        require(len(self.methods) > 0, "methods", self.methods, "at least one code of an unlearning method")
        for code in self.methods:
            require_choice("unlearning method", code, tuple(METHODS))
        self.specs()

    def specs(self) -> list[TrialSpec]:
        """Return the trials, checked, those of every k before the next trial."""
        fixed = {name: getattr(self, name) for name in ("dataset", "seed", "profile", "device", "data_dir")}
        found = [
            TrialSpec.from_parameters(trial=trial, k=k, forgotten=self.forgotten, **fixed)
            for trial in range(self.first, self.first + self.trials)
            for k in (self.ks if self.forgotten is None else (len(self.forgotten),))
        ]
        return list(dict.fromkeys(found))

    def cells(self) -> list[tuple[TrialSpec, str, str]]:
        """Return (trial, method, config hash) of every cell."""
        return [(spec, code, config_hash(spec, code)) for spec in self.specs() for code in self.methods]


def open_tasks(grid: Grid, known: set[str]) -> list[Task]:
    """Return the tasks whose cells are not yet `known`."""
    tasks: dict[tuple[TrialSpec, str], list[str]] = {}
    for spec, code, digest in grid.cells():
        if digest not in known:
            method = spec.settings.methods.get(code) or METHODS[code]()
            own = code if isinstance(method, RecordsTraining) else "shared"
            tasks.setdefault((spec, own), []).append(code)
    return [Task(spec, tuple(codes)) for (spec, _), codes in tasks.items()]
