"""Runs a random sample of committed cells again from their specification and compares the records.

`python -m labelleak_lib.verify --sample 20`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from labelleak_lib.cells import config_hash, run_cell
from labelleak_lib.checks import require, require_int, require_number
from labelleak_lib.metrics import Scores
from labelleak_lib.records import KEY
from labelleak_lib.sweep import COMMITTED, one_thread
from labelleak_lib.tables import committed_records
from labelleak_lib.trials import TrialSpec

ROUNDING = 1e-9
"""Records are stored with 15 decimals."""
ACCURACIES = ["forget_acc_before", "forget_acc_after", "retain_acc_before", "retain_acc_after"]


class Verdict(NamedTuple):
    """How a cell run again compares with its committed records.

    `difference` is the largest difference of a metric or an accuracy, in 0 .. 1; below `ROUNDING` all are identical.
    """

    cell: str
    difference: float
    problem: str


def draw(records: pd.DataFrame, sample: int, seed: int) -> list[Any]:
    """Draw `sample` cells (fewer, if there are no more) from committed records, one row each."""
    cells = records.drop_duplicates("config_hash").sort_values("config_hash")
    return list(cells.sample(min(sample, len(cells)), random_state=seed).itertuples())


def rerun(row: Any, records: pd.DataFrame, data_dir: str | None = None) -> Verdict:
    """Run the cell of `row` again and compare it with its committed `records`.

    Returns
    -------
    Verdict
        With a `problem` where today's settings or data are not those of the record, or rows are missing.
    """
    name = f"{row.dataset}, trial {row.trial}, forgotten {row.forgotten}, {row.unlearning}"
    forgotten = [int(c) for c in row.forgotten.split(",")]
    spec = TrialSpec.from_parameters(
        dataset=row.dataset, seed=row.seed, trial=row.trial, forgotten=forgotten, profile=row.profile, data_dir=data_dir
    )
    if config_hash(spec, row.unlearning) != row.config_hash:
        return Verdict(name, float("nan"), "made with other settings, data or code")
    with one_thread():
        found = run_cell(spec, row.unlearning).rows
    stored = records[records.config_hash == row.config_hash]
    both = stored.merge(found, on=KEY, suffixes=("_stored", "_found"))
    if not len(both) == len(stored) == len(found):
        return Verdict(name, float("nan"), f"{len(stored)} records stored, {len(found)} found")
    columns = [*Scores._fields, *ACCURACIES]
    there, here = (both[[f"{column}_{side}" for column in columns]].to_numpy(float) for side in ("stored", "found"))
    lost = bool((np.isnan(there) != np.isnan(here)).any())
    return Verdict(name, float(np.nanmax(np.abs(there - here))), "a metric is defined on one side only" if lost else "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify a sample and return the exit status: 0 if every cell is within the tolerance."""
    parser = argparse.ArgumentParser(prog="python -m labelleak_lib.verify", description=__doc__)
    parser.add_argument("--sample", type=int, default=20, help="cells to run again")
    parser.add_argument("--dataset", nargs="+", help="only these data sets")
    parser.add_argument("--sample-seed", type=int, default=0)
    parser.add_argument("--tolerance", type=float, default=0.02, help="largest difference of a rate, in 0 .. 1")
    parser.add_argument("--data-dir")
    parser.add_argument("--store", type=Path, default=COMMITTED, help="folder of the records")
    chosen = parser.parse_args(arguments)
    try:
        require_int("sample", chosen.sample, low=1)
        require_int("sample-seed", chosen.sample_seed, low=0)
        require_number("tolerance", chosen.tolerance, low=0, high=1)
        records = committed_records(chosen.store)
        if chosen.dataset:
            records = records[records.dataset.isin(chosen.dataset)]
        require(len(records) > 0, "store", str(chosen.store), "a folder with records of the data sets asked for")
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    verdicts = [
        rerun(row, records, chosen.data_dir)
        for row in tqdm(draw(records, chosen.sample, chosen.sample_seed), desc="cells", disable=None)
    ]
    for cell, difference, problem in verdicts:
        print(f"{cell}: {problem or ('identical' if difference < ROUNDING else f'differs by up to {difference:.4f}')}")
    failed = [v for v in verdicts if v.problem or v.difference > chosen.tolerance]
    same = sum(not v.problem and v.difference < ROUNDING for v in verdicts)
    print(f"{len(verdicts)} cells run again: {same} identical, {len(failed)} beyond {chosen.tolerance}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
