"""Executes the notebooks into the book's chapters: `python -m labelleak_lib.authoring.chapters --dataset digits`.

papermill executes and jupyter-book only renders, so that a chapter can neither be taken from a stale cache
nor lose an output while it is rendered. Every chapter is checked before any is rendered.
"""

from __future__ import annotations

import argparse
import ast
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import nbformat
from papermill.exceptions import PapermillExecutionError
from papermill.execute import execute_notebook

NOTEBOOKS = Path("notebooks")
CHAPTERS = Path("book/chapters")
GENERATED = Path("book/generated")

# One thread a process: the notebooks run side by side, and more threads than cores slow every one of them.
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Seconds. By default a kernel that reports the end of a cell 4 s late, as on a busy machine, fails the notebook.
_PATIENCE = 300
_INJECTED = "injected-parameters"
_PRINTING = {"print", "display", "show"}
SHOW_CODE = "show-code"
"""Tag of a cell whose code is part of the story."""


def sources(folder: Path = NOTEBOOKS) -> list[Path]:
    """Return the notebooks `NN_name.ipynb` of a folder, in the order of their numbers.

    Raises
    ------
    FileNotFoundError
        If the folder holds none.
    """
    found = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise FileNotFoundError(f"{folder} holds no notebook named NN_name.ipynb: run from the project's root")
    return found


def has_output(cell: Mapping[str, Any]) -> bool:
    """Tell whether a code cell holds an output that a reader sees; progress bars and warnings are not one."""
    return any(output.get("name") != "stderr" for output in cell.get("outputs", []))


def calls_for_output(source: str) -> bool:
    """Tell whether code prints or displays at its top level, whatever its data: `print(...)`, `plt.show()`.

    A cell of IPython's own syntax (magics), which is not Python, is judged by its stored output alone.
    """
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return False
    calls = [node.value.func for node in body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    names = {call.id if isinstance(call, ast.Name) else getattr(call, "attr", "") for call in calls}
    return bool(names & _PRINTING)


def silent_cells(stored: Mapping[str, Any], executed: Mapping[str, Any]) -> list[int]:
    """Return the code cells that should print but did not.

    A cell should print if it has an output in the stored notebook, or if its code prints at its top level.

    Parameters
    ----------
    stored : mapping
        The notebook as committed, with its outputs.
    executed : mapping
        The same notebook as papermill wrote it: one cell of injected parameters more.

    Returns
    -------
    list of int
        Positions among the stored notebook's cells, counted from 0.

    Raises
    ------
    ValueError
        If the two do not hold the same cells.
    """
    ran = [cell for cell in executed["cells"] if _INJECTED not in cell["metadata"].get("tags", [])]
    if [cell["source"] for cell in ran] != [cell["source"] for cell in stored["cells"]]:
        raise ValueError("the executed notebook does not hold the cells of the stored one")
    return [
        position
        for position, (before, after) in enumerate(zip(stored["cells"], ran, strict=True))
        if after["cell_type"] == "code"
        and (has_output(before) or calls_for_output(after["source"]))
        and not has_output(after)
    ]


def fold_code(target: Path) -> None:
    """Fold the code of an executed notebook's cells, except those tagged `show-code`; readers unfold it at a click."""
    notebook = nbformat.read(target, as_version=4)
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code" and SHOW_CODE not in tags:
            cell.metadata["tags"] = [*tags, "hide-input"]
    nbformat.write(notebook, target)


def execute(source: Path, target: Path, parameters: Mapping[str, object]) -> str | None:
    """Execute one notebook and check its outputs.

    Parameters
    ----------
    source, target : Path
        The stored notebook, and where the executed one is written.
    parameters : mapping of str to object
        What papermill injects.

    Returns
    -------
    str or None
        What went wrong, naming the cell, or None.
    """
    for variable in _ONE_THREAD:
        os.environ[variable] = "1"
    try:
        execute_notebook(
            source,
            target,
            dict(parameters),
            kernel_name="python3",
            progress_bar=False,
            request_save_on_cell_execute=False,
            start_timeout=_PATIENCE,
            iopub_timeout=_PATIENCE,
            # The kernel logs its local sockets and its own shutdown; what fails comes back as an exception.
            extra_arguments=["--log-level=CRITICAL"],
        )
    except PapermillExecutionError as error:
        return f"cell {error.cell_index} failed: {error.ename}: {error.evalue}"
    silent = silent_cells(nbformat.read(source, as_version=4), nbformat.read(target, as_version=4))
    if silent:
        return f"printed nothing in code cell(s) {', '.join(map(str, silent))}, counted from 0 over all cells"
    fold_code(target)
    return None


def execute_all(
    notebooks: Iterable[Path], target: Path, parameters: Mapping[str, object], processes: int
) -> dict[str, str]:
    """Execute notebooks side by side, and say on the terminal how far they are.

    Parameters
    ----------
    notebooks : iterable of Path
        The stored notebooks.
    target : Path
        The folder that receives the executed ones. Notebooks of an earlier run are removed first, so that a
        failed run cannot be rendered with old chapters.
    parameters : mapping of str to object
        What papermill injects into each.
    processes : int
        How many run at the same time, at least 1.

    Returns
    -------
    dict of str to str
        For each notebook that failed, by its name, what went wrong.
    """
    pending = list(notebooks)
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.ipynb"):
        old.unlink()
    failures: dict[str, str] = {}
    # Spawned, not forked: papermill's event loop and its sockets do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=processes, mp_context=context) as pool:
        start = time.monotonic()
        jobs = {pool.submit(execute, path, target / path.name, parameters): path for path in pending}
        for done, job in enumerate(as_completed(jobs), start=1):
            name, error = jobs[job].stem, job.exception()
            # Whatever stopped a notebook (a dead kernel, a full disk) is reported under the notebook's name.
            problem = f"{type(error).__name__}: {error}" if error else job.result()
            if problem:
                failures[name] = problem
            state = "failed" if problem else "executed"
            print(f"[{done}/{len(pending)}] {state} {name} at {time.monotonic() - start:.0f} s", flush=True)
    return failures


def _positive(text: str) -> int:
    """Parse a whole number of at least 1, for argparse."""
    value = int(text) if text.isascii() and text.isdigit() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Execute every notebook, then write what the front page and two others include; return the exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line, `sys.argv[1:]` by default.

    Returns
    -------
    int
        0, or 1 if a notebook failed: each is named on standard error with its error.
    """
    parser = argparse.ArgumentParser(prog="python -m labelleak_lib.authoring.chapters", description=__doc__)
    parser.add_argument("--dataset", default="digits", help="a data set's name, or the path of one (default: digits)")
    parser.add_argument("--trials", type=_positive, help="trials a cell (default: each notebook's own)")
    parser.add_argument("--profile", default="quick", choices=["quick", "paper"], help="default: quick")
    parser.add_argument("--processes", type=_positive, default=2, help="notebooks run at the same time (default: 2)")
    options = parser.parse_args(arguments)
    parameters: dict[str, object] = {"dataset": options.dataset, "profile": options.profile}
    if options.trials is not None:
        parameters["trials"] = options.trials

    failures = execute_all(sources(), CHAPTERS, parameters, options.processes)
    for name, problem in sorted(failures.items()):
        print(f"notebook {name}: {problem}", file=sys.stderr)
    if failures:
        return 1

    # Imported here: the checks above serve without the figures that these pages draw.
    from labelleak_lib.authoring.pages import front_page, learned_page, speed_page

    GENERATED.mkdir(parents=True, exist_ok=True)
    front_page(GENERATED)
    learned_page(GENERATED)
    speed_page(GENERATED)
    return 0


if __name__ == "__main__":
    sys.exit(main())
