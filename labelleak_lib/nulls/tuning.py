"""The runs on which the rules of reach were chosen: printed characters, and seeds from 1000 up that no table has.

Run as `python -m labelleak_lib.nulls.tuning`; it runs what is missing.
"""

import argparse
import sys
from collections.abc import Sequence

from labelleak_lib.checks import require_int
from labelleak_lib.command import one_sentence
from labelleak_lib.files import COMMITTED, as_path
from labelleak_lib.trials.engine import sweep
from labelleak_lib.trials.grid import Grid
from labelleak_lib.trials.settings import Settings, settings
from labelleak_lib.trials.store import Store

TUNING = COMMITTED / "tuning"
SEED = 1000
KS = {"glyphs5": (1, 2), "glyphs10": (1, 3)}
"""Data sets and numbers of forgotten classes.

No table reports on these seeds. The null bank has models of the same data sets and split from other seeds, and its
tables report on them.
"""
ATTACKS = ("passive_reach", "passive_answers", "query_reach", "joint_reach", "gradient_reach")


def grids(trials: int) -> list[Grid]:
    """Return what is run: every method on every data set, attacked by the searches of reach."""
    full = settings("paper", "lenet")
    given = Settings(full.recipe, full.methods, {name: full.attacks[name] for name in ATTACKS})
    return [Grid(name, trials, ks=ks, seed=SEED, profile="paper", given=given) for name, ks in KS.items()]


@one_sentence
def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m labelleak_lib.nulls.tuning", description=__doc__)
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--store", type=as_path, default=TUNING)
    chosen = parser.parse_args(arguments)
    require_int("trials", chosen.trials, low=1)
    store = Store(chosen.store)
    for grid in grids(chosen.trials):
        sweep(grid, store, jobs=chosen.jobs)
        store.fold(grid.dataset, thin=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
