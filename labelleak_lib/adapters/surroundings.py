"""The process around other people's code: its random numbers seeded before, and everything put back afterwards."""

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch

SEEDS = 2**32
"""numpy takes seeds below this."""


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators of Python, numpy and torch; put back afterwards their states, and what code switches.

    The latter is the gradient mode, the default type and torch's choice of algorithms. Gradients are on inside. What is
    printed is left alone.

    >>> torch.manual_seed(1).initial_seed()
    1
    >>> before = torch.get_rng_state()
    >>> with seeded(0):
    ...     first = torch.rand(1), random.random()
    >>> with seeded(0):
    ...     first == (torch.rand(1), random.random())
    True
    >>> torch.equal(before, torch.get_rng_state())
    True
    """
    # the global generator of numpy is what other people's code draws from
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    default, switches = torch.get_default_dtype(), _switches()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        random.seed(seed)
        np.random.seed(seed % SEEDS)  # noqa: NPY002
        torch.manual_seed(seed)
        try:
            with torch.inference_mode(False), torch.enable_grad():
                yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
            torch.set_default_dtype(default)
            _switch(*switches)


def _switches() -> tuple[bool, bool, bool, bool]:
    """Return gradient mode, whether algorithms must be deterministic, and how cuDNN chooses among them."""
    cudnn = torch.backends.cudnn
    return torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark


def _switch(grad: bool, exact: bool, deterministic: bool, benchmark: bool) -> None:
    torch.set_grad_enabled(grad)
    torch.use_deterministic_algorithms(exact)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = deterministic, benchmark
