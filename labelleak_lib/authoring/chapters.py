"""Executes the notebooks into the book's chapters.

papermill executes and jupyter-book only renders, so that a chapter can neither be taken from a stale cache
nor lose an output while it is rendered. Every chapter is checked before any is rendered.
"""

import multiprocessing
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import nbformat
from papermill.exceptions import PapermillExecutionError
from papermill.execute import execute_notebook

from labelleak_lib.authoring.downloads import offered, take
from labelleak_lib.authoring.outputs import NOTEBOOKS, silent_cells
from labelleak_lib.checks import require_int
from labelleak_lib.command import Parser, one_sentence
from labelleak_lib.files import locked, write_atomically

CHAPTERS = Path("book/chapters")
SHOW_CODE = "show-code"
"""Tag of a cell whose code is part of the story."""

# One thread a process: the notebooks run side by side, and more threads than cores slow every one of them.
_ONE_THREAD = dict.fromkeys(["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "1")
# Seconds. By default a kernel that reports the end of a cell 4 s late, as on a busy machine, fails the notebook.
_PATIENCE = 300


def sources(folder: Path = NOTEBOOKS) -> list[Path]:
    """Return the notebooks `NN_name.ipynb` of a folder, in the order of their numbers.

    Copies that an editor or a file manager made (`01_theory-Copy1.ipynb`) are no chapters.

    Raises
    ------
    FileNotFoundError
        If the folder holds none.
    """
    notebooks = sorted(path for path in folder.glob("*.ipynb") if re.fullmatch(r"\d\d_[a-z0-9_]+", path.stem))
    if not notebooks:
        raise FileNotFoundError(f"{folder} holds no notebook named NN_name.ipynb: run from the project's root")
    return notebooks


def fold_code(target: Path) -> None:
    """Fold the code of an executed notebook's cells, except those tagged `show-code`; readers unfold it at a click."""
    notebook = nbformat.read(target, as_version=4)
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code" and SHOW_CODE not in tags:
            cell.metadata["tags"] = [*tags, "hide-input"]
    write_atomically(target, nbformat.writes(notebook).encode() + b"\n")


def _run(source: Path, target: Path, parameters: Mapping[str, object]) -> None:
    """Run a notebook by papermill; start it once more if its kernel died before its first cell.

    A kernel's ports are chosen before it binds them, and another process may take one meanwhile.
    """
    for starts_left in (1, 0):
        try:
            # The kernel logs its local sockets and its own shutdown; what fails comes back as an exception.
            with offered():
                execute_notebook(
                    source, target, dict(parameters), kernel_name="python3", progress_bar=False,
                    request_save_on_cell_execute=False, start_timeout=_PATIENCE, iopub_timeout=_PATIENCE,
                    extra_arguments=["--log-level=CRITICAL"],
                )  # fmt: skip
            return
        except RuntimeError as error:
            if not starts_left or not str(error).startswith("Kernel died before replying"):
                raise


def execute(source: Path, target: Path, parameters: Mapping[str, object]) -> str:
    """Execute one notebook with `parameters`, check its outputs, and return what went wrong ("" if nothing)."""
    os.environ.update(_ONE_THREAD)
    try:
        _run(source, target, parameters)
    except PapermillExecutionError as error:
        return f"cell {error.cell_index} failed: {error.ename}: {error.evalue}"
    silent = silent_cells(nbformat.read(source, as_version=4), nbformat.read(target, as_version=4))
    if silent:
        return f"printed nothing in code cell(s) {', '.join(map(str, silent))}, counted from 0 over all cells"
    take(target, source)
    fold_code(target)
    return ""


def execute_all(
    notebooks: Sequence[Path], target: Path, parameters: Mapping[str, object], processes: int
) -> dict[str, str]:
    """Execute notebooks side by side, `processes` at a time, and say on the terminal how far they are.

    Notebooks of an earlier run in the folder `target` are removed first, so that a failed run cannot be rendered with
    old chapters. Returns what went wrong, by the name of each notebook that failed.
    """
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.ipynb"):
        old.unlink()
    problems = {}
    # Spawned, not forked: papermill's event loop and its sockets do not survive a fork.
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        start = time.monotonic()
        names = {pool.submit(execute, path, target / path.name, parameters): path.stem for path in notebooks}
        for done, job in enumerate(as_completed(names), start=1):
            # Whatever stopped a notebook (a dead kernel, a full disk) is reported under the notebook's name.
            error = job.exception()
            problems[names[job]] = f"{type(error).__name__}: {error}" if error else job.result()
            state = "failed" if problems[names[job]] else "executed"
            print(f"[{done}/{len(names)}] {state} {names[job]} at {time.monotonic() - start:.0f} s", flush=True)
    return {name: problem for name, problem in sorted(problems.items()) if problem}


@one_sentence
def main(arguments: Sequence[str] | None = None) -> int:
    """Execute every notebook; return 0, 1 if one failed (each is named with its error), or 2 for bad input."""
    parser = Parser(prog="labelleak book", description=__doc__)
    parser.add_argument("--dataset", default="digits", help="a data set's name, or the path of one (default: digits)")
    parser.add_argument("--trials", type=int, help="trials a cell (default: each notebook's own)")
    parser.add_argument("--profile", default="quick", choices=["quick", "paper"], help="default: quick")
    parser.add_argument("--processes", type=int, default=2, help="notebooks run at the same time (default: 2)")
    options = vars(parser.parse_args(arguments))
    processes = options.pop("processes")
    parameters = {name: value for name, value in options.items() if value is not None}
    try:
        require_int("trials", parameters.get("trials", 1), low=1)
        require_int("processes", processes, low=1)
        notebooks = sources()
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))

    CHAPTERS.mkdir(parents=True, exist_ok=True)
    try:
        # two builds at once would mix their chapters
        with locked(CHAPTERS / ".lock", wait=False):
            problems = execute_all(notebooks, CHAPTERS, parameters, processes)
    except TimeoutError:
        parser.error(f"{CHAPTERS} is being written by another build; wait for it, or stop it")
    for name, problem in problems.items():
        print(f"notebook {name}: {problem}", file=sys.stderr)
    return 1 if problems else 0
