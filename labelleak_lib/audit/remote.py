"""A model behind a network: asked in batches, patiently, within a budget, and nothing twice."""

import hashlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labelleak_lib.checks import require, require_int, require_number
from labelleak_lib.models.access import QueryBudgetError

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which a request is sent again."""


class RemoteModel:
    """A callable for `labelleak_lib.audit` around a function that asks a remote model.

    Parameters
    ----------
    ask : callable
        Sends float32 inputs `(n, *shape)` and returns an array with a row, or a label, for each. What it raises of
        `OSError` (to which the errors of urllib, http.client's and requests' connections belong) is tried again, but
        for HTTP errors that would come again, such as 401.
    batch_size : int
        Inputs a request at most.
    retries : int
        How often a request is sent again before its error is raised.
    wait : float
        Seconds before the first repetition; twice as long before each further one.
    per_second : float, optional
        Requests a second at most.
    budget : int, optional
        Inputs sent at most; beyond it, `QueryBudgetError`.

    Attributes
    ----------
    sent, requests : int
        Inputs that were sent and answered, and requests, the repeated ones among them.

    Examples
    --------
    >>> remote = RemoteModel(lambda x: np.stack([x.mean(1), 1 - x.mean(1)], 1))
    >>> remote(torch.zeros(3, 4)).shape, remote(torch.zeros(1, 4)).shape, remote.sent
    (torch.Size([3, 2]), torch.Size([1, 2]), 1)
    """

    def __init__(
        self, ask: Callable[[NDArray[np.float32]], Any], *, batch_size: int = 64, retries: int = 5, wait: float = 0.5,
        per_second: float | None = None, budget: int | None = None,
    ) -> None:  # fmt: skip
        require(callable(ask), "ask", ask, "a function of an array of inputs")
        require_int("batch_size", batch_size, low=1)
        require_int("retries", retries, low=0)
        require_number("wait", wait, low=0)
        if per_second is not None:
            require_number("per_second", per_second, above=0)
        if budget is not None:
            require_int("budget", budget, low=1)
        self._ask, self._size, self._retries, self._wait = ask, batch_size, retries, wait
        self._pause, self.budget = 0.0 if per_second is None else 1 / per_second, budget
        self._known: dict[bytes, NDArray[Any]] = {}
        self._last = -float("inf")
        self.sent = self.requests = 0

    def __call__(self, x: Tensor) -> Tensor:
        """Return the answers to inputs, float `(n, *shape)`: (n, C), or labels (n,)."""
        inputs = x.detach().cpu().numpy().astype(np.float32)
        keys = [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in inputs]
        new = [i for key, i in {key: i for i, key in reversed(list(enumerate(keys)))}.items() if key not in self._known]
        new.sort()
        for start in range(0, len(new), self._size):
            rows = new[start : start + self._size]
            if self.budget is not None and self.sent + len(rows) > self.budget:
                raise QueryBudgetError(f"{self.sent + len(rows)} inputs to be sent, the budget is {self.budget}")
            answers = np.asarray(self._patiently(inputs[rows]))
            require(
                len(answers) == len(rows), "ask's answer", f"of {len(answers)} rows", f"one for each of {len(rows)}"
            )
            self.sent += len(rows)
            self._known |= {keys[i]: answer for i, answer in zip(rows, answers, strict=True)}
        return torch.from_numpy(np.stack([self._known[key] for key in keys]))

    def _patiently(self, inputs: NDArray[np.float32]) -> Any:
        for attempt in range(self._retries + 1):
            time.sleep(max(0.0, self._last + self._pause - time.monotonic()))
            self._last = time.monotonic()
            self.requests += 1
            try:
                return self._ask(inputs)
            except OSError as error:
                status = getattr(error, "code", None) or getattr(getattr(error, "response", None), "status_code", None)
                if attempt == self._retries or (status is not None and status not in PASSING):
                    raise
                time.sleep(self._wait * 2**attempt)
        raise AssertionError("not reached")
