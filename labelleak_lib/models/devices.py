"""The device that a model computes on."""

import copy
import re
from typing import TypeVar

import torch
from torch import nn

from labelleak_lib.checks import require

Module = TypeVar("Module", bound=nn.Module)


def resolve_device(device: str) -> torch.device:
    """Return the torch device named `device` ("auto" picks CUDA when there is one, else the CPU).

    ValueError if the device is unknown or not on this machine.
    """
    valid = "auto, cpu, cuda, cuda:N or mps"
    require(isinstance(device, str) and re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", device), "device", device, valid)
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    chosen = torch.device(device)
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[chosen.type]
    if there and chosen.type == "cuda":
        there = (chosen.index or 0) < torch.cuda.device_count()
    require(there, "device", device, "a device of this machine; 'auto' and 'cpu' always work")
    return chosen


def has_float64(device: torch.device) -> bool:
    """Tell whether `device` computes in float64, which MPS does not."""
    try:
        torch.zeros((), dtype=torch.float64, device=device)
    except TypeError:
        return False
    return True


def with_float64(model: Module) -> Module:
    """Return `model`, or a copy of it on the CPU where its device has no float64, as attacks compute in."""
    return model if has_float64(next(model.parameters()).device) else copy.deepcopy(model).cpu()
