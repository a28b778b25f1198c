"""What the store holds: the columns of its two tables, and arrays as bytes.

A *model* is one trained network, never unlearned or unlearned from one that is. *Evidence* is what one attack found on
one model; each of its arrays has a row. Decisions, metrics, gates and flags are in neither: they are computed when
read (`trials.judging`).
"""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from labelleak_lib.evidence import Evidence, HeadEvidence

SCHEMA_VERSION = 1
TEXT, WHOLE, REAL = pa.string(), pa.int64(), pa.float64()

MODELS: dict[str, tuple[pa.DataType, str]] = {
    "model": (TEXT, "identity: digest of data, architecture, recipe, method, seeds and their code"),
    "original": (TEXT, "identity of the model it was unlearned from; empty for a never-unlearned one"),
    "dataset": (TEXT, "name of the data set"),
    "data_variant": (TEXT, "which copy of the data"),
    "classes": (WHOLE, "C, number of classes"),
    "architecture": (TEXT, "name of the architecture"),
    "recipe": (TEXT, "hyperparameters of the original training, JSON"),
    "unlearning": (TEXT, "code of the unlearning method; empty for a never-unlearned model"),
    "method": (TEXT, "hyperparameters of the method and a digest of its code, JSON"),
    "forgotten": (TEXT, "indices of the forgotten classes, separated by commas"),
    "seed": (WHOLE, "first seed of the run that asked for it"),
    "trial": (WHOLE, "index of the trial in that run"),
    "split_seed": (WHOLE, "seed of the division into train, pool and test"),
    "train_seed": (WHOLE, "seed of the original training"),
    "unlearn_seed": (WHOLE, "seed of the unlearning method"),
    "accuracy": (
        pa.list_(REAL),
        "accuracy on the test samples of each class, 0 .. 1; null where only the sides are known",
    ),
    "forget_acc_before": (REAL, "accuracy of M_o on test samples of forgotten classes, 0 .. 1"),
    "forget_acc_after": (REAL, "accuracy of M_u on the same"),
    "retain_acc_before": (REAL, "accuracy of M_o on test samples of retained classes"),
    "retain_acc_after": (REAL, "accuracy of M_u on the same"),
    "weights": (TEXT, "digest of parameters and running averages; empty where unknown"),
    "original_weights": (TEXT, "that of the model it was unlearned from"),
    "processor": (TEXT, "kind of processor that trained it"),
    "numerics": (TEXT, "digest of the library's numeric code that made it; empty where unknown"),
    "code_version": (TEXT, "version of the library"),
}
"""Columns of the table of models: type and meaning."""

EVIDENCE: dict[str, tuple[pa.DataType, str]] = {
    "evidence": (TEXT, "identity: digest of model, attack, hyperparameters, code, protocol and seed"),
    "model": (TEXT, "identity of the attacked model"),
    "weights": (TEXT, "digest of that model's parameters; empty where unknown"),
    "attack": (TEXT, "name of the attack"),
    "parameters": (TEXT, "hyperparameters of the attack and a digest of its code, JSON"),
    "profile": (TEXT, "profile of the run that asked for it"),
    "protocol": (TEXT, "paper or attacker; empty where the evidence is the same under both"),
    "staged": (TEXT, "forgotten classes that decided what the attacker was told; empty where nothing was"),
    "attack_seed": (WHOLE, "seed of the attack"),
    "queries": (WHOLE, "images put to a black box"),
    "gradients": (WHOLE, "images for which a gradient of the model was taken; -1 where unknown"),
    "seconds": (REAL, "processor seconds"),
    "flags": (TEXT, "what looks broken, separated by semicolons"),
    "processor": (TEXT, "kind of processor"),
    "numerics": (TEXT, "digest of the library's numeric code; empty where unknown"),
    "kind": (
        TEXT,
        "which array: score, reach, ipv (logarithms), probe, source, label, value, absolute_sum, history, ...",
    ),
    "shape": (pa.list_(pa.int32()), "shape of the array"),
    "values": (pa.binary(), "the array, little-endian float32 or float64 in C order"),
}
"""Columns of the table of evidence: type and meaning; one row an array."""

FACTS = [name for name in EVIDENCE if name not in ("kind", "shape", "values")]
HEAD_KINDS = ("source", "label", "value", "absolute_sum")


def table(frame: pd.DataFrame, columns: dict[str, tuple[pa.DataType, str]]) -> pa.Table:
    """Return `frame` as an Arrow table with the documented types, meanings and schema version."""
    fields = [pa.field(name, kind, metadata={"meaning": text}) for name, (kind, text) in columns.items()]
    schema = pa.schema(fields, metadata={"labelleak_schema": str(SCHEMA_VERSION)})
    return pa.Table.from_pandas(frame[list(columns)], schema=schema, preserve_index=False)


def arrays_of(evidence: Evidence) -> dict[str, np.ndarray]:
    """Return the arrays of a piece of evidence by kind; IPVs as logarithms, which tell 1 - 1e-9 from 1 when rounded."""
    arrays: dict[str, Any] = {kind: getattr(evidence, kind) for kind in ("score", "reach", "probe", "history")}
    if evidence.ipv is not None:
        arrays["ipv"] = np.log(np.maximum(evidence.ipv, 1e-300))
    if evidence.heads is not None:
        arrays |= {kind: getattr(evidence.heads, kind) for kind in HEAD_KINDS}
    if evidence.inverted is not None:
        arrays["inverted"] = evidence.inverted.numpy()
    return {kind: np.asarray(array) for kind, array in arrays.items() if array is not None}


def pack(array: np.ndarray) -> dict[str, Any]:
    """Return an array as the columns `shape` and `values`: float32 stays so, everything else is float64."""
    kept = np.ascontiguousarray(array, dtype="<f4" if array.dtype == np.float32 else "<f8")
    return {"shape": list(array.shape), "values": kept.tobytes()}


def unpack(row: Any) -> np.ndarray:
    """Return the array of one row of evidence, float64; probabilities where it holds logarithms of IPVs."""
    shape = tuple(int(n) for n in row["shape"])
    size = len(row["values"]) // max(int(np.prod(shape)), 1)
    values = np.frombuffer(row["values"], dtype=f"<f{size or 8}").reshape(shape).astype(float)
    return np.exp(values) if row["kind"] == "ipv" else values


def evidence_from(rows: list[dict[str, Any]]) -> Evidence:
    """Return the evidence that the rows of one identity hold."""
    facts, arrays = rows[0], {row["kind"]: unpack(row) for row in rows}
    heads = None
    if "value" in arrays:
        source, label, value, distance = (arrays.get(kind, np.zeros(0)) for kind in HEAD_KINDS)
        heads = HeadEvidence(source.astype(np.int64), label.astype(np.int64), value, distance)
    ipv = arrays.get("ipv")
    score = arrays["score"] if ipv is None else -ipv.max(1)
    return Evidence(
        facts["attack"], len(score), score, facts["protocol"] or "attacker", arrays.get("reach"), heads, ipv,
        torch.from_numpy(arrays["inverted"]) if "inverted" in arrays else None, arrays.get("history"),
        arrays.get("probe"), int(facts["queries"]), int(facts["gradients"]),
        tuple(flag for flag in facts["flags"].split("; ") if flag),
    )  # fmt: skip
