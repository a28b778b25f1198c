"""The engine: runs what a store lacks of a grid, in parallel, resumes where it stopped, and gathers the records.

joblib runs the tasks: worker processes with one thread each on one machine, or a Dask cluster. Run as
`labelleak sweep --dataset digits --trials 20 --ks 1 3`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import pandas as pd
from tqdm import tqdm

from labelleak_lib.adapters.undisturbed import undisturbed
from labelleak_lib.checks import require_choice, require_int
from labelleak_lib.command import Parser, one_sentence
from labelleak_lib.data.files import cache_dir
from labelleak_lib.files import COMMITTED, as_path, require_writable
from labelleak_lib.names import PAPER_METHODS
from labelleak_lib.registry import ARCHITECTURES, DATASETS
from labelleak_lib.trials import cost
from labelleak_lib.trials.cells import Cell, evidence_on, original_facts, unlearned_facts
from labelleak_lib.trials.grid import Grid, Wanted
from labelleak_lib.trials.judging import evidence_by_cell, judge
from labelleak_lib.trials.known import NOTHING, Known
from labelleak_lib.trials.originals import original_and_unlearned, original_model, weights_digest
from labelleak_lib.trials.store import Store, Stored
from labelleak_lib.trials.threads import cores, one_thread


@dataclass(frozen=True, eq=False)
class Task:
    """Cells of one original model, the classes of its data set (None of a path) and architecture, what is known."""

    cells: tuple[Wanted, ...]
    dataset: Any
    architecture: Any
    known: Known


def open_tasks(cells: Sequence[Wanted], known: Known) -> list[Task]:
    """Return a task for every original model of which, or of whose unlearned models, something is missing."""
    groups: dict[str, list[Wanted]] = {}
    for cell in cells:
        groups.setdefault(cell.original, []).append(cell)
    tasks = []
    for group in groups.values():
        if not known.complete(group):
            spec = group[0].spec
            dataset = next((DATASETS[name] for name in DATASETS if name == spec.dataset), None)
            tasks.append(Task(tuple(group), dataset, ARCHITECTURES[spec.model_spec.architecture], known))
    return tasks


@undisturbed()
def run_task(task: Task, root: Path | None = None, tell: Callable[[], Any] | None = None) -> list[Cell]:
    """Run what is missing of a task's cells; write each model as it is done to the store at `root`, if one is given.

    `tell` is called as each cell begins but the first; only where the task runs in the caller's process.
    """
    cells: list[Cell] = []
    on_original: set[str] = set()
    # this may be a process that does not know what was registered in another
    ARCHITECTURES.register(task.architecture.name)(task.architecture)
    if task.dataset is not None:
        DATASETS.register(task.dataset.name)(task.dataset)
    with one_thread():
        for number, cell in enumerate(task.cells):
            if tell is not None and number:
                tell()
            spec, attacks = cell.spec, cell.spec.settings.attacks
            # an M_u of which all is known need not be made
            if task.known.found(cell, weights_digest(original_model(spec, cell.method))) is not None:
                continue
            original, unlearned = original_and_unlearned(spec, cell.unlearning, cell.method)
            before, weights = weights_digest(original), weights_digest(unlearned)
            known = task.known.evidence.get((cell.original, before), frozenset()) | on_original
            if task.known.found(cell, before) == weights:
                continue
            found = evidence_on(spec, original, cell.original, attacks, known)
            if found or not (on_original or (cell.original, before, "") in task.known.models):
                cells.append(Cell([original_facts(spec, cell.method, original)], found))
                on_original |= {line["evidence"] for line in found} | {""}
            facts = unlearned_facts(spec, cell.unlearning, cell.method, original, unlearned)
            known = task.known.evidence.get((cell.model, weights), frozenset())
            cells.append(Cell([facts], evidence_on(spec, unlearned, cell.model, attacks, known)))
            if root is not None:
                for done in cells:
                    Store(root).write(spec.data.name, done.models, done.evidence)
                cells = []
    return cells


def _numbered(i: int, task: Task, root: Path | None, tell: Callable[[], Any] | None) -> tuple[int, list[Cell]]:
    return i, run_task(task, root, tell)


def run(cells: Sequence[Wanted], store: Store, known: Known, *, jobs: int = 1, scheduler: str | None = None) -> int:
    """Run what is not `known` of some cells of one data set into a store, and return the number of tasks run."""
    tasks = open_tasks(cells, known)
    if not tasks:
        return 0
    require_writable(store.root)
    name, root = cells[0].spec.data.name, None if scheduler else store.root
    if scheduler is None:
        cost.tell([cell for task in tasks for cell in task.cells], jobs)
    alone = jobs == 1 and scheduler is None
    total = sum(len(task.cells) for task in tasks)
    with _backend(scheduler), tqdm(total=total, desc=name, unit="model", disable=None) as bar:
        calls = (
            joblib.delayed(_numbered)(i, task, root, bar.update if alone else None) for i, task in enumerate(tasks)
        )
        parallel = joblib.Parallel(n_jobs=-1 if scheduler else jobs, return_as="generator_unordered", batch_size=1)
        for i, done in parallel(calls):
            for cell in done:
                store.write(name, cell.models, cell.evidence)
            bar.update(1 if alone else len(tasks[i].cells))
    return len(tasks)


def sweep(grid: Grid, store: Store, *, jobs: int = 1, scheduler: str | None = None, recompute: bool = False) -> int:
    """Run what the store lacks of a grid and return the number of tasks run.

    Parameters
    ----------
    jobs : int
        Worker processes (1 runs in this process).
    scheduler : str, optional
        Address of a Dask scheduler (``tcp://host:port``) whose workers run the tasks; what they find is stored here.
    recompute : bool
        Run every cell, whatever the store holds, and replace what it held.

    Raises
    ------
    ValueError, UnwritableError
        If `jobs` is below 1, or the store's folder cannot be written; before anything is computed.
    """
    require_int("jobs", jobs, low=1)
    cells = grid.cells()
    known = NOTHING if recompute else Known.of(_of(store, cells))
    return run(cells, store, known, jobs=jobs, scheduler=scheduler)


def _of(store: Store, cells: Sequence[Wanted]) -> Stored:
    names = {cell.original for cell in cells} | {cell.model for cell in cells}
    return store.read(cells[0].spec.data.name, names)


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
    """Records (`judging.COLUMNS`) and evidence (`judging.EVIDENCE_COLUMNS`) of a grid."""

    records: pd.DataFrame
    evidence: pd.DataFrame


def collect(grid: Grid, *, records: str = "reuse", jobs: int | None = None) -> Collected:
    """Return a grid's records and evidence: read where they are stored, computed where they are not.

    Committed evidence is read, never written; what is computed goes to the cache. `records` ("reuse" or "recompute")
    says whether what is stored may be read; `jobs` is the number of processes, by default one a core (8x8 images: one).
    """
    stored = collect_stored(grid, records=records, jobs=jobs)
    return Collected(judge(*stored), evidence_by_cell(*stored))


def collect_stored(grid: Grid, *, records: str = "reuse", jobs: int | None = None) -> Stored:
    """Return the models and the evidence of a grid, as :func:`collect` does, with nothing decided on them."""
    require_choice("records", records, ("reuse", "recompute"))
    cells, cache = grid.cells(), Store(cache_dir() / "records")
    stores = [cache] if records == "recompute" else [Store(COMMITTED), cache]
    if jobs is None:
        jobs = 1 if cells[0].spec.model_spec.architecture == "small" else cores()
    known = NOTHING if records == "recompute" else Known.of(*(_of(store, cells) for store in stores))
    run(cells, cache, known, jobs=jobs)
    return select(cells, *(_of(store, cells) for store in stores))


def select(cells: Sequence[Wanted], *stored: Stored) -> Stored:
    """Return the models and the evidence of `cells`, from stores that hold all of it together."""
    known, weights = Known.of(*stored), dict[str, str]()
    for original in dict.fromkeys(cell.original for cell in cells):
        weights |= known.complete([cell for cell in cells if cell.original == original])
    if any(cell.model not in weights for cell in cells):
        raise RuntimeError("what ran is not what was asked for: a method or an attack changed meanwhile")
    wanted = {digest for cell in cells for digest in (*cell.on_original, *cell.on_model)}
    models, evidence = (pd.concat(parts, ignore_index=True) for parts in zip(*stored, strict=True))
    models = models[models.model.map(weights).eq(models.weights)].drop_duplicates("model")
    evidence = evidence[evidence.model.map(weights).eq(evidence.weights) & evidence.evidence.isin(wanted)]
    place = {cell.model: i for i, cell in enumerate(cells)}
    ordered = models.iloc[models.model.map(place).fillna(-1).to_numpy().argsort(kind="stable")]
    asked = {cell.model: cell.spec for cell in cells} | {cell.original: cell.spec for cell in cells}
    labels = {name: [getattr(asked[model], name) for model in ordered.model] for name in ("seed", "trial")}
    profile = cells[0].spec.profile
    return Stored(
        ordered.assign(**labels).reset_index(drop=True),
        evidence.drop_duplicates(["evidence", "kind"]).assign(profile=profile).reset_index(drop=True),
    )


@one_sentence
def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sweep from the command line, fold its records into Parquet files, and return the exit status."""
    parser = Parser(prog="labelleak sweep", description="Run a grid of trials.")
    parser.add_argument(
        "--dataset", default="digits", help="a known name, or a path: folders of images, an .npz, a list, raw files"
    )
    parser.add_argument("--trials", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="index of the first trial")
    parser.add_argument("--ks", type=int, nargs="+", default=[1, 3], help="numbers of forgotten classes")
    parser.add_argument("--methods", nargs="+", default=list(PAPER_METHODS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--profile", default="paper")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--data-dir")
    parser.add_argument("--jobs", type=int, default=cores(), help="worker processes, one thread each")
    parser.add_argument("--scheduler", help="address of a Dask scheduler, tcp://host:port")
    parser.add_argument("--store", type=as_path, default=COMMITTED, help="folder of the records")
    chosen = parser.parse_args(arguments)
    names = ("dataset", "trials", "first", "seed", "profile", "device", "data_dir")
    grid = Grid(**{n: getattr(chosen, n) for n in names}, ks=tuple(chosen.ks), methods=tuple(chosen.methods))
    store = Store(chosen.store)
    ran = sweep(grid, store, jobs=chosen.jobs, scheduler=chosen.scheduler)
    # what the project archives is kept small
    store.fold(grid.specs()[0].data.name, thin=chosen.store == COMMITTED)
    print(f"{ran} tasks run; records in {chosen.store}")
    return 0
