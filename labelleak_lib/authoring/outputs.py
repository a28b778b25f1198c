"""Stores notebooks' outputs at their defaults: `python -m labelleak_lib.authoring.outputs [notebooks/NN_name.py ...]`.

These outputs are what `pytest --nbval` compares. Progress bars, timings and machine text are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from tqdm import tqdm

NOTEBOOKS = Path("notebooks")


def store_outputs(source: Path) -> Path:
    """Run the notebook written in the percent format at `source` and store it beside it as .ipynb, with outputs.

    Raises
    ------
    CellExecutionError
        If a cell fails; nothing is stored then.
    """
    notebook = jupytext.read(source)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02d}"
    # how many messages a cell's printed lines come in is a matter of timing
    NotebookClient(
        notebook, kernel_name="python3", iopub_timeout=300, record_timing=False, coalesce_streams=True,
        resources={"metadata": {"path": "."}},
    ).execute()  # fmt: skip
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell["outputs"] = [output for output in cell.outputs if output.get("name") != "stderr"]
    notebook.metadata.pop("language_info", None)
    target = source.with_suffix(".ipynb")
    nbformat.write(notebook, target)
    return target


def main(arguments: Sequence[str] | None = None) -> int:
    """Store the outputs of the named notebooks, or of all, and return the exit status."""
    named = [Path(name) for name in (sys.argv[1:] if arguments is None else arguments)]
    for source in tqdm(named or sorted(NOTEBOOKS.glob("[0-9][0-9]_*.py")), desc="notebooks", disable=None):
        store_outputs(source)
    return 0


if __name__ == "__main__":
    sys.exit(main())
