"""The gate: whether a model has forgotten, and kept the rest. One rule for all methods and data sets."""

from collections.abc import Mapping
from typing import Any

FORGET_LIMIT = 0.05
"""Largest accuracy on D_f after unlearning; where it was no higher before, there was nothing to forget."""
RETAIN_MARGIN = 0.02
"""Largest loss of accuracy on D_r."""


def is_unlearned(cell: Mapping[str, Any]) -> bool:
    """Say whether a cell, with the columns of `schema.MODELS`, passes: D_f was known and is so no more, D_r is kept."""
    return cell["forget_acc_after"] <= FORGET_LIMIT < cell["forget_acc_before"] and is_kept(cell)


def is_kept(cell: Mapping[str, Any]) -> bool:
    """Say whether the accuracy on D_r is at most 2 points below what it was."""
    return bool(cell["retain_acc_after"] >= cell["retain_acc_before"] - RETAIN_MARGIN)
