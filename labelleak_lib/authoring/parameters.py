"""Parameters of a notebook, however they were given: the known names alone, and text read as what it stands for."""

import ast
import difflib
import operator
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from typing import Any

from IPython import get_ipython

from labelleak_lib.checks import require, require_choice
from labelleak_lib.command import nearest

_INJECTED = "# Parameters\n"
"""How the cell begins that papermill inserts below the notebook's own cell of parameters."""
_KINDS: Mapping[str, str] = {
    **dict.fromkeys(["trials", "seed", "k"], "number"),
    **dict.fromkeys(["methods", "defences"], "list"),
    **dict.fromkeys(["model", "factory", "shape", "references", "data_dir"], "optional"),
    **dict.fromkeys(["dataset", "forgotten", "device", "profile"], "as given"),
    "budget": "optional number",
    "labels_only": "yes or no",
    "records": "way",
}
"""Every parameter that a notebook of this book may have, and what it holds."""
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def meant(name: str, value: Any) -> Any:
    """Return a parameter's value, with text (as papermill's `-r` and some of its `-p` give) read as what it stands for.

    What stands for nothing valid is returned as it is, to be refused where it is used.

    Raises
    ------
    ValueError
        If it would not be refused where it is used, or too late: of `labels_only` any text is true, of text any letter
        is a method, and some notebooks read `records` after they trained.

    Examples
    --------
    >>> meant("k", "2"), meant("trials", 3.0), meant("methods", "RT, RL"), meant("labels_only", "false")
    (2, 3, ('RT', 'RL'), False)
    """
    kind = _KINDS.get(name, "as given")
    if "optional" in kind and isinstance(value, str) and value.strip().lower() in ("", "none", "null"):
        return None
    if "number" in kind and not isinstance(value, bool):
        with suppress(TypeError, ValueError):
            return int(value) if isinstance(value, str) else operator.index(value)
        whole = isinstance(value, float) and value.is_integer()
        return int(value) if whole else value
    if kind == "yes or no":
        said = _WORDS.get(str(value).strip().lower())
        require(said is not None, name, value, "True or False")
        return said
    if kind == "way":
        require_choice(name, value, ("reuse", "recompute"))
    if kind == "list":
        valid = isinstance(value, str | list | tuple | set) and len(value) > 0
        require(valid, name, value, 'a list of at least one, like ["RT"]')
        return (
            tuple(part.strip("'\" ") for part in value.strip("[]() ").split(",")) if isinstance(value, str) else value
        )
    return value


def _assigned(source: str) -> list[str]:
    targets = [node.targets[0] for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _cells(ran: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Return the names that the latest cell of parameters assigns, those injected below it, and those it may have."""
    at = next((i for i in reversed(range(len(ran))) if ran[i].startswith(_INJECTED)), None)
    if at is not None:
        own = _assigned(ran[at - 1])
        return own, _assigned(ran[at]), own
    listed = (names for source in reversed(ran) if "trials" in (names := _plainly_assigned(source)))
    return next(listed, []), [], list(_KINDS)


def _plainly_assigned(source: str) -> list[str]:
    """Return the names of a cell that is nothing but assignments; of any other cell, none."""
    with suppress(SyntaxError):
        if all(isinstance(node, ast.Assign) for node in ast.parse(source).body):
            return _assigned(source)
    return []


def require_declared(cells: Sequence[str] | None = None, values: MutableMapping[str, Any] | None = None) -> None:
    r"""Refuse a parameter that the notebook does not declare, and read the others; to be called below the parameters.

    Parameters
    ----------
    cells : sequence of str, optional
        The code of the cells that ran; by default this notebook's.
    values : dict, optional
        The notebook's variables, of which the parameters are replaced by what is :func:`meant`; by default its own.

    Raises
    ------
    ValueError
        If papermill injected a name that is not declared, or a hand wrote one almost like a parameter's (the sentence
        has the nearest one that is); or if `k` and `forgotten` are both given and disagree.

    Examples
    --------
    >>> require_declared(["trials = 1", "# Parameters\ntirals = 3"], {})
    Traceback (most recent call last):
    ValueError: tirals is not a parameter of this notebook; the nearest is trials
    """
    shell = get_ipython()
    cells = shell.user_ns["In"] if cells is None else cells
    values = (shell.user_ns if shell else {}) if values is None else values
    declared, injected, known = _cells(cells)
    for name in [*injected, *declared]:
        # beside its parameters a hand may write names of its own: what is spelt almost like one is a slip
        if name not in known and (name in injected or difflib.get_close_matches(name, known, cutoff=0.8)):
            raise ValueError(f"{name} is not a parameter of this notebook; the nearest is {nearest(name, known)}")
    for name in {*declared, *injected} & values.keys():
        values[name] = meant(name, values[name])
    if {"k", "forgotten"} <= {*injected} and values["forgotten"] is not None:
        listed = isinstance(values["forgotten"], Sequence) and not isinstance(values["forgotten"], str)
        agree = not listed or len(values["forgotten"]) == values["k"]
        require(agree, "k", values["k"], f"the number of classes in forgotten, {values['forgotten']!r}, or not given")
