"""How the thresholds of reach were chosen: on printed characters, with seeds that no table of the book reports on.

On the same data sets and split, from other seeds, the null bank has models, and tables of it report on these.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.attacks.reach import relative_reach
from labelleak_lib.evidence import Floats
from labelleak_lib.files import COMMITTED
from labelleak_lib.trials.gate import is_unlearned
from labelleak_lib.trials.judging import records_of
from labelleak_lib.trials.schema import FACTS, evidence_from
from labelleak_lib.trials.store import Store

THRESHOLDS = np.arange(25) / 40
"""0, 0.025, ..., 0.6 of a model's upper quartile."""
COLUMNS = ["dataset", "unlearning", "k", "attack", "forgotten", "relative"]


def models(root: Path = COMMITTED / "tuning", attack: str | None = None) -> pd.DataFrame:
    """Return the relative reach that every search gave on every model: a target that passes the gate, or an M_o.

    Of one attack alone, if it is given. ``dataset unlearning k attack forgotten`` (frozenset, empty of M_o)
    ``relative`` (array).
    """
    store = Store(root)
    return pd.DataFrame([line for name in store.datasets() for line in _lines(store, name, attack)], columns=COLUMNS)


def _lines(store: Store, dataset: str, attack: str | None) -> Iterator[dict[str, Any]]:
    stored = store.read(dataset)
    facts = {row["model"]: row for row in records_of(stored.models)}
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    held = stored.evidence if attack is None else stored.evidence[stored.evidence.attack == attack]
    for row in records_of(held[[*FACTS, "kind", "shape", "values"]]):
        groups.setdefault((row["model"], row["attack"]), []).append(row)
    for (model, name), rows in groups.items():
        told, reach = facts[model], evidence_from(rows).reach
        if reach is not None and (not told["unlearning"] or is_unlearned(told)):
            forgotten = frozenset(int(c) for c in told["forgotten"].split(",") if c)
            line = {"dataset": dataset, "unlearning": told["unlearning"], "k": len(forgotten), "attack": name}
            yield line | {"forgotten": forgotten, "relative": relative_reach(reach)}


def named(relative: Floats, threshold: float, first: float = np.inf) -> frozenset[int]:
    """Return the classes at or below a threshold; where `first` is given, none unless one lies at or below that too.

    >>> [sorted(named(np.array([0.1, 0.2, 1]), *limits)) for limits in ((0.15,), (0.25,), (0.25, 0.15), (0.25, 0.05))]
    [[0], [0, 1], [0, 1], []]
    """
    return frozenset(np.flatnonzero((relative <= threshold) & (relative <= first).any()).tolist())


def curve(table: pd.DataFrame, thresholds: Floats = THRESHOLDS, first: float = np.inf) -> pd.DataFrame:
    """Return how one search's rule does at every threshold: ``threshold exact silent right n``, in 0 .. 1.

    With `first`, how it does with every threshold as its second (see `named`).

    `exact`: the mean over data sets, methods and k of the share of targets named exactly; `silent`: over data sets, of
    the M_o on which nothing is named; `right`: the mean of both; `n`: the number of models.
    """
    lines = []
    for threshold in thresholds:
        judged = table.assign(right=_right(table, threshold, first))
        exact = judged[judged.k > 0].groupby(["dataset", "unlearning", "k"]).right.mean().mean()
        silent = judged[judged.k == 0].groupby("dataset").right.mean().mean()
        lines.append((float(threshold), exact, silent, (exact + silent) / 2, len(table)))
    return pd.DataFrame(lines, columns=["threshold", "exact", "silent", "right", "n"])


def _right(table: pd.DataFrame, threshold: float, first: float = np.inf) -> list[bool]:
    found = [named(relative, threshold, first) for relative in table.relative]
    return [a == b for a, b in zip(found, table.forgotten, strict=True)]


def chosen(table: pd.DataFrame) -> float:
    """Return the threshold at which a rule is right most often; of a run of equals the middle one (the lower of two).

    >>> chosen(pd.DataFrame({"threshold": [0, 1, 2, 3, 4], "right": [0.5, 0.9, 0.9, 0.9, 0.8]}))
    2.0
    """
    best = table.threshold[table.right >= table.right.max() - 1e-12].to_numpy()
    return float(best[(len(best) - 1) // 2])


def with_a_second(table: pd.DataFrame, first: float, second: float, code: str = "NG") -> pd.DataFrame:
    """Return how many targets of each data set are named exactly with one threshold, and with a second beside it.

    `table` is of one attack, as `models` returns it. One line a data set, for the method `code` and for all others:
    ``dataset method n one two``, the last two counts of the `n` targets.
    """
    targets = table[table.k > 0]
    method = targets.unlearning.where(targets.unlearning == code, "others").rename("method")
    judged = targets.assign(method=method, one=_right(targets, first), two=_right(targets, second, first))
    counted = judged.groupby(["dataset", "method"], sort=False)
    return counted.agg(n=("one", "size"), one=("one", "sum"), two=("two", "sum")).reset_index()
