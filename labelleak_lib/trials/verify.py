"""Runs a random sample of committed cells again from their specification and compares the records.

`python -m labelleak_lib.trials.verify --sample 20`. On the kind of processor that made a record the numbers are
identical. On another kind sums are rounded otherwise and training ends in another model, as with another seed; the
evidence stored of the original model shows which. Such cells are compared as a sample, metric by metric.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from tqdm import tqdm

from labelleak_lib.checks import require, require_int, require_number
from labelleak_lib.files import COMMITTED
from labelleak_lib.metrics import Scores
from labelleak_lib.trials.cells import config_hash, run_cell
from labelleak_lib.trials.committed import committed_evidence, committed_records
from labelleak_lib.trials.engine import one_thread
from labelleak_lib.trials.records import KEY, Cell, unpack
from labelleak_lib.trials.specification import TrialSpec

ROUNDING = 1e-9
"""Records are stored with 15 decimals."""
LEVEL = 0.01
"""Chance of calling equally good samples different, over all metrics."""
ACCURACIES = ["forget_acc_before", "forget_acc_after", "retain_acc_before", "retain_acc_after"]


class Verdict(NamedTuple):
    """How a cell run again compares with its committed records.

    `difference` is the largest difference of a metric or an accuracy, in 0 .. 1; below `ROUNDING` all are identical.
    `same_model` tells whether the original model came out again, by the evidence stored of it. `means` has one line a
    metric and control, with its mean over the cell's rows as ``stored`` and as ``found``.
    """

    cell: str
    difference: float
    problem: str
    same_model: bool = True
    means: pd.DataFrame | None = None

    @property
    def identical(self) -> bool:
        """Tell whether every number came out again."""
        return not self.problem and self.difference < ROUNDING


def draw(records: pd.DataFrame, sample: int, seed: int) -> list[Any]:
    """Draw `sample` cells (fewer, if there are no more) from committed records, one row each."""
    cells = records.drop_duplicates("config_hash").sort_values("config_hash")
    return list(cells.sample(min(sample, len(cells)), random_state=seed).itertuples())


def specification(row: Any, data_dir: str | None = None) -> TrialSpec | None:
    """Return the trial of a stored row; None if today's settings, data or code are not those of the row's cell."""
    forgotten = [int(c) for c in row.forgotten.split(",")]
    spec = TrialSpec.from_parameters(
        dataset=row.dataset, seed=row.seed, trial=row.trial, forgotten=forgotten, profile=row.profile, data_dir=data_dir
    )
    return spec if config_hash(spec, row.unlearning) == row.config_hash else None


def rerun(row: Any, records: pd.DataFrame, evidence: pd.DataFrame, data_dir: str | None = None) -> Verdict:
    """Run the cell of `row` again and compare it with its committed `records` and `evidence`.

    Returns
    -------
    Verdict
        With a `problem` where today's settings or data are not those of the record, or rows are missing.
    """
    name = f"{row.dataset}, trial {row.trial}, forgotten {row.forgotten}, {row.unlearning}"
    spec = specification(row, data_dir)
    if spec is None:
        return Verdict(name, float("nan"), "made with other settings, data or code")
    with one_thread():
        cell = run_cell(spec, row.unlearning)
    found, same_model = cell.rows, _same_model(cell, evidence[evidence.config_hash == row.config_hash])
    stored = records[records.config_hash == row.config_hash]
    both = stored.merge(found, on=KEY, suffixes=("_stored", "_found"))
    if not len(both) == len(stored) == len(found):
        return Verdict(name, float("nan"), f"{len(stored)} records stored, {len(found)} found")
    columns = [*Scores._fields, *ACCURACIES]
    there, here = (both[[f"{column}_{side}" for column in columns]].to_numpy(float) for side in ("stored", "found"))
    lost = bool((np.isnan(there) != np.isnan(here)).any())
    problem = "a metric is defined on one side only" if lost else ""
    return Verdict(name, float(np.nanmax(np.abs(there - here))), problem, same_model, _means(both, columns))


def _same_model(cell: Cell, evidence: pd.DataFrame) -> bool:
    """Tell whether the placebo's scores are the stored ones, to the precision in which these are kept."""
    stored = evidence[(evidence.control == "placebo") & (evidence.kind == "score")]
    pairs = [
        (unpack(line), cell.arrays[f"placebo/{line['attack']}/{line['protocols']}/score"])
        for line in stored.to_dict("records")
    ]
    return all(np.allclose(kept, again, rtol=2e-3, atol=1e-6, equal_nan=True) for kept, again in pairs)


def _means(both: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    sides = {side: both.groupby("control")[[f"{c}_{side}" for c in columns]].mean() for side in ("stored", "found")}
    return pd.DataFrame({side: table.set_axis(list(columns), axis=1).stack() for side, table in sides.items()})


def compare_samples(means: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Compare stored and found cells as two samples, metric by metric.

    Parameters
    ----------
    means : sequence of DataFrame
        `Verdict.means` of each cell.

    Returns
    -------
    DataFrame
        One line a control and metric: ``stored found`` (means over cells, 0 .. 1) and ``p``, the probability of so
        large a difference if stored and found were drawn alike, from exchanging the two within cells at random.
    """
    cells = pd.concat(means, keys=range(len(means)), names=["cell", "control", "metric"])
    lines = []
    for (control, metric), pairs in cells.dropna().groupby(["control", "metric"], sort=False):
        p = _exchange_test(pairs.found.to_numpy(), pairs.stored.to_numpy())
        lines.append([control, metric, pairs.stored.mean(), pairs.found.mean(), p])
    return pd.DataFrame(lines, columns=["control", "metric", "stored", "found", "p"])


def _exchange_test(found: np.ndarray, stored: np.ndarray) -> float:
    if len(found) < 2:
        return 1.0  # one difference is as large with the other sign; scipy refuses to say so
    tested = stats.permutation_test(
        (found, stored), _mean_difference, permutation_type="samples", vectorized=True, n_resamples=9999,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    return float(tested.pvalue)


def _mean_difference(found: np.ndarray, stored: np.ndarray, axis: int) -> np.ndarray:
    return np.mean(found - stored, axis=axis)


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify a sample and return the exit status: 0 if every cell is within the tolerance."""
    parser = argparse.ArgumentParser(prog="python -m labelleak_lib.trials.verify", description=__doc__)
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
    sample = draw(records, chosen.sample, chosen.sample_seed)
    evidence = committed_evidence(records[records.config_hash.isin([row.config_hash for row in sample])], chosen.store)
    verdicts = [rerun(row, records, evidence, chosen.data_dir) for row in tqdm(sample, desc="cells", disable=None)]
    for v in verdicts:
        print(f"{v.cell}: {v.problem or ('identical' if v.identical else f'differs by up to {v.difference:.4f}')}")
    return judge(verdicts, chosen.tolerance)


def judge(verdicts: Sequence[Verdict], tolerance: float) -> int:
    """Print the outcome and return the exit status: 0 if the records are confirmed, else 1.

    A cell whose original model came out again must be within `tolerance`. Of the others, taken together, no metric's
    mean may differ beyond chance.
    """
    problems = sum(bool(v.problem) for v in verdicts)
    same = [v for v in verdicts if v.same_model and not v.problem]
    others = [v.means for v in verdicts if not v.same_model and not v.problem and v.means is not None]
    identical, beyond = sum(v.identical for v in same), sum(v.difference > tolerance for v in same)
    shifted = 0
    if others:
        table = compare_samples(others)
        print(f"{len(others)} cells come from another model, as they do on another kind of processor; as samples:")
        print(table.to_string(index=False, float_format="{:.3f}".format))
        shifted = int((table.p * len(table) < LEVEL).sum())
        if 2.0 ** (1 - len(others)) * len(table) >= LEVEL:
            print("They are too few to tell a shift from chance, however large it is.")
    print(
        f"{len(verdicts)} cells run again: {problems} with a problem; of {len(same)} from the same model {identical} "
        f"are identical and {beyond} beyond {tolerance}; of {len(others)} from another, {shifted} metrics beyond chance"
    )
    return 1 if problems or beyond or shifted else 0


if __name__ == "__main__":
    sys.exit(main())
