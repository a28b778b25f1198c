"""The records and evidence that are part of the project."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from labelleak_lib.files import COMMITTED
from labelleak_lib.names import DATASET_ORDER, ordered
from labelleak_lib.trials.records import RecordStore


def committed_records(root: Path = COMMITTED) -> pd.DataFrame:
    """Return the records of every data set that has committed ones (no rows if none has), profile `paper`."""
    found = {path.name.removesuffix(".parquet") for path in root.glob("*.parquet")}
    names = {name for name in found if not name.endswith(".evidence")}
    names |= {path.name for path in (root / "cells").glob("*") if path.is_dir()}
    store = RecordStore(root)
    parts = [store.read(name) for name in ordered(sorted(names), DATASET_ORDER)]
    filled = [part[part.profile == "paper"] for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else store.read("none")


def committed_evidence(records: pd.DataFrame, root: Path = COMMITTED) -> pd.DataFrame:
    """Return the evidence of `records`, as `RecordStore.evidence` does, for all of their data sets."""
    hashes, store = set(records.config_hash), RecordStore(root)
    return pd.concat([store.evidence(name, hashes) for name in [*records.dataset.unique(), "none"]], ignore_index=True)
