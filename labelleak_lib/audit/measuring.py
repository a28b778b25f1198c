"""Audit the null bank: what `labelleak_lib.audit.null` compares a target with.

Run as `python -m labelleak_lib.audit.measuring`. The random inputs of the stored evidence leave no class of most models
unreached: there an audit ends, and nothing is run. The others are trained again, and the search goes on from what is
stored.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from labelleak_lib.audit.null import FILE, lowest_relative
from labelleak_lib.audit.racing import LOOKS, Found, Racing
from labelleak_lib.evidence import Evidence, Floats
from labelleak_lib.files import as_path, write_atomically
from labelleak_lib.models.access import BlackBox
from labelleak_lib.models.checkpoints import load_checkpoint, save_checkpoint
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.nulls.bank import Null, bank
from labelleak_lib.nulls.calibration import RARE, evidence_on_bank, kinds
from labelleak_lib.nulls.stored import stored
from labelleak_lib.results.markdown import rows_of
from labelleak_lib.trials.seeds import make_generator
from labelleak_lib.trials.threads import one_thread

ATTACK = {"probabilities": "passive_reach", "labels": "passive_answers"}
COUNTS = {"probabilities": 1, "labels": 2}
"""Which of the blocks of a row of `PassiveReach`'s probe holds reach."""


def measured(models: Path) -> dict[str, list[Any]]:
    """Return the columns of the file, one entry a model of the bank; models with a rare class take no part."""
    held, nulls = stored(), {null.identity: null for null in bank()}
    told, found = kinds(held.models).merge(held.models[["model", "classes"]], on="model"), evidence_on_bank(held)
    columns: dict[str, list[Any]] = {}
    for row in tqdm(rows_of(told[told.kind != RARE]), disable=None):
        line: dict[str, Any] = {
            "dataset": row.dataset, "architecture": row.architecture, "kind": row.kind, "classes": int(row.classes)
        }  # fmt: skip
        for answers, attack in ATTACK.items():
            evidence = found[row.model, attack]
            line |= _looks(evidence, answers)
            line[answers] = lowest_relative(_searched(nulls[row.model], evidence, answers, models))
        probe = _probe(found[row.model, "passive_reach"])
        counts = probe[2 * row.classes :]
        reach = probe[row.classes : 2 * row.classes]
        line |= {"most_answered": counts.max() / counts.sum(), "scale": float(np.quantile(reach, 0.75))}
        for name, value in line.items():
            columns.setdefault(name, []).append(float(f"{value:.4g}") if isinstance(value, float) else value)
    return columns


def _probe(evidence: Evidence, inputs: int = 2400) -> Floats:
    """Return the row of the probe after so many random inputs, without its first number."""
    if evidence.probe is None:
        raise ValueError(f"the evidence of {evidence.attack} holds no probe")
    [row] = evidence.probe[evidence.probe[:, 0] == inputs][:1]
    return np.asarray(row[1:])


def _looks(evidence: Evidence, answers: str) -> dict[str, float]:
    c, block = evidence.classes, COUNTS[answers]
    rows = {n: _probe(evidence, n)[block * c : (block + 1) * c] for n in LOOKS}
    return {f"{answers}_{n}": lowest_relative(row) for n, row in rows.items()}


def _searched(null: Null, evidence: Evidence, answers: str, models: Path) -> Floats:
    """Return every class's reach at the end of an audit whose random inputs were those of the stored evidence."""
    if evidence.reach is None:
        raise ValueError(f"the evidence of {evidence.attack} tells no reach")
    if (evidence.reach > 0).all():
        return evidence.reach
    start = Found(evidence.reach.copy(), np.zeros(evidence.classes, dtype=np.int64), inputs=Racing().inputs)
    box = BlackBox.of(_model(null, models), labels_only=answers == "labels")
    with one_thread():
        return Racing().run(box, generator=make_generator(null.seed, "audit", answers), found=start).reach


def _model(null: Null, models: Path) -> Classifier:
    path = models / f"{null.identity}.safetensors"
    if not path.exists():
        with one_thread():
            save_checkpoint(null.kind.make(null.spec), path)
    return load_checkpoint(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m labelleak_lib.audit.measuring", description=__doc__)
    parser.add_argument("--models", type=as_path, required=True, help="folder that keeps the models trained again")
    models = parser.parse_args(arguments).models
    columns = {name: json.dumps(values) for name, values in measured(models).items()}
    listed = ",\n  ".join(f'"{name}": {values}' for name, values in columns.items())
    text = f'{{\n "version": 1,\n "search": {json.dumps(vars(Racing()))},\n "models": {{\n  {listed}\n }}\n}}\n'
    write_atomically(FILE, text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
