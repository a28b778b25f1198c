"""Running one cell: unlearn, attack M_u and (as placebo) M_o; facts about both, and what was found on them."""

import functools
import platform
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch

from labelleak_lib import __version__
from labelleak_lib.adapters.foreign import adapted
from labelleak_lib.adapters.undisturbed import undisturbed
from labelleak_lib.attacks import Attack
from labelleak_lib.data.samples import split_classes
from labelleak_lib.models.classifier import Classifier, predict_proba
from labelleak_lib.models.evaluation import accuracy
from labelleak_lib.names import PROTOCOLS
from labelleak_lib.trials.grants import gather
from labelleak_lib.trials.identity import describe, numerics_digest, to_json
from labelleak_lib.trials.judging import judge
from labelleak_lib.trials.originals import original_and_unlearned, weights_digest
from labelleak_lib.trials.schema import EVIDENCE, MODELS, arrays_of, pack
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.store import Stored
from labelleak_lib.unlearning import PlainMethod, UnlearningMethod


@dataclass(frozen=True, eq=False)
class Cell:
    """Models and what was found on them, as `Store.write` takes them."""

    models: list[dict[str, Any]]
    evidence: list[dict[str, Any]]

    @property
    def stored(self) -> Stored:
        """Models and evidence as a store returns them."""
        rows = [
            {name: value for name, value in line.items() if name != "found"} | {"kind": kind, **pack(array)}
            for line in self.evidence for kind, array in arrays_of(line["found"]).items()
        ]  # fmt: skip
        return Stored(pd.DataFrame(self.models, columns=list(MODELS)), pd.DataFrame(rows, columns=list(EVIDENCE)))

    @property
    def rows(self) -> pd.DataFrame:
        """The records: every registered criterion's decision, with `judging.COLUMNS`."""
        return judge(*self.stored)


@undisturbed()
def run_cell(
    spec: TrialSpec,
    unlearning: str,
    *,
    method: UnlearningMethod | PlainMethod | str | None = None,
    attacks: dict[str, Attack] | None = None,
) -> Cell:
    """Run one trial under one unlearning method, with its placebo.

    Parameters
    ----------
    unlearning : str
        The method's code.
    method : object or str, optional
        In place of the registered one: a method, a function, or its name "module:function". One of other signature is
        called by the names of its parameters (:func:`~labelleak_lib.adapters.foreign.adapted`).
    attacks : dict, optional
        Attacks by name, in place of the trial's settings.

    Raises
    ------
    ValueError
        If the method cannot be called, or what it returns is no model of this data set; before any attack.
    """
    used = spec.method(unlearning) if method is None else adapted(method)
    chosen = spec.settings.attacks if attacks is None else attacks
    original, unlearned = original_and_unlearned(spec, unlearning, used)
    facts = original_facts(spec, used, original), unlearned_facts(spec, unlearning, used, original, unlearned)
    evidence = [
        line for model, line_facts in zip((original, unlearned), facts, strict=True)
        for line in evidence_on(spec, model, line_facts["model"], chosen)
    ]  # fmt: skip
    return Cell(list(facts), evidence)


def measure_accuracies(spec: TrialSpec, original: Classifier, unlearned: Classifier) -> dict[str, float]:
    """Return accuracy on the test data of forgotten and retained classes, before and after."""
    retain, forget = split_classes(spec.part("test"), spec.forgotten)
    sides = {"forget": forget, "retain": retain}
    models = {"before": original, "after": unlearned}
    return {f"{side}_acc_{when}": accuracy(models[when], sides[side]) for side in sides for when in models}


def original_facts(spec: TrialSpec, method: UnlearningMethod | PlainMethod, original: Classifier) -> dict[str, Any]:
    """Return what is stored of M_o (`schema.MODELS`); its forgotten classes are none."""
    sides = dict.fromkeys(("forget_acc_before", "forget_acc_after", "retain_acc_before", "retain_acc_after"))
    own = {"model": spec.original_id(method), "original": "", "unlearning": "", "method": "", "forgotten": ""}
    return {**facts_of(spec, original, method), **own, **sides, "unlearn_seed": -1, "original_weights": ""}


def unlearned_facts(
    spec: TrialSpec,
    unlearning: str,
    method: UnlearningMethod | PlainMethod,
    original: Classifier,
    unlearned: Classifier,
) -> dict[str, Any]:
    """Return what is stored of M_u (`schema.MODELS`)."""
    return {
        **facts_of(spec, unlearned, method), "model": spec.unlearned_id(unlearning, method),
        "original": spec.original_id(method), "unlearning": unlearning, "method": as_json(method),
        "forgotten": ",".join(map(str, spec.forgotten)), "unlearn_seed": spec.unlearn_seed,
        **measure_accuracies(spec, original, unlearned), "original_weights": weights_digest(original),
    }  # fmt: skip


def facts_of(
    spec: TrialSpec, model: Classifier, method: UnlearningMethod | PlainMethod | None = None
) -> dict[str, Any]:
    """Return what is stored of any model of a trial, whether something was forgotten or not."""
    test = spec.part("test")
    right = predict_proba(model, test.images).argmax(1).cpu() == test.labels
    by_class = [float(right[test.labels == c].double().mean()) for c in range(spec.data.classes)]
    return {
        "dataset": spec.data.name, "data_variant": spec.data.variant, "classes": spec.data.classes,
        "architecture": spec.model_spec.architecture, "recipe": as_json(spec.original_recipe(method)),
        "seed": spec.seed, "trial": spec.trial, "split_seed": spec.split_seed, "train_seed": spec.train_seed,
        "accuracy": by_class, "weights": weights_digest(model), "processor": processor(next(model.parameters()).device),
        "numerics": numerics_digest(), "code_version": __version__,
    }  # fmt: skip


def evidence_on(
    spec: TrialSpec, model: Classifier, identity: str, attacks: dict[str, Attack], known: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Attack the model of this identity and return what each attack found, as `Store.write` takes it.

    Evidence whose identity is `known` is not found again.
    """
    lines, weights = [], weights_digest(model)
    for name, attack in attacks.items():
        for protocol in PROTOCOLS if attack.per_protocol else ("",):
            digest = spec.evidence_id(identity, attack, name, protocol)
            if digest in known:
                continue
            found, seconds = gather(spec, model, name, attack, protocol)
            lines.append({
                "evidence": digest, "model": identity, "weights": weights, "attack": name,
                "parameters": as_json(attack), "profile": spec.profile, "protocol": protocol,
                "staged": ",".join(map(str, spec.forgotten)) if protocol else "", "attack_seed": spec.attack_seed,
                "queries": found.queries, "gradients": found.gradients, "seconds": round(seconds, 3),
                "flags": "; ".join(found.flags), "processor": processor(next(model.parameters()).device),
                "numerics": numerics_digest(), "found": found,
            })  # fmt: skip
    return lines


def as_json(thing: Any) -> str:
    """Return hyperparameters and code digest as JSON."""
    return to_json(describe(thing))


@functools.cache
def processor(device: torch.device) -> str:
    """Return the kind of processor, on which the last digits of a sum depend."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    wide = " AMX" if torch.cpu._is_amx_tile_supported() else ""
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}{wide}"
