"""Parameters of a notebook: papermill injects any name, but a name that the notebook does not declare is an error."""

import ast
from collections.abc import Sequence

from IPython import get_ipython

from labelleak_lib.command import nearest

_INJECTED = "# Parameters\n"
"""How the cell begins that papermill inserts below the notebook's own cell of parameters."""


def _assigned(source: str) -> list[str]:
    targets = [node.targets[0] for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def require_declared(cells: Sequence[str] | None = None) -> None:
    r"""Refuse a parameter that the notebook does not declare; to be called in the cell below the parameters.

    Parameters
    ----------
    cells : sequence of str, optional
        The code of the cells that ran; by default this notebook's.

    Raises
    ------
    ValueError
        If papermill injected such a name; the sentence has the nearest one that is declared.

    Examples
    --------
    >>> require_declared(["trials = 1", "# Parameters\ntirals = 3"])
    Traceback (most recent call last):
    ValueError: tirals is not a parameter of this notebook; the nearest is trials
    """
    cells = get_ipython().user_ns["In"] if cells is None else cells
    injected = next((index for index, cell in enumerate(cells) if cell.startswith(_INJECTED)), None)
    if injected is None:
        return
    declared = _assigned(cells[injected - 1])
    for name in _assigned(cells[injected]):
        if name not in declared:
            raise ValueError(f"{name} is not a parameter of this notebook; the nearest is {nearest(name, declared)}")
