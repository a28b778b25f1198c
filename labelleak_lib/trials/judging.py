"""What is decided on stored evidence: criteria, metrics, the gate and flags, computed whenever records are read."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from labelleak_lib.criteria.base import Criterion
from labelleak_lib.criteria.heads import HeadCriterion, HeadLabels, judged_by_head
from labelleak_lib.evidence import Bools, Evidence, Floats
from labelleak_lib.metrics import Scores, scores
from labelleak_lib.names import PROTOCOLS
from labelleak_lib.registry import ATTACKS, CRITERIA
from labelleak_lib.trials.gate import is_kept, is_unlearned
from labelleak_lib.trials.schema import FACTS, evidence_from, unpack

COLUMNS = [
    *("dataset", "architecture", "profile", "seed", "trial", "forgotten", "k", "unlearning", "control", "attack"),
    *("criterion", "protocol", *Scores._fields, "predicted", "queries", "gradients", "seconds"),
    *(
        "forget_acc_before",
        "forget_acc_after",
        "retain_acc_before",
        "retain_acc_after",
        "unlearned",
        "flags",
        "train_seed",
        "unlearn_seed",
    ),
    *("attack_seed", "classes", "data_variant", "config_hash", "original", "code_version"),
]
"""Columns of the records: one row a cell (`config_hash`: the identity of M_u), control, attack, criterion, protocol."""
EVIDENCE_COLUMNS = ["config_hash", "control", "attack", "protocols", "kind", "shape", "values"]
"""Columns of the evidence by cell."""
KEY = ["config_hash", "control", "attack", "criterion", "protocol"]
CLOSE = 0.05
"""Difference of rates, in 0 .. 1, that counts as none."""
_COPIED = [
    *("dataset", "architecture", "seed", "trial", "forgotten", "unlearning", "train_seed", "unlearn_seed", "classes"),
    *(
        "data_variant",
        "original",
        "code_version",
        "forget_acc_before",
        "forget_acc_after",
        "retain_acc_before",
        "retain_acc_after",
    ),
]


class Decision(NamedTuple):
    """What a criterion says of a piece of evidence, before it meets the truth."""

    named: frozenset[int]
    degree: Floats
    heads: HeadLabels | None


class Pair(NamedTuple):
    """What an attack found on M_u, and, as placebo, on the M_o that it was unlearned from: facts and evidence."""

    target: tuple[dict[str, Any], Evidence]
    placebo: tuple[dict[str, Any], Evidence]


def criteria_for(attack: str, evidence: Evidence) -> list[Criterion]:
    """Return the criteria, with their defaults, that an attack lists or that are for every attack.

    The latter judge by class, and so not what an attacker finds who was told the answer (protocol `paper`).
    """
    listed = ATTACKS.attribute(attack, "criteria", ())
    told = evidence.protocol == "paper"
    others = [] if told else [CRITERIA[name] for name in CRITERIA if CRITERIA[name].everywhere and name not in listed]
    readable = [rule for rule in map(_by_default, others) if rule.can_read(evidence)]
    return [_by_default(CRITERIA[name]) for name in listed] + readable


@cache
def _by_default(rule: type[Criterion]) -> Criterion:
    return rule()


def decide(criterion: Criterion, evidence: Evidence) -> Decision:
    """Apply a criterion."""
    heads = criterion.label_heads(evidence) if isinstance(criterion, HeadCriterion) else None
    return Decision(criterion.decide(evidence), criterion.score(evidence), heads)


def metrics_of(decision: Decision, evidence: Evidence, protocol: str, forgotten: frozenset[int]) -> Scores:
    """Score a decision against the truth.

    Under the `paper` protocol parameter attacks are scored head by head, as published; everything else class by class.
    """
    exact = decision.named == forgotten
    if decision.heads is not None and protocol == "paper" and evidence.heads is not None:
        judged = decision.heads.judged
        truth = evidence.heads.label[judged] == 1
        return scores(truth, decision.heads.called[judged], decision.heads.degree[judged], exact)
    truth, called = _mask(forgotten, evidence.classes), _mask(decision.named, evidence.classes)
    return scores(truth, called, decision.degree, exact)


def _mask(named: frozenset[int], classes: int) -> Bools:
    mask = np.zeros(classes, dtype=bool)
    mask[list(named)] = True
    return mask


def pairs(models: pd.DataFrame, evidence: pd.DataFrame) -> Iterator[tuple[dict[str, Any], list[Pair]]]:
    """Yield every unlearned model's facts, with what each attack found on it and on its M_o.

    An M_u counts if its M_o is the model that is stored, and an attack if both were attacked alike.
    """
    by_model: dict[str, dict[tuple[Any, ...], tuple[dict[str, Any], Evidence]]] = {}
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in records_of(evidence[[*FACTS, "kind", "shape", "values"]]):
        groups.setdefault(row["evidence"], []).append(row)
    for rows in groups.values():
        key = tuple(rows[0][name] for name in ("attack", "parameters", "protocol", "staged", "attack_seed"))
        by_model.setdefault(rows[0]["model"], {})[key] = (rows[0], evidence_from(rows))
    weights = dict(zip(models.model, models.weights, strict=True))
    for cell in records_of(models[models.unlearning != ""]):
        own, before = by_model.get(cell["model"], {}), by_model.get(cell["original"], {})
        if weights.get(cell["original"]) == cell["original_weights"]:
            yield cell, [Pair(found, before[key]) for key, found in own.items() if key in before]


def records_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame as dictionaries whose keys are known to be text."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def judge(models: pd.DataFrame, evidence: pd.DataFrame, criteria: Sequence[Criterion] | None = None) -> pd.DataFrame:
    """Return the records of a store's models and evidence: what every criterion decides, with its metrics and flags.

    With `criteria`, these are applied to every attack whose evidence they can read, in place of the registered ones.
    The frame has `COLUMNS`; ``control`` is ``none`` for M_u and ``placebo`` for M_o under the same attack.
    """
    decisions: dict[tuple[str, Criterion], Decision] = {}
    # an M_o is the placebo of several methods, under the same truth
    outcomes: dict[tuple[str, Criterion, str], dict[str, Any]] = {}
    lines: list[dict[str, Any]] = []
    for cell, found in pairs(models, evidence):
        forgotten = frozenset(int(c) for c in cell["forgotten"].split(","))
        common = {name: cell[name] for name in _COPIED}
        common |= {"k": len(forgotten), "config_hash": cell["model"], "unlearned": is_unlearned(cell)}
        targets, placebos = list[dict[str, Any]](), list[dict[str, Any]]()
        for pair in found:
            chosen = criteria_for(pair.target[0]["attack"], pair.target[1]) if criteria is None else criteria
            for criterion in (c for c in chosen if c.can_read(pair.target[1])):
                for rows, (facts, held) in zip((targets, placebos), pair, strict=True):
                    rule = (facts["evidence"], criterion)
                    if rule not in decisions:
                        decisions[rule] = decide(criterion, held)
                    if (*rule, cell["forgotten"]) not in outcomes:
                        outcome = _outcome(criterion.name, decisions[rule], held, facts["protocol"], forgotten)
                        outcomes[*rule, cell["forgotten"]] = outcome
                    rows += _rows(facts, held, outcomes[*rule, cell["forgotten"]])
        _add_flags(targets, placebos, cell)
        before = {f"{side}_acc_after": cell[f"{side}_acc_before"] for side in ("forget", "retain")}
        lines += [{**common, "control": "none", **row} for row in targets]
        lines += [{**common, **before, "control": "placebo", **row} for row in placebos]
    frame = pd.DataFrame(lines, columns=COLUMNS)
    return frame.assign(flags=frame["flags"].map("; ".join))


def _outcome(
    criterion: str, decision: Decision, evidence: Evidence, protocol: str, forgotten: frozenset[int]
) -> dict[str, Any]:
    named = {"criterion": criterion, "predicted": ",".join(map(str, sorted(decision.named)))}
    return named | metrics_of(decision, evidence, protocol, forgotten)._asdict()


def _rows(facts: dict[str, Any], evidence: Evidence, outcome: dict[str, Any]) -> list[dict[str, Any]]:
    shared = {name: facts[name] for name in ("attack", "profile", "queries", "gradients", "seconds", "attack_seed")}
    protocols = (facts["protocol"],) if facts["protocol"] else PROTOCOLS
    return [{**shared, **outcome, "protocol": protocol, "flags": list(evidence.flags)} for protocol in protocols]


def _add_flags(rows: list[dict[str, Any]], placebo: list[dict[str, Any]], cell: dict[str, Any]) -> None:
    """Append what a reader should know to each row's flags, in place; `placebo` rows stand in the same order."""
    gate, kept = is_unlearned(cell), is_kept(cell)
    black = {
        r["protocol"]: r["balanced_accuracy"]
        for r in rows
        if (r["attack"], r["criterion"]) == ("blackbox_inversion", "threshold")
    }
    noise = {r["protocol"]: r["balanced_accuracy"] for r in rows if r["attack"] == "random_inputs"}
    for row, control in zip(rows, placebo, strict=True):
        flags = row["flags"]
        if not gate:
            flags.append("not forgotten" if kept else "retained classes lost")
        if control["predicted"]:
            flags.append("accuses M_o")
        if judged_by_head(row["criterion"], row["protocol"]):
            gained = row["balanced_accuracy"] - control["balanced_accuracy"]
            flags += ["no better than on M_o"] * (gained <= CLOSE)
        elif row["predicted"] and row["predicted"] == control["predicted"]:
            flags.append("same set on M_o")
        if row["attack"] == "whitebox_inversion" and row["criterion"] == "threshold":
            flags += ["black box beats white box"] * (row["balanced_accuracy"] < black.get(row["protocol"], 0) - CLOSE)
        if row["attack"].endswith("_inversion"):
            flags += ["loses to random inputs"] * (row["balanced_accuracy"] < noise.get(row["protocol"], 0) - CLOSE)


def evidence_by_cell(models: pd.DataFrame, evidence: pd.DataFrame) -> pd.DataFrame:
    """Return the evidence of every cell, that of M_o among it as placebo, one row an array: `EVIDENCE_COLUMNS`.

    ``protocols`` is "paper,attacker" where the evidence is the same under both. See `schema.unpack`.
    """
    cells = models[models.unlearning != ""][["model", "original", "forgotten"]]
    named = evidence.assign(protocols=evidence.protocol.replace("", ",".join(PROTOCOLS)))
    sides = {"none": cells.assign(attacked=cells.model), "placebo": cells.assign(attacked=cells.original)}
    parts = []
    for control, side in sides.items():
        met = side.rename(columns={"model": "config_hash"}).merge(named, left_on="attacked", right_on="model")
        met = met[(met.staged == "") | (met.staged == met.forgotten)]
        parts.append(met.assign(control=control)[EVIDENCE_COLUMNS])
    return pd.concat(parts, ignore_index=True)


def with_cells(evidence: pd.DataFrame, records: pd.DataFrame) -> Iterator[tuple[dict[str, Any], Floats, pd.Series]]:
    """Yield (row of `evidence_by_cell`, its array, first record of its cell) where `records` hold the cell."""
    cells = records.drop_duplicates("config_hash").set_index("config_hash")
    for row in records_of(evidence[evidence.config_hash.isin(cells.index)]):
        yield row, unpack(row), cells.loc[row["config_hash"]]
