"""The methods beside the paper's under attacks of every access, and what each costs: what the leak cards are made of.

Run as `python -m labelleak_lib.trials.every_method --dataset digits --trials 10`; it runs what is missing. The paper's
methods stand in the book's own records. What is left of a class is measured by `trials.forgetting`, with the methods'
codes and a store of their own.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from labelleak_lib.command import Parser, one_sentence
from labelleak_lib.files import as_path
from labelleak_lib.names import PAPER_METHODS
from labelleak_lib.registry import METHODS
from labelleak_lib.trials import lines
from labelleak_lib.trials.cells import as_json
from labelleak_lib.trials.committed import BY_METHOD
from labelleak_lib.trials.engine import sweep
from labelleak_lib.trials.grid import Grid
from labelleak_lib.trials.originals import original_model, unlearned_anew
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.store import Store
from labelleak_lib.trials.threads import one_thread

ATTACKS = (
    "head_bias", "head_row_sum", "passive_answers", "passive_reach", "query_reach", "joint_reach", "gradient_reach",
    "dot_product", "direct_probe",
)  # fmt: skip
"""At least one of every access; the published inversions, which take most of a trial's time, are left out."""

OTHERS = tuple(code for code in METHODS if code not in PAPER_METHODS)


def grid_of(dataset: str, **asked: Any) -> Grid:
    """Return the grid of a data set's trials: every method beside the paper's, unless `methods` are named."""
    fixed = {"profile": "paper", "methods": OTHERS, **asked}
    first = TrialSpec.from_parameters(dataset=dataset, profile=fixed["profile"], data_dir=asked.get("data_dir"))
    given = replace(first.settings, attacks={name: first.settings.attacks[name] for name in ATTACKS})
    return Grid(dataset, given=given, **fixed)


def cost(spec: TrialSpec, code: str) -> dict[str, Any]:
    """Return one line: the processor seconds, on one thread, that a method takes to unlearn a trial's classes."""
    method = spec.method(code)
    original = original_model(spec, method)
    with one_thread():
        start = time.process_time()
        unlearned_anew(spec, code, method, original)
        seconds = time.process_time() - start
    return {
        "dataset": spec.data.name, "trial": spec.trial, "forgotten": ",".join(map(str, spec.forgotten)),
        "unlearning": code, "method": as_json(method), "seconds": seconds,
    }  # fmt: skip


def costs(root: Path = BY_METHOD) -> pd.DataFrame:
    """Return the lines of `cost` of every data set; no rows where none is stored."""
    return lines.read(root / "costs", ["dataset", "trial", "forgotten", "unlearning", "method", "seconds"])


def measure_costs(grid: Grid, trials: int, root: Path) -> int:
    """Measure what is missing of the first `trials` trials of a grid, and return the number of new lines."""
    wanted = [(spec, code) for spec in grid.specs() if spec.trial < trials for code in grid.methods]
    name, held = grid.specs()[0].data.name, costs(root)
    key = ["forgotten", "unlearning", "method"]
    known = set(held[held.dataset == name][key].itertuples(index=False, name=None))
    new = 0
    for spec, code in tqdm(wanted, desc=f"{name}, timed", unit="method", disable=None):
        if (",".join(map(str, spec.forgotten)), code, as_json(spec.method(code))) in known:
            continue
        line, new = cost(spec, code), new + 1
        held = pd.DataFrame([*held.to_dict("records"), line])
        own = held[held.dataset == name].drop_duplicates(["trial", "forgotten", "unlearning"], keep="last")
        lines.write(own.sort_values(["trial", "forgotten", "unlearning"]), root / "costs" / f"{name}.parquet")
    return new


@one_sentence
def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing of a data set's trials, fold the records, and return the exit status."""
    parser = Parser(prog="python -m labelleak_lib.trials.every_method", description=__doc__)
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--trials", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="index of the first trial")
    parser.add_argument("--ks", type=int, nargs="+", default=[1, 3], help="numbers of forgotten classes")
    parser.add_argument("--methods", nargs="+", help="codes; all beside the paper's by default")
    parser.add_argument("--timed", type=int, default=2, help="trials in which the methods are timed [2]")
    parser.add_argument("--data-dir")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--store", type=as_path, default=BY_METHOD)
    chosen = parser.parse_args(arguments)
    asked = {name: getattr(chosen, name) for name in ("trials", "first", "data_dir")}
    asked |= {"methods": tuple(chosen.methods)} if chosen.methods else {}
    grid, store = grid_of(chosen.dataset, ks=tuple(chosen.ks), **asked), Store(chosen.store)
    ran = sweep(grid, store, jobs=chosen.jobs)
    # the paper's too, since retraining is the measure of costs
    all_methods = replace(grid, ks=tuple(chosen.ks[:1]), methods=tuple(chosen.methods or METHODS))
    timed = measure_costs(all_methods, chosen.timed, chosen.store)
    store.fold(grid.specs()[0].data.name, thin=chosen.store == BY_METHOD)
    print(f"{ran} tasks run, {timed} methods timed; records in {chosen.store}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
