"""How the thresholds of reach were chosen: on printed characters, which no table of the book reports on."""

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


def models(root: Path = COMMITTED / "tuning") -> pd.DataFrame:
    """Return the relative reach that every search gave on every model: a target that passes the gate, or an M_o.

    ``dataset unlearning k attack forgotten`` (frozenset, empty of M_o) ``relative`` (array).
    """
    store = Store(root)
    return pd.DataFrame([line for name in store.datasets() for line in _lines(store, name)])


def _lines(store: Store, dataset: str) -> Iterator[dict[str, Any]]:
    stored = store.read(dataset)
    facts = {row["model"]: row for row in records_of(stored.models)}
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in records_of(stored.evidence[[*FACTS, "kind", "shape", "values"]]):
        groups.setdefault((row["model"], row["attack"]), []).append(row)
    for (model, attack), rows in groups.items():
        told, reach = facts[model], evidence_from(rows).reach
        if reach is not None and (not told["unlearning"] or is_unlearned(told)):
            forgotten = frozenset(int(c) for c in told["forgotten"].split(",") if c)
            line = {"dataset": dataset, "unlearning": told["unlearning"], "k": len(forgotten), "attack": attack}
            yield line | {"forgotten": forgotten, "relative": relative_reach(reach)}


def curve(table: pd.DataFrame, thresholds: Floats = THRESHOLDS) -> pd.DataFrame:
    """Return how one search's rule does at every threshold: ``threshold exact silent right n``, in 0 .. 1.

    `exact`: the mean over data sets, methods and k of the share of targets named exactly; `silent`: over data sets, of
    the M_o on which nothing is named; `right`: the mean of both; `n`: the number of models.
    """
    lines = []
    for threshold in thresholds:
        named = [frozenset(np.flatnonzero(relative <= threshold).tolist()) for relative in table.relative]
        judged = table.assign(right=[a == b for a, b in zip(named, table.forgotten, strict=True)])
        exact = judged[judged.k > 0].groupby(["dataset", "unlearning", "k"]).right.mean().mean()
        silent = judged[judged.k == 0].groupby("dataset").right.mean().mean()
        lines.append((float(threshold), exact, silent, (exact + silent) / 2, len(table)))
    return pd.DataFrame(lines, columns=["threshold", "exact", "silent", "right", "n"])


def chosen(table: pd.DataFrame) -> float:
    """Return the threshold at which a rule is right most often; of a run of equals the middle one (the lower of two).

    >>> chosen(pd.DataFrame({"threshold": [0, 1, 2, 3, 4], "right": [0.5, 0.9, 0.9, 0.9, 0.8]}))
    2.0
    """
    best = table.threshold[table.right >= table.right.max() - 1e-12].to_numpy()
    return float(best[(len(best) - 1) // 2])
