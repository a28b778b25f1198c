"""The gate: whether a model has forgotten, and kept the rest."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from labelleak_lib.paper import published

FORGET_LIMIT = 0.05
RETAIN_MARGIN = {"NG": 0.04}
DEFAULT_MARGIN = 0.02


def is_unlearned(cell: Mapping[str, Any]) -> bool:
    """Say whether a cell, with the columns of `schema.MODELS`, passes the gate.

    Accuracy on D_f must be at most 5% (or the paper's own value in that cell, where that is higher), and accuracy on
    D_r at most 2 points (NG: 4 points) below what it was.
    """
    k = len(cell["forgotten"].split(","))
    limit = max([FORGET_LIMIT, *_published_forget_accuracy(cell["dataset"], cell["unlearning"], k)])
    return cell["forget_acc_after"] <= limit and is_kept(cell)


def is_kept(cell: Mapping[str, Any]) -> bool:
    """Say whether the accuracy on D_r stayed within the method's margin."""
    margin = RETAIN_MARGIN.get(cell["unlearning"], DEFAULT_MARGIN)
    return cell["retain_acc_after"] >= cell["retain_acc_before"] - margin


@cache
def _published_forget_accuracy(dataset: str, unlearning: str, k: int) -> tuple[float, ...]:
    table, scenario = published.unlearning_accuracy(), published.SCENARIOS.get(k)
    same = (table.dataset == dataset) & (table.unlearning == unlearning) & (table.scenario == scenario)
    return tuple(table[same].forget_after / 100)
