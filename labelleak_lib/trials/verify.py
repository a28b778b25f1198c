"""Runs a random sample of committed cells again from their specification and compares the records.

`labelleak verify --sample 20`. On the kind of processor that made a record the numbers are
identical. On another kind sums are rounded otherwise and training ends in another model, as with another seed; the
evidence stored of the original model shows which. Such cells are compared as a sample, metric by metric.
"""

import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pandas as pd
from scipy import stats
from tqdm import tqdm

from labelleak_lib.checks import require, require_int, require_number
from labelleak_lib.command import Parser
from labelleak_lib.data.files import DataError
from labelleak_lib.files import COMMITTED, as_path
from labelleak_lib.metrics import Scores
from labelleak_lib.trials.cells import run_cell
from labelleak_lib.trials.committed import PROFILE, committed
from labelleak_lib.trials.judging import KEY, judge
from labelleak_lib.trials.schema import unpack
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.store import Stored, thinned
from labelleak_lib.trials.threads import one_thread

ROUNDING = 1e-9
"""Difference of a rate, in 0 .. 1, that counts as none."""
ABSENT = ("its data are not here", "the data here are another variant")
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


def draw(models: pd.DataFrame, sample: int, seed: int) -> pd.DataFrame:
    """Draw `sample` unlearned models (fewer, if there are no more) from a store's models."""
    cells = models[models.unlearning != ""].sort_values("model")
    return cells.sample(min(sample, len(cells)), random_state=seed)


def specification(cell: Any, data_dir: str | None = None) -> TrialSpec | str:
    """Return the trial of a row of a store's models, or a sentence that says why it cannot be run again."""
    forgotten = tuple(int(c) for c in cell.forgotten.split(","))
    try:
        spec = TrialSpec.from_parameters(
            dataset=cell.dataset, seed=int(cell.seed), trial=int(cell.trial), profile=PROFILE, data_dir=data_dir,
            split_seed=int(cell.split_seed), train_seed=int(cell.train_seed), unlearn_seed=int(cell.unlearn_seed),
        )  # fmt: skip
    except DataError as error:
        return f"its data are not here: {error}"
    spec = replace(spec, forgotten=forgotten)
    if spec.data.variant != cell.data_variant:
        return f"the data here are another variant ({spec.data.variant}) than it was made with ({cell.data_variant})"
    if cell.unlearning not in spec.settings.methods:
        return f"no unlearning method is called {cell.unlearning}"
    if spec.unlearned_id(cell.unlearning, spec.method(cell.unlearning)) != cell.model:
        return "it was made with other settings, data or code"
    return spec


def rerun(cell: Any, stored: Stored, data_dir: str | None = None) -> Verdict:
    """Run the cell of an unlearned model, a row of `stored.models`, again and compare what is decided on both.

    The verdict has a `problem` where it cannot be run as it was, or rows are missing.
    """
    name = f"{cell.dataset}, trial {cell.trial}, forgotten {cell.forgotten}, {cell.unlearning}"
    spec = specification(cell, data_dir)
    if isinstance(spec, str):
        return Verdict(name, float("nan"), spec)
    with one_thread():
        again = run_cell(spec, cell.unlearning).stored
    own = stored.models[stored.models.model.isin((cell.model, cell.original))]
    kept = stored.evidence[stored.evidence.model.isin(own.model)]
    # with the digits that an archive keeps, on both sides
    before, found = (judge(models, thinned(rows, models)) for models, rows in ((own, kept), again))
    both = before.merge(found, on=KEY, suffixes=("_stored", "_found"))
    if lone := _on_one_side(stored.evidence, cell):
        return Verdict(name, float("nan"), f"only one of its two models has evidence of {', '.join(sorted(lone))}")
    if not 0 < len(before) == len(both):
        return Verdict(name, float("nan"), f"{len(before)} records stored, {len(both)} of them found again")
    columns = [*Scores._fields, *ACCURACIES]
    there, here = (both[[f"{column}_{side}" for column in columns]].to_numpy(float) for side in ("stored", "found"))
    lost = bool((np.isnan(there) != np.isnan(here)).any())
    problem = "a metric is defined on one side only" if lost else ""
    same_model = _scores_agree(stored.evidence, again.evidence, cell.original)
    return Verdict(name, float(np.nanmax(np.abs(there - here))), problem, same_model, _means(both, columns))


def _on_one_side(evidence: pd.DataFrame, cell: Any) -> set[str]:
    """Return the attacks of which something is stored on M_u or on M_o alone."""
    told = evidence[evidence.staged.isin(("", cell.forgotten))]
    own, before = (
        set(told.loc[told.model == model, ["attack", "protocol", "kind"]].itertuples(index=False, name=None))
        for model in (cell.model, cell.original)
    )
    return {attack for attack, _, _ in own ^ before}


def _scores_agree(stored: pd.DataFrame, found: pd.DataFrame, model: str) -> bool:
    """Tell whether the scores on a model are the stored ones, to the precision in which these are kept."""
    sides = [part[(part.model == model) & part.kind.isin(("score", "ipv"))] for part in (stored, found)]
    both = sides[0].merge(sides[1], on=["evidence", "kind"], suffixes=("", "_again"))
    pairs = [(unpack(row), unpack({**row, "values": row["values_again"]})) for row in both.to_dict("records")]
    return all(np.allclose(kept, again, rtol=2e-3, atol=1e-6, equal_nan=True) for kept, again in pairs)


def _means(both: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    sides = {side: both.groupby("control")[[f"{c}_{side}" for c in columns]].mean() for side in ("stored", "found")}
    return pd.DataFrame({side: table.set_axis(list(columns), axis=1).stack() for side, table in sides.items()})


def compare_samples(means: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Compare stored and found cells as two samples, metric by metric (`means`: `Verdict.means` of each cell).

    One line a control and metric: ``stored found`` (means over cells, 0 .. 1) and ``p``, the probability of so large a
    difference if stored and found were drawn alike, from exchanging the two within cells at random.
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
        (found, stored), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples", vectorized=True,
        n_resamples=9999, rng=np.random.default_rng(0),
    )  # fmt: skip
    return float(tested.pvalue)


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify a sample and return the exit status: 0 if every cell is within the tolerance."""
    parser = Parser(prog="labelleak verify", description=__doc__)
    parser.add_argument("--sample", type=int, default=20, help="cells to run again")
    parser.add_argument("--dataset", nargs="+", help="only these data sets")
    parser.add_argument("--sample-seed", type=int, default=0)
    parser.add_argument("--tolerance", type=float, default=0.02, help="largest difference of a rate, in 0 .. 1")
    parser.add_argument("--data-dir")
    parser.add_argument("--store", type=as_path, default=COMMITTED, help="folder of the records")
    chosen = parser.parse_args(arguments)
    try:
        require_int("sample", chosen.sample, low=1)
        require_int("sample-seed", chosen.sample_seed, low=0)
        require_number("tolerance", chosen.tolerance, low=0, high=1)
        named = committed(chosen.store)
        stored = [named[name] for name in chosen.dataset or named if name in named]
        valid = "a folder with records of the data sets asked for"
        require(any(len(part.models) for part in stored), "store", str(chosen.store), valid)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    whole = Stored(*(pd.concat(parts, ignore_index=True) for parts in zip(*stored, strict=True)))
    sample = list(draw(whole.models, chosen.sample, chosen.sample_seed).itertuples())
    # nothing that was trained before is read
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, {"LABELLEAK_CACHE": folder}):
        verdicts = [rerun(cell, whole, chosen.data_dir) for cell in tqdm(sample, desc="cells", disable=None)]
    for v in verdicts:
        print(f"{v.cell}: {v.problem or ('identical' if v.identical else f'differs by up to {v.difference:.4f}')}")
    return conclude(verdicts, chosen.tolerance)


def conclude(verdicts: Sequence[Verdict], tolerance: float) -> int:
    """Print the outcome and return the exit status: 0 if the records are confirmed, else 1.

    A cell whose original model came out again must be within `tolerance`. Of the others, taken together, no metric's
    mean may differ beyond chance.
    """
    # a cell whose data are not here says nothing of the records
    problems = sum(bool(v.problem) and not v.problem.startswith(ABSENT) for v in verdicts)
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
