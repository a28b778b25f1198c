"""Running one cell: unlearn, attack M_u and (as placebo) M_o, decide, score, flag."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib import __version__
from labelleak_lib.criteria import HeadCriterion, criterion_for
from labelleak_lib.data.samples import Samples, split_classes
from labelleak_lib.evidence import Evidence
from labelleak_lib.metrics import Scores, scores
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.evaluation import accuracy
from labelleak_lib.registry import CRITERIA, METHODS
from labelleak_lib.trials.gate import is_kept, is_unlearned
from labelleak_lib.trials.grants import gather
from labelleak_lib.trials.identity import content_hash, describe
from labelleak_lib.trials.originals import original_and_unlearned
from labelleak_lib.trials.records import COLUMNS, Cell
from labelleak_lib.trials.specification import TrialSpec

CLOSE = 0.05
PUBLISHED_KS = (1, 3)
HEAD_TRIALS = 3

Gathered = list[tuple[str, str, Evidence, float]]


def method_of(spec: TrialSpec, unlearning: str) -> Any:
    """Return the method with code `unlearning`, with the trial's hyperparameters (else with its defaults)."""
    return spec.settings.methods.get(unlearning) or METHODS[unlearning]()


def config_hash(
    spec: TrialSpec, unlearning: str, attacks: dict[str, Any] | None = None, method: Any | None = None
) -> str:
    """Return the digest of everything that decides a cell's numbers."""
    chosen = spec.settings.attacks if attacks is None else attacks
    used = method_of(spec, unlearning) if method is None else method
    return content_hash(
        {
            **spec.identity(),
            "unlearning": [unlearning, describe(used)],
            "attacks": {name: describe(attack) for name, attack in sorted(chosen.items())},
            "criteria": {n: describe(CRITERIA[n]()) for a in chosen.values() for n in a.criteria},
        }
    )


def measure_accuracies(spec: TrialSpec, original: Classifier, unlearned: Classifier) -> dict[str, float]:
    """Return accuracy on the test data of forgotten and retained classes, before and after."""
    retain, forget = split_classes(spec.part("test"), spec.forgotten)
    sides: dict[str, Samples] = {"forget": forget, "retain": retain}
    models = {"before": original, "after": unlearned}
    return {f"{side}_acc_{when}": accuracy(models[when], sides[side]) for side in sides for when in models}


def judge(
    evidence: Evidence, criterion: str, protocol: str, offered: tuple[str, ...], forgotten: frozenset[int]
) -> tuple[Scores, frozenset[int]]:
    """Return metrics and decision of one criterion on one piece of evidence.

    Under the `paper` protocol parameter attacks are scored head by head, as published; everything else class by class.
    """
    rule = criterion_for(offered, criterion)
    decided = rule.decide(evidence)
    if isinstance(rule, HeadCriterion) and protocol == "paper" and evidence.heads is not None:
        labels = rule.label_heads(evidence)
        truth = evidence.heads.label[labels.judged] == 1
        found = scores(truth, labels.called[labels.judged], labels.degree[labels.judged], decided == forgotten)
        return found, decided
    truth = np.isin(np.arange(evidence.classes), list(forgotten))
    called = np.isin(np.arange(evidence.classes), list(decided))
    return scores(truth, called, rule.score(evidence), decided == forgotten), decided


def attack_rows(spec: TrialSpec, gathered: Gathered, attacks: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one dict of attack columns per attack, criterion and protocol."""
    rows = []
    for name, protocols, evidence, seconds in gathered:
        for criterion in attacks[name].criteria:
            for protocol in protocols.split(","):
                found, decided = judge(evidence, criterion, protocol, attacks[name].criteria, frozenset(spec.forgotten))
                rows.append(
                    {
                        "attack": name, "criterion": criterion, "protocol": protocol, **found._asdict(),
                        "predicted": ",".join(map(str, sorted(decided))), "queries": evidence.queries,
                        "seconds": round(seconds, 3), "flags": list(evidence.flags),
                    }
                )  # fmt: skip
    return rows


def evidence_arrays(spec: TrialSpec, gathered: Gathered, control: str) -> dict[str, np.ndarray]:
    """Return the evidence worth keeping, by "control/attack/protocols/kind", as small as its use allows.

    Scores, IPVs and answers to random inputs are kept of every trial; single heads of the first trials and images of
    the first one, for the published numbers of forgotten classes only.
    """
    published_k = len(spec.forgotten) in PUBLISHED_KS
    keep_heads, keep_images = published_k and spec.trial < HEAD_TRIALS, published_k and spec.trial == 0
    arrays: dict[str, np.ndarray] = {}
    for name, protocols, evidence, _ in gathered:
        prefix = f"{control}/{name}/{protocols}"
        arrays[f"{prefix}/score"] = evidence.score
        if evidence.heads is not None and keep_heads:
            arrays |= {f"{prefix}/source": evidence.heads.source, f"{prefix}/label": evidence.heads.label}
            single = evidence.heads.vectors.shape[1] == 1
            arrays[f"{prefix}/{'dot' if single else 'absolute_sum'}"] = (
                evidence.heads.vectors[:, 0] if single else evidence.heads.absolute_sum
            )
        if evidence.ipv is not None:
            # as logarithms, which tell 1 - 1e-9 from 1 in single precision; `records.unpack` undoes it
            arrays[f"{prefix}/ipv"] = np.log(np.maximum(evidence.ipv, 1e-300))
        if evidence.probe is not None:
            arrays[f"{prefix}/probe"] = evidence.probe
        if evidence.history is not None and keep_images:
            steps = np.unique(np.linspace(0, len(evidence.history) - 1, 26).astype(int))
            arrays |= {f"{prefix}/history": evidence.history[steps], f"{prefix}/history_step": steps}
        if evidence.inverted is not None and keep_images:
            arrays[f"{prefix}/inverted"] = evidence.inverted.numpy().round(2)
    return {name: array if name.endswith("/ipv") else _rounded(array) for name, array in arrays.items()}


def _rounded(array: np.ndarray) -> np.ndarray:
    """Keep 11 bits of each float32's mantissa (relative error below 1 in 4,000): more would fill the repository."""
    bits = np.asarray(array, dtype=np.float32).view(np.uint32)
    return ((bits + np.uint32(0x800)) & np.uint32(0xFFFFF000)).view(np.float32)


def add_flags(rows: list[dict[str, Any]], placebo: list[dict[str, Any]], gate: bool, kept: bool) -> None:
    """Append what a reader should know to each row's flags, in place; `placebo` rows stand in the same order."""
    black = {
        r["protocol"]: r["balanced_accuracy"]
        for r in rows
        if (r["attack"], r["criterion"]) == ("blackbox_inversion", "threshold")
    }
    noise = {r["protocol"]: r["balanced_accuracy"] for r in rows if r["attack"] == "random_inputs"}
    for row, control in zip(rows, placebo, strict=True):
        flags = row["flags"]
        if not gate:
            flags.append("not forgotten" if kept else "destroyed")
        if row["asr"] - control["asr"] <= CLOSE:
            flags.append("placebo succeeds")
        if row["attack"] == "whitebox_inversion" and row["criterion"] == "threshold":
            flags += ["black box beats white box"] * (row["balanced_accuracy"] < black.get(row["protocol"], 0) - CLOSE)
        if row["attack"].endswith("_inversion"):
            flags += ["loses to random inputs"] * (row["balanced_accuracy"] < noise.get(row["protocol"], 0) - CLOSE)


def run_cell(
    spec: TrialSpec,
    unlearning: str,
    *,
    method: Any | None = None,
    attacks: dict[str, Any] | None = None,
    on_original: Callable[[Classifier], Gathered] | None = None,
) -> Cell:
    """Run one trial under one unlearning method, with its placebo.

    Parameters
    ----------
    unlearning : str
        The method's code.
    method : object, optional
        A method or plain function in place of the registered one.
    attacks : dict, optional
        Attacks by name, in place of the trial's settings.
    on_original : callable, optional
        Gathers the placebo's evidence; give one that remembers it where several methods share M_o.
    """
    chosen = spec.settings.attacks if attacks is None else attacks
    original, unlearned = original_and_unlearned(spec, unlearning, method)
    accuracies = measure_accuracies(spec, original, unlearned)
    before = {name.replace("before", "after"): value for name, value in accuracies.items() if "before" in name}
    gate = is_unlearned(spec.data.name, unlearning, len(spec.forgotten), accuracies)
    gathered = list(gather(spec, unlearned, chosen))
    gathered_o = list(gather(spec, original, chosen)) if on_original is None else on_original(original)
    rows, placebo = attack_rows(spec, gathered, chosen), attack_rows(spec, gathered_o, chosen)
    add_flags(rows, placebo, gate, is_kept(unlearning, accuracies))
    digest = config_hash(spec, unlearning, attacks, method)
    common = {
        "dataset": spec.data.name, "architecture": spec.model_spec.architecture, "profile": spec.profile, "seed":
        spec.seed, "trial": spec.trial, "forgotten": ",".join(map(str, spec.forgotten)), "k": len(spec.forgotten),
        "unlearning": unlearning, "unlearned": gate, "train_seed": spec.train_seed, "unlearn_seed": spec.unlearn_seed,
        "attack_seed": spec.attack_seed, "classes": spec.data.classes, "data_variant": spec.data.variant,
        "config_hash": digest, "code_version": __version__,
    }  # fmt: skip
    table = [{**common, **accuracies, "control": "none", **row} for row in rows]
    table += [{**common, **accuracies, **before, "control": "placebo", **row} for row in placebo]
    frame = pd.DataFrame(table).assign(flags=lambda t: t["flags"].map("; ".join))[COLUMNS]
    arrays = evidence_arrays(spec, gathered, "none") | evidence_arrays(spec, gathered_o, "placebo")
    return Cell(digest, frame, arrays)
