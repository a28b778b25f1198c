"""Files of every kind that people keep models in, each written as its own library says."""

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn


def state_dict(model: nn.Module, x: torch.Tensor, path: Path) -> None:
    """Write the parameters by their names."""
    torch.save(model.state_dict(), path)


def parallel(model: nn.Module, x: torch.Tensor, path: Path) -> None:
    """Write the parameters as training on several devices names them: every name begins with "module."."""
    torch.save(nn.DataParallel(model).state_dict(), path)


def safetensors(model: nn.Module, x: torch.Tensor, path: Path) -> None:
    """Write the parameters, with nothing about their network."""
    save_file(model.state_dict(), path)


def torchscript(model: nn.Module, x: torch.Tensor, path: Path) -> None:
    """Write what runs when the inputs `x` are asked about."""
    torch.jit.trace(model, x).save(str(path))


def exported(model: nn.Module, x: torch.Tensor, path: Path) -> None:
    """Write a program for batches of any size."""
    batch = torch.export.Dim("batch", min=1, max=4096)
    torch.export.save(torch.export.export(model, (x,), dynamic_shapes=({0: batch},)), path)


def onnx(model: nn.Module, x: torch.Tensor, path: Path) -> None:
    """Write a graph for batches of any size, by the exporter that needs no other package than onnx."""
    names = {"input_names": ["x"], "dynamic_axes": {"x": {0: "batch"}}}
    torch.onnx.export(model, (x,), str(path), dynamo=False, **names)


KINDS: dict[str, tuple[Callable[[nn.Module, torch.Tensor, Path], None], str]] = {
    "state dict": (state_dict, ".pt"),
    "state dict of DataParallel": (parallel, ".pt"),
    "safetensors": (safetensors, ".safetensors"),
    "TorchScript": (torchscript, ".ts"),
    "torch.export": (exported, ".pt2"),
    "ONNX": (onnx, ".onnx"),
}
"""What writes a kind of file, and its suffix."""


def written(model: nn.Module, kind: str, shape: tuple[int, ...], folder: Path) -> Path:
    """Write a model that takes inputs `(n, *shape)` as a file of a kind of `KINDS`, and return its path."""
    write, suffix = KINDS[kind]
    path = folder / f"model{suffix}"
    with warnings.catch_warnings():
        # older ways to write a file are told to be old; files of them are about all the same
        warnings.simplefilter("ignore")
        write(model, torch.rand((2, *shape), generator=torch.Generator().manual_seed(0)), path)
    return path
