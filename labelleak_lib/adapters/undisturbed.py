"""What other people's code switches in the process beside random numbers, put back."""

import contextlib
import logging
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.nn.modules import module as modules

HOOKS = [name for name, value in vars(modules).items() if name.startswith("_global_") and isinstance(value, dict)]
"""Where torch keeps the hooks of all modules, those made later among them."""


def _hooks() -> list[dict[Any, Any]]:
    return [dict(getattr(modules, name)) for name in HOOKS]


def _put_hooks(held: list[dict[Any, Any]]) -> None:
    for name, before in zip(HOOKS, held, strict=True):
        getattr(modules, name).clear()
        getattr(modules, name).update(before)


def _put_environment(held: dict[str, str]) -> None:
    if held != os.environ:
        os.environ.clear()
        os.environ.update(held)


def _put_device(device: torch.device) -> None:
    # a default that was set costs a look-up at every call, the one of a fresh process none
    if device != torch.get_default_device():
        torch.set_default_device(None if device.type == "cpu" else device)


SWITCHES: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
    (torch.get_num_threads, torch.set_num_threads),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (torch.is_anomaly_enabled, torch.set_anomaly_enabled),
    (_hooks, _put_hooks),
    (np.geterr, lambda held: np.seterr(**held)),
    (lambda: logging.root.manager.disable, logging.disable),
    (os.getcwd, os.chdir),
    (lambda: dict(os.environ), _put_environment),
    (lambda: sys.stderr, lambda held: setattr(sys, "stderr", held)),
    (torch.get_rng_state, torch.set_rng_state),
    (random.getstate, random.setstate),
    (np.random.get_state, np.random.set_state),
)
"""How each switch is read and set; the choice of algorithms is that of `surroundings.seeded`."""


@contextlib.contextmanager
def own_defaults() -> Iterator[None]:
    """Make tensors in float32 on the CPU and record gradients inside, and afterwards as before, whatever code sets."""
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    try:
        torch.set_default_dtype(torch.float32)
        _put_device(torch.device("cpu"))
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        torch.set_default_dtype(dtype)
        _put_device(device)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Begin with `own_defaults`, and put back what code inside switches for the whole process.

    These are the defaults themselves, torch's threads, precision and anomaly mode, the states of the global generators,
    hooks on all modules, numpy's errors, filters of warnings, logging, the working folder, the environment and the
    standard error.

    >>> with undisturbed():
    ...     torch.set_default_dtype(torch.float64)
    >>> torch.get_default_dtype()
    torch.float32
    """
    held = [read() for read, _ in SWITCHES]
    try:
        with own_defaults(), warnings.catch_warnings():
            yield
    finally:
        for (_, put), before in zip(SWITCHES, held, strict=True):
            put(before)
