"""The records and evidence that are part of the project."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from labelleak_lib.criteria.base import Criterion
from labelleak_lib.files import COMMITTED
from labelleak_lib.names import DATASET_ORDER, ordered
from labelleak_lib.trials.decided import judged_once
from labelleak_lib.trials.judging import COLUMNS, EVIDENCE_COLUMNS, evidence_by_cell, judge
from labelleak_lib.trials.store import Store, Stored

PROFILE = "paper"
BUDGETS = COMMITTED / "queries"
"""What `trials.queries` stores: black-box attacks at many budgets."""
BY_METHOD = COMMITTED / "methods"
"""What `trials.every_method` stores: the methods beside the paper's, and in `costs` what all of them take."""


def committed(root: Path = COMMITTED) -> dict[str, Stored]:
    """Return models and evidence (profile `paper`) of every data set that has committed ones, in the book's order."""
    store, found = Store(root), {}
    for name in ordered(store.datasets(), DATASET_ORDER):
        models, evidence = store.read(name)
        found[name] = Stored(models, evidence[evidence.profile == PROFILE])
    return found


def committed_records(root: Path = COMMITTED, criteria: Sequence[Criterion] | None = None) -> pd.DataFrame:
    """Return the records of every data set that has committed ones: every decision computed now, from the evidence.

    Parameters
    ----------
    criteria : sequence of Criterion, optional
        Judge by these, wherever they can read the evidence, in place of the registered criteria.

    Returns
    -------
    DataFrame
        With `judging.COLUMNS` (no rows if nothing is committed).
    """
    parts = []
    for name, stored in committed(root).items():
        files = [root / f"{name}.{kind}.parquet" for kind in ("models", "evidence")]
        # what is not folded in yet is not kept
        whole = all(path.exists() for path in files) and not (root / "cells" / name).exists()
        anew = partial(judge, *stored, criteria)
        # the name alone would let two stores drop one another's tables
        parts.append(judged_once(f"{root.name}-{name}", files, anew) if criteria is None and whole else anew())
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=COLUMNS)


def committed_evidence(records: pd.DataFrame, root: Path = COMMITTED) -> pd.DataFrame:
    """Return the evidence of the cells in `records`, with `judging.EVIDENCE_COLUMNS`."""
    hashes, store, parts = set(records.config_hash), Store(root), [pd.DataFrame(columns=EVIDENCE_COLUMNS)]
    for name in records.dataset.unique():
        models, evidence = store.read(name)
        cells = models[models.model.isin(hashes)]
        parts.append(evidence_by_cell(cells, evidence[evidence.profile == PROFILE]))
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
