"""Model files of others, read without running what is in them."""

import importlib
import json
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from labelleak_lib.audit.exported import load_exported
from labelleak_lib.audit.onnx_model import load_onnx
from labelleak_lib.audit.targets import Target, of_module
from labelleak_lib.checks import one_line, require
from labelleak_lib.files import as_path
from labelleak_lib.models.checkpoints import load_checkpoint
from labelleak_lib.models.devices import resolve_device

WRAPPERS = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before the names of parameters."""
SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".pt2", ".onnx", ".ts")
INSTEAD = (
    "a file that holds numbers alone: write torch.save(model.state_dict(), path) and name the code that builds the "
    "network (--factory module:function), or torch.jit.script(model).save(path)"
)


def load_target(
    path: str | Path, *, factory: str | Callable[[], nn.Module] | None = None, outputs: str = "auto",
    device: str = "auto",
) -> Target:  # fmt: skip
    """Read a model file, by what is in it rather than by its suffix.

    Parameters
    ----------
    path : str or Path
        Safetensors of this library; safetensors or a state dict, with `factory`; TorchScript; a program of
        `torch.export`; ONNX (needs onnxruntime, the extra "onnx").
    factory : str or callable, optional
        "module:function" or the function that builds the network, without arguments.
    outputs : {"auto", "probabilities", "logits", "labels"}
        What the model puts out.
    device : str
        Where it computes.

    Returns
    -------
    Target
        To be given to `labelleak_lib.audit`.

    Raises
    ------
    ValueError
        The file is missing, damaged, of no such form, would run code, or does not fit the factory's network.
    """
    path, place = as_path(path), resolve_device(device)
    require(path.is_file(), "model", str(path), "an existing file")
    with path.open("rb") as file:
        start = file.read(9)
    if start[8:9] == b"{":
        module = _safetensors(path, factory)
    elif start[:2] == b"PK":
        module = _zip(path, factory)
    elif path.suffix.lower() == ".onnx":
        return load_onnx(path, outputs)
    else:
        module = _filled(path, _state_dict(path), factory)
    if place.type != "cpu":
        module = module.to(place)
    return of_module(module, outputs, path.name)


def _safetensors(path: Path, factory: Any) -> nn.Module:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            if "spec" in (file.metadata() or {}):
                return load_checkpoint(path)
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"model is {str(path)!r}, damaged safetensors: {one_line(error)}") from error
    return _filled(path, state, factory)


def _zip(path: Path, factory: Any) -> nn.Module:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.partition("/")[2] for name in archive.namelist()]
            code = [archive.read(name).decode(errors="replace") for name in archive.namelist() if "/code/" in name]
    except zipfile.BadZipFile as error:
        raise ValueError(f"model is {str(path)!r}, a damaged archive: {one_line(error)}") from error
    if "archive_format" in names or any(name.startswith("models/") for name in names):
        return _read("a program of torch.export", path, lambda: load_exported(path))
    if "constants.pkl" in names:
        # a script may write and map files; a classifier has no need to
        words = ("torch.save(", "from_file(", "__torch__.torch.classes")
        writes = any(word in text for text in code for word in words)
        require(not writes, "model", f"{path}, TorchScript that reads or writes files", "one that computes only")
        return _read("TorchScript", path, lambda: torch.jit.load(path, map_location="cpu"))
    return _filled(path, _state_dict(path), factory)


def _read(what: str, path: Path, load: Callable[[], nn.Module]) -> nn.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", FutureWarning)
            return load()
    except (RuntimeError, KeyError, OSError, json.JSONDecodeError, AttributeError, TypeError) as error:
        raise ValueError(f"model is {str(path)!r}, {what} that cannot be read: {one_line(error)[:200]}") from error


def _state_dict(path: Path) -> dict[str, Tensor]:
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever the unpickler refuses or stumbles over
        raise ValueError(
            f"model is {str(path)!r}, a pickle that may run code, or a damaged file, and was not opened; it must be "
            f"{INSTEAD}"
        ) from error
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(held, dict) and isinstance(held.get(key), dict):
            held = held[key]
    tensors = isinstance(held, dict) and bool(held) and all(isinstance(value, Tensor) for value in held.values())
    require(tensors, "model", f"{path}, which holds a {type(held).__name__} of other things than tensors", INSTEAD)
    return dict(held)


def _filled(path: Path, state: dict[str, Tensor], factory: Any) -> nn.Module:
    """Return the factory's network with these parameters."""
    require(
        factory is not None,
        "model",
        f"{path}, parameters without their network",
        "given with --factory module:function",
    )
    module = _built(factory)
    own = module.state_dict()
    while state.keys() - own.keys() and (
        prefix := next((w for w in WRAPPERS if all(n.startswith(w) for n in state)), "")
    ):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    # safetensors holds weights that are shared under one of their names
    places = {name: (value.data_ptr(), value.shape) for name, value in own.items()}
    held = {places[name] for name in own.keys() & state.keys() if places[name][0]}
    missing = sorted(name for name in own.keys() - state.keys() if places[name] not in held)
    unexpected = sorted(state.keys() - own.keys())
    other = [n for n in own.keys() & state.keys() if own[n].shape != state[n].shape]
    faults = [("missing", missing), ("unexpected", unexpected), ("of another shape", sorted(other))]
    said = "; ".join(f"{len(names)} {what} ({', '.join(names[:3])})" for what, names in faults if names)
    require(
        not said, "model", f"{path}, whose parameters do not fit the factory's network: {said}", "of that very network"
    )
    module.load_state_dict(state, strict=False)
    return module


def _built(factory: str | Callable[[], nn.Module]) -> nn.Module:
    """Return what the factory builds; "module:function" is looked for beside the command's own place, too."""
    if isinstance(factory, str):
        name, _, function = factory.partition(":")
        require(name and function, "factory", factory, "module:function")
        if (here := str(Path.cwd())) not in sys.path:
            sys.path.insert(0, here)
        try:
            build = getattr(importlib.import_module(name.removesuffix(".py")), function)
        except Exception as error:  # of a module's own code, too
            raise ValueError(f"factory is {factory!r}; it cannot be found: {one_line(error)}") from error
    else:
        build = factory
    called = getattr(factory, "__qualname__", factory)
    try:
        module = build()
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {one_line(error)[:160]}"
        raise ValueError(f"factory is {called!r}, which fails ({said}); it must build the network") from error
    require(
        isinstance(module, nn.Module),
        "factory",
        factory,
        f"a function that returns a module, not {type(module).__name__}",
    )
    # what runs the network inside; its parameters have that one's names in files
    module = getattr(module, "_orig_mod", module)
    return module.module if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel) else module
