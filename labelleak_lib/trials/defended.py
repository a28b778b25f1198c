"""Every defence under every reading of what it publishes: evidence on the defended M_u and on the defended M_o.

Run as `python -m labelleak_lib.trials.defended digits --trials 5`; it runs what is missing.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.checks import require, require_choice, require_int
from labelleak_lib.command import one_sentence
from labelleak_lib.criteria.reach import Reach, reached
from labelleak_lib.data.samples import Samples, split_classes
from labelleak_lib.evidence import Evidence
from labelleak_lib.files import COMMITTED, as_path
from labelleak_lib.registry import ADAPTIVE, ATTACKS, DEFENCES
from labelleak_lib.trials import lines
from labelleak_lib.trials.cells import as_json
from labelleak_lib.trials.identity import content_hash
from labelleak_lib.trials.offers import NONE, Offer, granted, offer
from labelleak_lib.trials.seeds import make_generator
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.threads import one_thread

DEFENDED = COMMITTED / "defences"
METHODS = ("RT", "NG")
READINGS = {
    **dict.fromkeys(("passive_answers", "passive_reach", "query_reach", "joint_reach", "gradient_reach"), "reach"),
    **dict.fromkeys(("random_inputs", "head_bias", "head_row_sum", "dot_product"), "largest_gap"),
    "unlabelled_samples": "reach",
    "missing_by_samples": "above_half",
}
"""Attacks that every defence meets, where what it publishes grants them, and the rule that reads each."""
SLOW = {"whitebox_inversion": "reach"}
"""Met on the small network alone."""
DIGITS = 4
"""Significant ones that are stored of scores and reach."""


def readings(spec: TrialSpec, name: str) -> dict[str, tuple[Any, str]]:
    """Return what the defence called `name` meets: attack and rule, by the attack's name."""
    own, settings = DEFENCES[name]() if name != NONE else None, spec.settings
    rules = READINGS | (SLOW if spec.model_spec.architecture == "small" else {})
    adaptive = {attack: rules.get(attack) for attack in getattr(own, "adaptive", ())}
    found = {}
    for attack, rule in (rules | adaptive).items():
        if attack in ADAPTIVE:
            kind = ADAPTIVE[attack]
            made = kind.against(own) if hasattr(kind, "against") else kind()
            found[attack] = (made, made.criterion)
        else:
            found[attack] = (settings.attacks.get(attack) or ATTACKS[attack](), rule or "reach")
    return found


def codes(name: str, methods: Iterable[str] = METHODS) -> list[str]:
    """Return the methods behind which the defence called `name` is tried, M_o (empty) first.

    One that retrains is tried once; one that unlearns by itself in its source is also handed M_o as it is.
    """
    listed = ["", *methods]
    if name != NONE and DEFENCES.attribute(name, "retrains", False):
        return listed[:2]
    return [*listed, NONE] if name != NONE and DEFENCES.attribute(name, "unlearns", False) else listed


def identity(spec: TrialSpec, code: str, name: str) -> str:
    """Return what identifies the lines of one published model: the model, the defence, and what it meets."""
    model = [spec.original_id(), list(spec.forgotten), code]
    if code not in ("", NONE):
        model.append(spec.unlearned_id(code, spec.method(code)))
    defence = as_json(DEFENCES[name]()) if name != NONE else ""
    attacks = {attack: as_json(made) for attack, (made, _) in readings(spec, name).items()}
    return content_hash([model, defence, attacks, spec.unlearn_seed, spec.attack_seed])


def measure(spec: TrialSpec, code: str, name: str) -> list[dict[str, Any]]:
    """Return one line a reading of what a trial's model publishes under a defence; `code` is empty for M_o.

    Facts about the model stand in each: accuracies on test samples, 0 .. 1, of M_o (``retain_acc_before``,
    ``forget_acc_before``), of the model before the defence (``retain_acc_plain``) and behind it (``retain_acc_after``,
    ``forget_acc_after``); the Brier score on retained samples (``brier_plain``, ``brier_after``), which asks for more
    than the label; ``seconds`` of processor time; ``epsilon`` that a private training spends, NaN otherwise. ``names``
    are the classes that the numbers in ``score`` and ``reach`` belong to; ``score`` is missing where it is minus reach.
    """
    with one_thread():
        made, defence = offer(spec, code, name), DEFENCES[name]() if name != NONE else None
        epsilon = getattr(defence, "epsilon", None)
        facts = {
            "dataset": spec.data.name, "seed": spec.seed, "trial": spec.trial, "profile": spec.profile,
            "unlearning": code, "forgotten": ",".join(map(str, spec.forgotten)), "defence": name,
            "parameters": as_json(defence) if defence else "", "line": identity(spec, code, name),
            **_quality(spec, made), "seconds": round(made.seconds, 3),
            "epsilon": epsilon(made.trained_on) if epsilon else float("nan"),
        }  # fmt: skip
        adaptive = getattr(defence, "adaptive", ())
        return [
            {**facts, **line, "adaptive": line["attack"] in adaptive} for line in _evidence(spec, made, name)
        ]  # fmt: skip


def _evidence(spec: TrialSpec, made: Offer, name: str) -> Iterator[dict[str, Any]]:
    for attack, (method, rule) in readings(spec, name).items():
        access = granted(spec, made, method.access_kind)
        if access is None:
            continue
        protocol = "attacker" if getattr(method, "per_protocol", False) else "paper,attacker"
        found = method.evidence(access, generator=make_generator(spec.attack_seed, "attack", attack, protocol))
        names = made.names if found.classes == len(made.names) else range(spec.data.classes)
        reach = reached(found) if Reach().can_read(found) else None
        same = reach is not None and np.array_equal(found.score, -reach)
        yield {
            "attack": attack, "access": method.access_kind, "criterion": rule, "names": list(names),
            "score": None if same else _short(found.score), "reach": None if reach is None else _short(reach),
            "queries": found.queries,
        }  # fmt: skip


def _short(values: Any) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in np.asarray(values, dtype=np.float64)]


def _quality(spec: TrialSpec, made: Offer) -> dict[str, float]:
    retain, forget = split_classes(spec.part("test"), spec.forgotten)
    every = tuple(range(spec.data.classes))
    before = offer(spec, "", NONE)
    plain = Offer(made.plain, every, made.plain)
    return {
        "retain_acc_before": accuracy(before, retain), "forget_acc_before": accuracy(before, forget),
        "retain_acc_plain": accuracy(plain, retain), "retain_acc_after": accuracy(made, retain),
        "forget_acc_after": accuracy(made, forget), "brier_plain": brier(plain, retain),
        "brier_after": brier(made, retain),
    }  # fmt: skip


def accuracy(made: Offer, samples: Samples) -> float:
    """Return the share of `samples` that are answered with the output called by their class, 0 .. 1."""
    answered = made.answers(samples.images).argmax(1).numpy()
    return float((np.asarray(made.names)[answered] == samples.labels.numpy()).mean())


def brier(made: Offer, samples: Samples) -> float:
    """Return the mean squared distance between answers and labels, 0 .. 2 (Brier, 1950)."""
    answers = made.answers(samples.images).double().numpy()
    right = np.asarray(made.names)[None] == samples.labels.numpy()[:, None]
    return float(((answers - right) ** 2).sum(1).mean())


def evidence_of(line: Any) -> Evidence:
    """Return the evidence that a line holds."""
    reach = None if line.reach is None else np.asarray(line.reach, dtype=np.float64)
    score = np.asarray(line.score, dtype=np.float64) if reach is None or line.score is not None else -reach
    return Evidence(line.attack, len(score), score, reach=reach, queries=int(line.queries))


def collect(
    specs: Iterable[TrialSpec], names: Sequence[str], methods: Sequence[str] = METHODS, *, records: str = "reuse"
) -> pd.DataFrame:
    """Return the lines of trials under the defences called `names`, read where they are stored, else measured.

    With `records` "recompute" all are measured. Nothing is stored.
    """
    require_choice("records", records, ("reuse", "recompute"))
    for parameter, listed in (("names", names), ("methods", methods)):
        require(not isinstance(listed, str), parameter, listed, "a list, also of one")
    held, parts = stored(), []
    for spec, name in product(specs, names):
        for code in codes(name, methods):
            known = held[held.line == identity(spec, code, name)]
            reused = records == "reuse" and len(known)
            parts.append(known if reused else pd.DataFrame(measure(spec, code, name)))
    return pd.concat(parts, ignore_index=True)


def stored(root: Path = DEFENDED) -> pd.DataFrame:
    """Return the lines of `measure` of every data set; no rows where none is stored."""
    return lines.read(root, ["dataset", "line"])


def write(measured: pd.DataFrame, path: Path) -> None:
    """Store the lines of one data set, in an order of their own."""
    lines.write(measured.sort_values(["defence", "unlearning", "seed", "trial"], kind="stable"), path)


@one_sentence
def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing, one forgotten class a trial, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m labelleak_lib.trials.defended", description=__doc__)
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--defences", nargs="+", default=[NONE, *DEFENCES])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--profile", default="paper")
    parser.add_argument("--data-dir")
    parser.add_argument("--store", type=as_path, default=DEFENDED)
    asked = parser.parse_args(arguments)
    require_int("trials", asked.trials, low=1)
    absent = [
        DEFENCES[name]().missing() for name in asked.defences if name != NONE and hasattr(DEFENCES[name], "missing")
    ]
    print("\n".join(filter(None, absent)), end="\n" * any(absent))
    usable = [name for name in asked.defences if name == NONE or not getattr(DEFENCES[name](), "missing", str)()]
    for dataset, trial, name in product(asked.datasets, range(asked.trials), usable):
        spec = TrialSpec.from_parameters(
            dataset=dataset, trial=trial, seed=asked.seed, profile=asked.profile, data_dir=asked.data_dir
        )
        path = asked.store / f"{spec.data.name}.parquet"
        for code in codes(name, asked.methods):
            key = {"seed": spec.seed, "trial": trial, "defence": name, "unlearning": code}
            held = pd.read_parquet(path) if path.exists() else pd.DataFrame(columns=["line", *key])
            if identity(spec, code, name) in set(held.line):
                continue
            # lines of the same place under an earlier code give way
            kept = held[~(held[list(key)] == pd.Series(key)).all(axis=1)]
            fresh = pd.DataFrame(measure(spec, code, name))
            write(pd.concat([kept, fresh], ignore_index=True) if len(kept) else fresh, path)
            print(f"{dataset}, trial {trial}, {name} after {code or 'nothing'}: measured", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
