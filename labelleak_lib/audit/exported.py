"""Programs saved by `torch.export`, read without running what a hostile file may hold.

`torch.export.load` unpickles, evaluates expressions and resolves names of functions that the archive gives. What is in
the archive is therefore looked at first, and only what was looked at is handed on.
"""

import io
import json
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from labelleak_lib.audit.targets import tensor_of
from labelleak_lib.checks import require

MAX_BYTES = 8 * 2**30
_TARGET = re.compile(
    r"torch\.ops\.aten\.\w+\.\w+|torch\.sym_\w+|"
    r"_?operator\.(add|sub|mul|neg|pow|truediv|floordiv|mod|ge|le|gt|lt|eq|ne|and_|or_|getitem)"
)
_EXPRESSION = re.compile(r"[\w +\-*/(),.<>=!&|~']*")
_FUNCTIONS = frozenset({"Symbol", "Integer", "Min", "Max", "Mod", "PythonMod", "FloorDiv", "CeilDiv", "IntTrueDiv"})
_NAME = re.compile(r"[\w.]*")
_FREE = ("as_string", "in_spec", "out_spec", "torch_version")
"""Strings that are quoted, or read as JSON, wherever they are used."""
_VALID = "a program of plain tensor operations, saved by torch.export.save; save TorchScript or the state dict instead"


class FixedBatch(nn.Module):
    """A program that takes `size` inputs at a time, for batches of any size.

    That is what `torch.export.export` makes unless it is told that the batch may vary.
    """

    def __init__(self, program: nn.Module, size: int) -> None:
        super().__init__()
        self.program, self.size = program, size

    def forward(self, x: Tensor) -> Any:
        """Return the outputs for `(n, *shape)`; the last part is filled up with its own last input."""
        parts = x.split(self.size)
        rest = self.size - len(parts[-1])
        filled = [*parts[:-1], torch.cat([parts[-1], parts[-1][-1:].expand(rest, *x.shape[1:])])]
        return torch.cat([tensor_of(self.program(part)) for part in filled])[: len(x)]


def load_exported(path: Path) -> nn.Module:
    """Return the module of a ``.pt2`` file, which takes batches of any size.

    ValueError if the archive holds anything but tensors and operations on them.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        require(len(set(names)) == len(names), "file", f"{path}, with entries of one name", _VALID)
        size = sum(entry.file_size for entry in entries)
        require(size <= MAX_BYTES, "file", f"{path}, of {size} bytes unpacked", f"at most {MAX_BYTES} bytes")
        content = {name: archive.read(name) for name in names}
    checked = io.BytesIO()
    with zipfile.ZipFile(checked, "w", zipfile.ZIP_STORED) as archive:
        for name, data in content.items():
            archive.writestr(name, _checked(path, name.partition("/")[2], data))
    checked.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.load(checked)
        first = program.graph_signature.user_inputs[0]
        [size] = [node.meta["val"].shape[0] for node in program.graph.nodes if node.name == first]
        module = program.module()
    # a size that may vary is a symbol
    return FixedBatch(module, size) if isinstance(size, int) else module


def _checked(path: Path, name: str, data: bytes) -> bytes:
    """Return an entry without what would be evaluated for no use; ValueError where it is not plain data."""
    plain = (
        name in ("archive_format", "archive_version", "byteorder")
        or name.startswith((".data/", "data/weights/weight_", "data/constants/tensor_", "data/sample_inputs/"))
        or (name.startswith(("models/", "data/weights/", "data/constants/")) and name.endswith(".json"))
    )
    require(plain, "file", f"{path}, with an entry {name!r}", _VALID)
    if name.endswith(".json"):
        content = json.loads(data)
        _look_into(path, content)
        return json.dumps(content).encode()
    if name.startswith("data/sample_inputs/") and data:
        _weights_only(path, name, data)
    return data


def _weights_only(path: Path, name: str, data: bytes) -> None:
    try:
        torch.load(io.BytesIO(data), weights_only=True)
    except Exception as error:  # any failure means that it is no plain data
        raise ValueError(f"file is {path}, with a pickle that may run code in {name!r}; it must be {_VALID}") from error


def _look_into(path: Path, node: Any, key: str = "") -> None:
    """Check a part of a description and empty what is code or names code: guards, and where a node came from."""
    if isinstance(node, dict):
        pickled = node.get("use_pickle") is True or not str(node.get("path_name", "weight_")).startswith(
            ("weight_", "tensor_")
        )
        require(not pickled, "file", f"{path}, with a pickled constant", _VALID)
        for name in node:
            require(_NAME.fullmatch(name), "file", f"{path}, with the name {name!r}", _VALID)
            if name == "guards_code":
                node[name] = []
            elif name == "metadata":
                node[name] = {}
            _look_into(path, node[name], name)
    elif isinstance(node, list):
        for value in node:
            _look_into(path, value, key)
    elif isinstance(node, str) and key == "target":
        require(_TARGET.fullmatch(node), "file", f"{path}, which calls {node!r}", _VALID)
    elif isinstance(node, str) and key == "expr_str":
        called = set(re.findall(r"(\w+)\s*\(", node))
        safe = _EXPRESSION.fullmatch(node) and called <= _FUNCTIONS and not re.search(r"[A-Za-z_)]\s*\.", node)
        require(safe, "file", f"{path}, with the expression {node!r}", _VALID)
    elif isinstance(node, str) and key not in _FREE:
        # names become parts of the code that torch writes and runs
        require(_NAME.fullmatch(node), "file", f"{path}, with the name {node!r}", _VALID)
