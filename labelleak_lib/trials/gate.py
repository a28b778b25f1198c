"""The gate: whether a model has forgotten, and kept the rest."""

from __future__ import annotations

from labelleak_lib.paper import published

FORGET_LIMIT = 0.05
RETAIN_MARGIN = {"NG": 0.04}
DEFAULT_MARGIN = 0.02


def is_unlearned(dataset: str, unlearning: str, k: int, accuracies: dict[str, float]) -> bool:
    """Say whether a cell passes the gate.

    Accuracy on D_f must be at most 5% (or the paper's own value in that cell, where that is higher), and accuracy on
    D_r at most 2 points (NG: 4 points) below what it was.
    """
    limit = max([FORGET_LIMIT, *_published_forget_accuracy(dataset, unlearning, k)])
    return accuracies["forget_acc_after"] <= limit and is_kept(unlearning, accuracies)


def is_kept(unlearning: str, accuracies: dict[str, float]) -> bool:
    """Say whether the accuracy on D_r stayed within the method's margin."""
    margin = RETAIN_MARGIN.get(unlearning, DEFAULT_MARGIN)
    return accuracies["retain_acc_after"] >= accuracies["retain_acc_before"] - margin


def _published_forget_accuracy(dataset: str, unlearning: str, k: int) -> list[float]:
    table, scenario = published.unlearning_accuracy(), {1: "single", 3: "multi"}.get(k)
    same = (table.dataset == dataset) & (table.unlearning == unlearning) & (table.scenario == scenario)
    return (table[same].forget_after / 100).tolist()
