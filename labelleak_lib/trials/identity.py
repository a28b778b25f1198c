"""What identifies a model or a piece of evidence: hyperparameters, data, seeds and code, as a digest."""

import ast
import dis
import functools
import hashlib
import inspect
import json
import re
import sys
from dataclasses import asdict, is_dataclass
from enum import Enum
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
from torch import Generator, Tensor

from labelleak_lib.checks import require
from labelleak_lib.files import ROOT

NUMERIC = (
    "evidence.py",
    "data",
    "models",
    "unlearning",
    "adapters",
    "defences",
    "attacks",
    "space.py",
    "trials/seeds.py",
    "trials/grants.py",
)
"""The library's files whose code decides what is stored."""

SHOWN = ("title", "order", "criteria", "presets", "threshold", "adaptive")
"""Attributes of a class that do not change what it computes."""


def content_hash(content: Any) -> str:
    """Return a short digest of content, the same in every process.

    >>> content_hash({"b": 1, "a": [0.1, None]}) == content_hash({"a": [0.1, None], "b": 1})
    True
    """
    return hashlib.sha256(to_json(content).encode()).hexdigest()[:16]


def to_json(content: Any) -> str:
    """Return content as JSON, the same in every process; functions and arrays enter with all that they hold."""
    return json.dumps(_with_plain_keys(content), sort_keys=True, default=lambda value: _held(value, set()))


def describe(thing: Any) -> dict[str, Any]:
    """Return what identifies a hyperparameter dataclass, another object or a function: values and code.

    >>> from labelleak_lib.unlearning.finetune import FineTune
    >>> {name: value for name, value in describe(FineTune(epochs=4)).items() if name != "code"}
    {'class': 'FineTune', 'epochs': 4, 'lr': 0.1, 'batch_size': 128, 'min_steps': 0}
    """
    if isinstance(thing, functools.partial):
        return {"function": describe(thing.func), "bound": [list(thing.args), thing.keywords]}
    if inspect.ismethod(thing):
        return {"function": describe(thing.__func__), "bound": describe(thing.__self__)}
    if inspect.isfunction(thing):
        return {"function": thing.__qualname__, "body": _held(thing, set())}
    values = asdict(thing) if is_dataclass(thing) and not isinstance(thing, type) else getattr(thing, "__dict__", {})
    taken = ", ".join(sorted({"class", "code"} & values.keys()))
    require(not taken, "hyperparameter's name", taken, "another: a description has its own class and code")
    # what does something itself is described with its own code
    held = getattr(thing, "__dict__", {}).items()
    parts = {name: describe(part) for name, part in held if hasattr(part, "unlearn") or hasattr(part, "defend")}
    return {"class": type(thing).__name__, **values, **parts, "code": code_digest(thing.__class__)}


@functools.cache
def code_digest(thing: type) -> str:
    """Return a digest of the source that defines a class: its module's, and that of its neighbours there imported.

    Comments, docstrings and imports do not count. Of a class without a module's file, as one written in a notebook, it
    is that of its members.
    """
    file = getattr(sys.modules.get(thing.__module__), "__file__", None)
    if file is None or thing.__module__ == "__main__":
        return content_hash(_members(thing, set()))
    return content_hash([bare_source(path) for path in _with_neighbours(Path(file))])


@functools.cache
def numerics_digest() -> str:
    """Return a digest of all the library's code that decides what is stored."""
    places = [ROOT / "labelleak_lib" / name for name in NUMERIC]
    files = [path for place in places for path in (sorted(place.rglob("[!.]*.py")) if place.is_dir() else [place])]
    return content_hash([bare_source(path) for path in files])


def bare_source(path: Path) -> str:
    """Return the part of a module that computes: no comments, docstrings, imports, white space or trailing commas.

    Nor what a class is called, where it stands, which rules read it, and its presets, whose values count on their own.

    Text, since a syntax tree is written otherwise by every version of Python.
    """
    text = path.read_text(encoding="utf-8")
    dropped: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        shown = isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id in SHOWN
        if isinstance(node, ast.stmt) and (docstring or shown or isinstance(node, ast.Import | ast.ImportFrom)):
            dropped |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    kept = [line for number, line in enumerate(text.splitlines(), 1) if number not in dropped]
    joined = "".join(line for line in kept if not line.lstrip().startswith("#"))
    return re.sub(r",([)\]}])", r"\1", re.sub(r"\s", "", joined))


def _with_neighbours(path: Path) -> list[Path]:
    """Return a module and the modules of its own folder that it imports, and they, sorted."""
    known, waiting = {path}, [path]
    while waiting:
        for node in ast.walk(ast.parse(waiting.pop().read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module] if node.module else [alias.name for alias in node.names]
            for package, _, module in (name.rpartition(".") for name in names):
                beside = path.parent / f"{module}.py"
                if (not package or package.endswith(path.parent.name)) and beside.is_file() and beside not in known:
                    known.add(beside)
                    waiting.append(beside)
    return sorted(known)


def _with_plain_keys(value: Any) -> Any:
    """Return content whose dictionaries JSON can hold and sort; one with keys of several kinds as a list of pairs."""
    if isinstance(value, list | tuple):
        return [_with_plain_keys(part) for part in value]
    if not isinstance(value, dict):
        return value
    plain = any(all(isinstance(key, kind) for key in value) for kind in (str, int, float))
    pairs = {key: _with_plain_keys(part) for key, part in value.items()}
    return pairs if plain else sorted([repr(key), part] for key, part in pairs.items())


def _held(value: Any, seen: set[int]) -> Any:
    """Return what identifies a value, as JSON can hold it; `seen` are the functions and classes under way."""
    if isinstance(value, list | tuple):
        return [_held(part, seen) for part in value]
    if isinstance(value, dict):
        return [[repr(key), _held(part, seen)] for key, part in value.items()]
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if isinstance(value, Tensor | np.ndarray):
        array = np.ascontiguousarray(value.detach().cpu() if isinstance(value, Tensor) else value)
        return [str(array.dtype), array.shape, hashlib.sha256(array.tobytes()).hexdigest()]
    if isinstance(value, CodeType):
        # neither names of files nor numbers of lines, and no docstrings: no instruction reads them
        return [[step.opname, _held(step.argval, seen)] for step in dis.get_instructions(value)]
    if isinstance(value, functools.partial):
        return _held([value.func, value.args, value.keywords], seen)
    if inspect.isfunction(value):
        return _body(value, seen)
    if isinstance(value, type) and value.__module__ == "__main__":
        return _members(value, seen)
    if inspect.ismethod(value):
        return [_held(value.__func__, seen), _held(value.__self__, seen)]
    if isinstance(value, Generator):
        return _held(value.get_state(), seen)
    if isinstance(value, np.random.Generator):
        return _held(value.bit_generator.state, seen)
    if _has_state(value):
        return _state(value, seen)
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _has_state(value: Any) -> bool:
    """Tell whether a value is an object of a class written in Python, whose attributes its repr need not show."""
    whole = isinstance(value, type | ModuleType | Enum) or inspect.isroutine(value)
    silent = type(value).__repr__ is object.__repr__ and "__slots__" in vars(type(value))
    return not whole and (silent or bool(getattr(value, "__dict__", None)))


def _state(value: Any, seen: set[int]) -> list[Any]:
    """Return class and attributes of an object."""
    if id(value) in seen:
        return []
    seen.add(id(value))
    slots = [name for base in type(value).__mro__ for name in np.atleast_1d(vars(base).get("__slots__", ()))]
    named = {**{name: getattr(value, name) for name in slots if hasattr(value, name)}, **getattr(value, "__dict__", {})}
    kept = _held(dict(sorted(named.items())), seen)
    return [type(value).__qualname__, re.sub(r" at 0x[0-9a-f]+", "", repr(value)), kept]


def _body(function: FunctionType, seen: set[int]) -> list[Any]:
    """Return code, defaults and closure of a function, and the same of what it reads of its own module."""
    if id(function) in seen:
        return []
    seen.add(id(function))
    read = [function.__globals__.get(name) for name in function.__code__.co_names]
    beside = [
        value for value in read
        if isinstance(value, int | float | str | tuple) or getattr(value, "__module__", None) == function.__module__
    ]  # fmt: skip
    closure = [cell.cell_contents for cell in function.__closure__ or ()]
    return _held([function.__code__, function.__defaults__, function.__kwdefaults__, closure, beside], seen)


def _members(thing: type, seen: set[int]) -> list[Any]:
    """Return methods and values of a class, and of those that it inherits from in its own module."""
    if id(thing) in seen:
        return []
    seen.add(id(thing))
    own = [item for base in thing.__mro__ if base.__module__ == thing.__module__ for item in sorted(vars(base).items())]
    plain = [(name, getattr(value, "__func__", getattr(value, "fget", value))) for name, value in own]
    return [[name, _held(v, seen)] for name, v in plain if inspect.isfunction(v) or not name.startswith("__")]
