"""The engine: runs a grid of trials in parallel, resumes where it stopped, and gathers the records.

joblib runs the tasks: worker processes with one thread each on one machine, or a Dask cluster. Run as
`python -m labelleak_lib.trials.engine --dataset digits --trials 20 --ks 1 3`.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import joblib
import pandas as pd
import torch
from tqdm import tqdm

from labelleak_lib.checks import require_choice, require_int
from labelleak_lib.data import files
from labelleak_lib.files import COMMITTED, UnwritableError, require_writable
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.trials.cells import Gathered, run_cell
from labelleak_lib.trials.grants import gather
from labelleak_lib.trials.grid import Grid, Task, open_tasks
from labelleak_lib.trials.records import Cell, RecordStore
from labelleak_lib.trials.settings import PAPER_METHODS


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread: results then do not depend on the machine's cores, and workers do not fight."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def run_task(task: Task, root: Path | None = None) -> list[Cell]:
    """Run a task's cells, the placebo once; write each as it is done to the store at `root`, if one is given."""
    remembered: Gathered = []

    def on_original(original: Classifier) -> Gathered:
        if not remembered:
            remembered.extend(gather(task.spec, original, task.spec.settings.attacks))
        return remembered

    cells = []
    with one_thread():
        for code in task.methods:
            cells.append(run_cell(task.spec, code, on_original=on_original))
            if root is not None:
                RecordStore(root).write(task.spec.data.name, cells[-1])
    return cells


def sweep(
    grid: Grid, store: RecordStore, *, jobs: int = 1, scheduler: str | None = None, recompute: bool = False
) -> int:
    """Run what the store lacks of a grid and return the number of tasks run.

    Parameters
    ----------
    jobs : int
        Worker processes (1 runs in this process).
    scheduler : str, optional
        Address of a Dask scheduler ("tcp://host:port") whose workers run the tasks; the cells come back and are
        stored here.
    recompute : bool
        Run every cell, whatever the store holds.

    Raises
    ------
    ValueError
        If `jobs` is below 1.
    UnwritableError
        If the store's folder cannot be written, before anything is computed.
    """
    require_int("jobs", jobs, low=1)
    name = grid.specs()[0].data.name
    tasks = open_tasks(grid, set() if recompute else store.known(name))
    if tasks:
        require_writable(store.root)
    root = None if scheduler else store.root
    calls = (joblib.delayed(run_task)(task, root) for task in tasks)
    with _backend(scheduler):
        parallel = joblib.Parallel(n_jobs=-1 if scheduler else jobs, return_as="generator_unordered", batch_size=1)
        for cells in tqdm(parallel(calls), total=len(tasks), desc=f"{name} trials", disable=None):
            for cell in cells if scheduler else ():
                store.write(name, cell)
    return len(tasks)


@contextlib.contextmanager
def _backend(scheduler: str | None) -> Iterator[None]:
    if scheduler is None:
        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            yield
        return
    from distributed import Client

    with Client(scheduler), joblib.parallel_config(backend="dask"):
        yield


class Collected(NamedTuple):
    """Records and evidence of a grid."""

    records: pd.DataFrame
    evidence: pd.DataFrame


def collect(grid: Grid, *, records: str = "reuse", jobs: int | None = None) -> Collected:
    """Return a grid's records and evidence: read where they are stored, computed where they are not.

    Committed records are read, never written; what is computed goes to the cache.

    Parameters
    ----------
    records : {"reuse", "recompute"}
        Whether stored records may be read.
    jobs : int, optional
        Worker processes; by default one a core, and none beside this process for 8x8 images, which take seconds.
    """
    require_choice("records", records, ("reuse", "recompute"))
    spec, wanted = grid.specs()[0], {digest for *_, digest in grid.cells()}
    if jobs is None:
        jobs = 1 if spec.model_spec.architecture == "small" else os.cpu_count() or 1
    cache, committed = RecordStore(files.cache_dir() / "records"), RecordStore(COMMITTED)
    stores = [cache] if records == "recompute" else [committed, cache]
    missing = wanted if records == "recompute" else wanted - committed.known(spec.data.name)
    for lacking in _restricted(grid, missing):
        sweep(lacking, cache, jobs=jobs, recompute=records == "recompute")
    rows = pd.concat([store.read(spec.data.name) for store in stores]).drop_duplicates(
        ["config_hash", "control", "attack", "criterion", "protocol"]
    )
    evidence = pd.concat([store.evidence(spec.data.name, wanted) for store in stores])
    chosen = rows[rows.config_hash.isin(wanted)].reset_index(drop=True)
    return Collected(chosen, evidence.drop_duplicates(["config_hash", "control", "attack", "protocols", "kind"]))


def _restricted(grid: Grid, missing: set[str]) -> list[Grid]:
    """Return `grid` when all of its cells are missing, else the trials that lack some."""
    if not missing:
        return []
    if missing == {digest for *_, digest in grid.cells()}:
        return [grid]
    lacking = {spec.trial for spec, _, digest in grid.cells() if digest in missing}
    return [dataclasses.replace(grid, first=trial, trials=1) for trial in sorted(lacking)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sweep from the command line, fold its records into Parquet files, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m labelleak_lib.trials.engine", description="Run a grid of trials.")
    parser.add_argument("--dataset", default="digits", help="a known name, or the path of a folder or .npz file")
    parser.add_argument("--trials", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="index of the first trial")
    parser.add_argument("--ks", type=int, nargs="+", default=[1, 3], help="numbers of forgotten classes")
    parser.add_argument("--methods", nargs="+", default=list(PAPER_METHODS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--profile", default="paper")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--data-dir")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="worker processes, one thread each")
    parser.add_argument("--scheduler", help="address of a Dask scheduler, tcp://host:port")
    parser.add_argument("--store", type=Path, default=COMMITTED, help="folder of the records")
    chosen = parser.parse_args(arguments)
    names = ("dataset", "trials", "first", "seed", "profile", "device", "data_dir")
    try:
        grid = Grid(**{n: getattr(chosen, n) for n in names}, ks=tuple(chosen.ks), methods=tuple(chosen.methods))
        store = RecordStore(chosen.store)
        ran = sweep(grid, store, jobs=chosen.jobs, scheduler=chosen.scheduler)
        store.compact(grid.specs()[0].data.name)
    except (ValueError, UnwritableError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{ran} tasks run; records in {chosen.store}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
