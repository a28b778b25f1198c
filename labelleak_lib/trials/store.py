"""The store of models and evidence: written as a whole or not at all, by several processes at once.

`<dataset>.models.parquet` and `<dataset>.evidence.parquet` hold what was folded in; `cells/<dataset>/` has a file for
each model attacked since, so that an interrupted run loses at most the model in flight.
"""

import io
import json
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from labelleak_lib.files import locked, write_atomically
from labelleak_lib.trials.identity import content_hash
from labelleak_lib.trials.schema import EVIDENCE, MODELS, arrays_of, pack, table

ORDER = ["dataset", "trial", "forgotten", "unlearning", "model"]
KEYS = {"models": ["model"], "evidence": ["evidence", "kind"]}
COLUMNS = {"models": MODELS, "evidence": EVIDENCE}


class Stored(NamedTuple):
    """Models, one row each (`schema.MODELS`), and the evidence on them, one row an array (`schema.EVIDENCE`)."""

    models: pd.DataFrame
    evidence: pd.DataFrame


class Store:
    """A folder of models and evidence.

    Parameters
    ----------
    root : Path
        The folder; made when something is first written.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def datasets(self) -> list[str]:
        """Return the names of the data sets of which something is stored, sorted."""
        folded = {path.name.removesuffix(".models.parquet") for path in self.root.glob("[!.]*.models.parquet")}
        return sorted(folded | {path.name for path in (self.root / "cells").glob("[!.]*") if path.is_dir()})

    def write(self, dataset: str, models: list[dict[str, Any]], evidence: list[dict[str, Any]]) -> None:
        """Store models and evidence in one file, atomically.

        Parameters
        ----------
        models : list of dict
            With the columns of `schema.MODELS`; what is stored of a model with other weights is replaced.
        evidence : list of dict
            With the columns `schema.FACTS`, and under ``found`` the `Evidence` itself.
        """
        facts = [{name: value for name, value in line.items() if name != "found"} for line in evidence]
        content: dict[str, Any] = {"written": time.time_ns(), "models": models, "evidence": facts}
        arrays = {f"{i}/{k}": a for i, line in enumerate(evidence) for k, a in arrays_of(line["found"]).items()}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, facts=np.array(json.dumps(content)), **arrays)  # type: ignore[arg-type]
        # a name of its own, so that who folds what was computed before does not remove what was computed anew
        name = content_hash([content["written"], [line["model"] for line in models]])
        write_atomically(self.root / "cells" / dataset / f"{name}.npz", buffer.getvalue())

    def models(self, dataset: str) -> pd.DataFrame:
        """Return the models of a data set, one row each with the columns `schema.MODELS`."""
        return self.read(dataset).models

    def evidence(self, dataset: str, models: Collection[str] | None = None) -> pd.DataFrame:
        """Return the evidence on `models` (all, if None), one row an array with the columns `schema.EVIDENCE`."""
        return self.read(dataset, models).evidence

    def fold(self, dataset: str, *, thin: bool = False) -> None:
        """Fold the open files of a data set into its Parquet files, under a lock; a file goes once it is folded in.

        Parameters
        ----------
        thin : bool
            Keep what an archive needs: see `thinned`.
        """
        (self.root / "cells").mkdir(parents=True, exist_ok=True)
        with locked(self.root / "cells" / f"{dataset}.lock"):
            open_files = self._open(dataset)
            if not open_files:
                return
            models, evidence = self.read(dataset)
            if thin:
                evidence = thinned(evidence, models)
            self._write_folded(dataset, models, evidence)
            for path in open_files:
                path.unlink(missing_ok=True)

    def _write_folded(self, dataset: str, models: pd.DataFrame, evidence: pd.DataFrame) -> None:
        place = {model: i for i, model in enumerate(models.sort_values(ORDER).model)}
        ordered = evidence.sort_values(["model", "attack", "protocol", "staged", "evidence", "kind"])
        ordered = ordered.iloc[np.argsort(ordered.model.map(place), kind="stable")]
        for kind, frame in (("evidence", ordered), ("models", models.sort_values(ORDER))):
            buffer = io.BytesIO()
            pq.write_table(table(frame, COLUMNS[kind]), buffer, compression="zstd", compression_level=9)
            write_atomically(self.root / f"{dataset}.{kind}.parquet", buffer.getvalue())

    def _open(self, dataset: str) -> list[Path]:
        return sorted(p for p in (self.root / "cells" / dataset).glob("*.npz") if not p.name.startswith("."))

    def read(self, dataset: str, models: Collection[str] | None = None) -> Stored:
        """Return models and evidence of a data set; only of `models`, if they are named."""
        # open files first: one that is folded in meanwhile is then in the folded files, read after them
        read = [part for part in map(_read_file, self._open(dataset)) if part is not None]
        parts = [part[1:] for part in sorted(read, key=lambda part: -part[0])]
        wanted = None if models is None else [("model", "in", list(models))]
        frames = {}
        for place, kind in enumerate(COLUMNS):
            several = [part[place] for part in parts]
            folded = self.root / f"{dataset}.{kind}.parquet"
            if folded.exists() and (models is None or len(models)):
                several.append(pq.read_table(folded, filters=wanted).to_pandas())
            filled = [frame for frame in several if len(frame)]
            # the newest first: what was computed anew replaces what stood there
            frame = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(COLUMNS[kind]))
            frame = frame if models is None else frame[frame.model.isin(set(models))]
            frames[kind] = frame.drop_duplicates(KEYS[kind], keep="first").reset_index(drop=True)
        evidence = frames["evidence"]
        current = evidence.model.map(frames["models"].set_index("model").weights).eq(evidence.weights)
        return Stored(frames["models"], evidence[current].reset_index(drop=True))


def thinned(evidence: pd.DataFrame, models: pd.DataFrame) -> pd.DataFrame:
    """Return the evidence that is archived, as small as its use allows.

    Of every model scores, IPVs, answers to random inputs and heads, with 11 bits of each number's mantissa (a relative
    error below 1 in 4,000); the sums of Figure 11 of the first three trials, images and histories of the first one, for
    the published numbers of forgotten classes.
    """
    first = models.set_index("model").trial.reindex(evidence.model).to_numpy()
    # what is shown of M_o stands beside an M_u of the same trial
    sizes = evidence.model.map(models.set_index("model").forgotten.str.count(",") + 1).to_numpy()
    published = np.isin(sizes, (1, 3)) | evidence.model.isin(models.model[models.unlearning == ""]).to_numpy()
    limit = evidence.kind.map({"absolute_sum": 3, "history": 1, "inverted": 1}).fillna(np.inf).to_numpy()
    kept = evidence[(limit == np.inf) | (published & (first < limit))]
    return kept.assign(values=[_short(row) for row in kept[["kind", "shape", "values"]].to_dict("records")])


def _short(row: dict[str, Any]) -> bytes:
    shape = tuple(int(n) for n in row["shape"])
    size = len(row["values"]) // max(int(np.prod(shape)), 1)
    values = np.frombuffer(row["values"], dtype=f"<f{size or 8}").astype("<f4")
    if row["kind"] == "inverted":
        values = values.round(2)
    bits = values.view(np.uint32)
    return ((bits + np.uint32(0x800)) & np.uint32(0xFFFFF000)).astype("<u4").tobytes()


def _read_file(path: Path) -> tuple[int, pd.DataFrame, pd.DataFrame] | None:
    try:
        file = np.load(path, allow_pickle=False)
    except FileNotFoundError:  # another process has just folded it in
        return None
    with file:
        content = json.loads(str(file["facts"]))
        arrays: dict[int, list[tuple[str, np.ndarray]]] = {}
        for name in file.files:
            if name != "facts":
                arrays.setdefault(int(name.partition("/")[0]), []).append((name.partition("/")[2], file[name]))
    rows = [
        {**facts, "kind": kind, **pack(array)}
        for i, facts in enumerate(content["evidence"]) for kind, array in arrays.get(i, [])
    ]  # fmt: skip
    models, evidence = pd.DataFrame(content["models"], columns=list(MODELS)), pd.DataFrame(rows, columns=list(EVIDENCE))
    # with the types of what is folded
    return content["written"], table(models, MODELS).to_pandas(), table(evidence, EVIDENCE).to_pandas()
