"""Records: one row per trial, attack, criterion, protocol and control; and the store of rows and evidence.

A *cell* is one trial under one unlearning method. Its rows and evidence are one file, named by the hash of everything
that decides them and written atomically, so that an interrupted run loses at most the cell in flight and a changed
hyperparameter is another cell. `compact` folds a data set's cells into two Parquet files.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock

from labelleak_lib.files import write_atomically

COLUMNS = [
    "dataset",
    "architecture",
    "profile",
    "seed",
    "trial",
    "forgotten",
    "k",
    "unlearning",
    "control",
    "attack",
    "criterion",
    "protocol",
    "asr",
    "balanced_accuracy",
    "exact_match",
    "auc",
    "tpr_at_5fpr",
    "predicted",
    "queries",
    "seconds",
    "forget_acc_before",
    "forget_acc_after",
    "retain_acc_before",
    "retain_acc_after",
    "unlearned",
    "flags",
    "train_seed",
    "unlearn_seed",
    "attack_seed",
    "classes",
    "data_variant",
    "config_hash",
    "code_version",
]
KEY = ["config_hash", "control", "attack", "criterion", "protocol"]


@dataclass(frozen=True, eq=False)
class Cell:
    """The records and the evidence of one trial under one unlearning method.

    Parameters
    ----------
    config_hash : str
        Digest of everything that decides the cell.
    rows : DataFrame
        With `COLUMNS`.
    arrays : mapping of str to ndarray
        Evidence, by "control/attack/protocols/kind".
    """

    config_hash: str
    rows: pd.DataFrame
    arrays: Mapping[str, np.ndarray]


class RecordStore:
    """A folder of records: `<dataset>.parquet`, `<dataset>.evidence.parquet`, and `cells/<dataset>/` not yet folded in.

    Parameters
    ----------
    root : Path
        The folder; made when the first cell is written.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def _cell_path(self, dataset: str, config_hash: str) -> Path:
        return self.root / "cells" / dataset / f"{config_hash}.npz"

    def write(self, dataset: str, cell: Cell) -> None:
        """Store a cell atomically; a cell already there is replaced by an equal one."""
        content: dict[str, Any] = {f"evidence/{name}": np.asarray(array) for name, array in cell.arrays.items()}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, rows=np.array(cell.rows.to_json(orient="split", double_precision=15)), **content)
        write_atomically(self._cell_path(dataset, cell.config_hash), buffer.getvalue())

    def known(self, dataset: str) -> set[str]:
        """Return the config hashes of every stored cell of a data set."""
        waiting = {path.stem for path in self._cells(dataset)}
        folded = self._read(self.root / f"{dataset}.parquet", columns=["config_hash"])
        return waiting | set(folded.get("config_hash", ()))

    def read(self, dataset: str) -> pd.DataFrame:
        """Return every record of a data set (no rows if there are none)."""
        # open cells first: one that is folded in meanwhile is then in the folded file, read after them
        parts = [_read_cell(path)[0] for path in self._cells(dataset)]
        parts.insert(0, self._read(self.root / f"{dataset}.parquet"))
        return _joined(parts, KEY, COLUMNS)

    def evidence(self, dataset: str, config_hashes: Iterable[str] | None = None) -> pd.DataFrame:
        """Return evidence rows: config_hash, control, attack, protocols, kind, shape, values (see `unpack`)."""
        parts = [_read_cell(path)[1] for path in self._cells(dataset)]
        parts.insert(0, self._read(self.root / f"{dataset}.evidence.parquet"))
        found = _joined(parts, EVIDENCE_COLUMNS[:5], EVIDENCE_COLUMNS)
        return found if config_hashes is None else found[found.config_hash.isin(set(config_hashes))]

    def compact(self, dataset: str) -> None:
        """Fold the cells of a data set into its Parquet files, under a lock; a cell goes once it is folded in."""
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / "cells").mkdir(exist_ok=True)
        with FileLock(self.root / "cells" / f"{dataset}.lock"):
            cells = self._cells(dataset)
            if not cells:
                return
            rows, evidence = self.read(dataset), self.evidence(dataset)
            order = ["k", "trial", "unlearning", "control", "attack", "criterion", "protocol", "config_hash"]
            _write_parquet(rows.sort_values(order, kind="stable"), self.root / f"{dataset}.parquet")
            _write_parquet(evidence.sort_values(EVIDENCE_COLUMNS[:5]), self.root / f"{dataset}.evidence.parquet")
            for path in cells:
                path.unlink(missing_ok=True)

    def _cells(self, dataset: str) -> list[Path]:
        return sorted(p for p in (self.root / "cells" / dataset).glob("*.npz") if not p.name.startswith("."))

    def _read(self, path: Path, columns: list[str] | None = None) -> pd.DataFrame:
        return pd.read_parquet(path, columns=columns) if path.exists() else pd.DataFrame()


EVIDENCE_COLUMNS = ["config_hash", "control", "attack", "protocols", "kind", "shape", "values"]


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    buffer = io.BytesIO()
    # a dictionary stores equal arrays once: the methods that share an original model share their placebo's evidence
    options: dict[str, Any] = {"compression": "zstd", "compression_level": 9, "dictionary_pagesize_limit": 2**28}
    frame.reset_index(drop=True).to_parquet(buffer, index=False, **options)
    write_atomically(path, buffer.getvalue())


def _read_cell(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    try:
        file = np.load(path, allow_pickle=False)
    except FileNotFoundError:  # another process has just folded it in
        return pd.DataFrame(), pd.DataFrame()
    with file:
        content = json.loads(str(file["rows"]))
        rows = pd.DataFrame(content["data"], columns=content["columns"])
        evidence = [_evidence_row(path.stem, name, file[name]) for name in file.files if name.startswith("evidence/")]
    return rows, pd.DataFrame(evidence, columns=EVIDENCE_COLUMNS)


def _evidence_row(config_hash: str, name: str, array: np.ndarray) -> dict[str, Any]:
    _, control, attack, protocols, kind = name.split("/")
    keys = {
        "config_hash": config_hash,
        "control": control,
        "attack": attack,
        "protocols": protocols,
        "kind": kind,
    }
    return {**keys, "shape": np.array(array.shape), "values": np.ascontiguousarray(array, dtype="<f4").tobytes()}


def _joined(parts: list[pd.DataFrame], key: list[str], columns: Iterable[str]) -> pd.DataFrame:
    filled = [part for part in parts if len(part)]
    if not filled:
        return pd.DataFrame(columns=list(columns))
    return pd.concat(filled, ignore_index=True).drop_duplicates(key, keep="first").reset_index(drop=True)


def with_cells(evidence: pd.DataFrame, records: pd.DataFrame) -> Iterator[tuple[dict[str, Any], np.ndarray, pd.Series]]:
    """Yield (evidence row, its array in float64, first record of its cell) where `records` hold the cell."""
    cells = records.drop_duplicates("config_hash").set_index("config_hash")
    for row in evidence[evidence.config_hash.isin(cells.index)].to_dict("records"):
        yield (
            {str(name): value for name, value in row.items()},
            unpack(row).astype(float),
            cells.loc[row["config_hash"]],
        )


def unpack(row: Any) -> np.ndarray:
    """Return the array of one evidence row: float32, and probabilities (float64) where it holds logarithms of IPVs."""
    values = np.frombuffer(row["values"], dtype="<f4").reshape(tuple(int(n) for n in row["shape"]))
    return np.exp(values.astype(np.float64)) if row["kind"] == "ipv" else values
