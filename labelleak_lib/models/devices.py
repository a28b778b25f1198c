"""The device that a model computes on."""

import re

import torch

from labelleak_lib.checks import require


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
