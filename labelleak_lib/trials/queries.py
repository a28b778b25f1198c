"""Black-box attacks at budgets from 10 queries to as many as published, on the first trials of a data set.

Run as `python -m labelleak_lib.trials.queries digits --trials 5`; it runs what is missing.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest

from labelleak_lib.attacks import Attack
from labelleak_lib.attacks.joint_reach import JointReach
from labelleak_lib.attacks.passive_reach import PassiveAnswers, PassiveReach
from labelleak_lib.attacks.query_reach import QueryReach
from labelleak_lib.checks import require_int
from labelleak_lib.command import one_sentence
from labelleak_lib.files import as_path
from labelleak_lib.registry import ATTACKS
from labelleak_lib.trials.committed import BUDGETS
from labelleak_lib.trials.engine import sweep
from labelleak_lib.trials.grid import Grid
from labelleak_lib.trials.store import Store

INPUTS = 10_000
"""Random inputs; what fewer of them say is kept with them."""
SEARCHES = ((1, 4, 0), (3, 4, 0), (6, 4, 1), (10, 5, 4), (20, 10, 8), (40, 20, 48))
"""Starts, population and generations of query reach: 1, 3, 10, 30, 100 and 1,000 queries a class."""
HALVES = (
    (10, 2, 4, 0), (50, 5, 4, 0), (140, 8, 4, 2), (400, 20, 10, 4), (1000, 20, 20, 6), (1000, 40, 20, 8),
    (4000, 40, 20, 28),
)  # fmt: skip
"""Random inputs, then starts, population and generations, of joint reach; the fifth is its default."""
POPULATIONS = ((10, 1), (10, 5), (10, 19), (20, 20), (40, 28), (60, 55), (60, 100), (100, 200))
"""Population and generations of the genetic search; the last is the published one."""


def variants() -> dict[str, list[Attack]]:
    """Return every attack's variants by name, the cheapest first."""
    searches: list[Attack] = [QueryReach(s, n, g) for s, n, g in SEARCHES]
    halves: list[Attack] = [JointReach(PassiveReach(inputs), QueryReach(*search)) for inputs, *search in HALVES]
    populations: list[Attack] = [ATTACKS["blackbox_inversion"](population=n, generations=g) for n, g in POPULATIONS]
    return {
        "passive_reach": [PassiveReach(INPUTS)], "passive_answers": [PassiveAnswers(INPUTS)],
        "query_reach": searches, "joint_reach": halves, "blackbox_inversion": populations,
    }  # fmt: skip


def passes() -> Iterator[dict[str, Attack]]:
    """Yield sets of attacks that hold every variant once: a trial's settings take one attack of a name."""
    names = list(variants())
    for together in zip_longest(*variants().values()):
        yield {name: attack for name, attack in zip(names, together, strict=True) if attack is not None}


def grids(dataset: str, trials: int, *, first: int = 0, data_dir: str | None = None) -> list[Grid]:
    """Return the book's trials of one forgotten class, once for every set of attacks."""
    plain = Grid(dataset=dataset, trials=trials, first=first, profile="paper", data_dir=data_dir)
    made = plain.specs()[0].settings
    return [replace(plain, given=replace(made, attacks=attacks)) for attacks in passes()]


@one_sentence
def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing of some data sets and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m labelleak_lib.trials.queries", description=__doc__)
    parser.add_argument("dataset", nargs="+")
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--data-dir")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--store", type=as_path, default=BUDGETS)
    chosen = parser.parse_args(arguments)
    require_int("jobs", chosen.jobs, low=1)
    for name in chosen.dataset:
        store = Store(chosen.store)
        for grid in grids(name, chosen.trials, data_dir=chosen.data_dir):
            sweep(grid, store, jobs=chosen.jobs)
        store.fold(name, thin=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
