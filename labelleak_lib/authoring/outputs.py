"""Outputs of notebooks: what is stored at the defaults, and which of it an execution lost.

`python -m labelleak_lib.authoring.outputs [notebooks/NN_name.py ...]` stores what `pytest --nbval` compares. Progress
bars, timings and machine text are left out.
"""

import ast
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from tqdm import tqdm

NOTEBOOKS = Path("notebooks")
_INJECTED = "injected-parameters"
_PRINTING = {"print", "display", "show"}


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
    return any((call.id if isinstance(call, ast.Name) else getattr(call, "attr", "")) in _PRINTING for call in calls)


def silent_cells(stored: Mapping[str, Any], executed: Mapping[str, Any]) -> list[int]:
    """Return the code cells that should print but did not: those with a stored output, and those whose code prints.

    `stored` is the notebook as committed, `executed` as papermill wrote it, with one cell of injected parameters
    more. Cells are counted from 0 among the stored ones; ValueError if the two do not hold the same cells.
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
