"""How many processes and threads a computation has."""

import contextlib
from collections.abc import Iterator

import joblib
import torch


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread: results then do not depend on the machine's cores, and workers do not fight."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cores() -> int:
    """Return how many processes compute at once: no more than a quota (cgroup) or an affinity leaves to this one."""
    return int(joblib.cpu_count())
