"""The rule against reference models: every target beside original models of other trials, and models that forgot none.

A reference has the target's data set and recipe and another training seed. Attacks whose attacker holds samples of
classes that it knows are left out: it knows other classes in every trial, so that their scores are not exchangeable.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from labelleak_lib.attacks.reach import relative_reach
from labelleak_lib.criteria.calibrated import LEVEL, against_references
from labelleak_lib.evidence import Floats
from labelleak_lib.nulls.calibration import RARE, kinds
from labelleak_lib.trials.gate import is_unlearned
from labelleak_lib.trials.judging import records_of
from labelleak_lib.trials.schema import unpack
from labelleak_lib.trials.store import Stored

FEWEST = 3
"""References below which nothing is said."""
ATTACKS = (
    *("passive_answers", "passive_reach", "query_reach", "joint_reach", "gradient_reach"),
    *("head_row_sum", "blackbox_inversion"),
)
COLUMNS = ["dataset", "trial", "train_seed", "k", "unlearning", "model", "attack", "references", "level", "p_value"]
COLUMNS += ["named", "detected", "exact"]
ALIKE = ["dataset", "attack", "parameters", "recipe"]
"""What a model and its references have in common."""


def scores(stored: Stored, models: pd.Series, attacks: tuple[str, ...] = ATTACKS) -> pd.DataFrame:
    """Return what is compared of each of some `models` and attack, one row each: ``model attack parameters score``.

    ``score`` is float (C,), the higher the more forgotten: minus relative reach where the evidence tells reach.
    """
    held = stored.evidence[stored.evidence.model.isin(models)]
    held = held[held.attack.isin(attacks) & (held.protocol == "") & held.kind.isin(("score", "reach"))]
    read: dict[tuple[str, str, str], dict[str, Floats]] = {}
    for row in records_of(held[["model", "attack", "parameters", "kind", "shape", "values"]]):
        read.setdefault((row["model"], row["attack"], row["parameters"]), {})[row["kind"]] = unpack(row)
    rows = [(*key, _comparable(arrays)) for key, arrays in read.items()]
    return pd.DataFrame(rows, columns=["model", "attack", "parameters", "score"])


def _comparable(arrays: Mapping[str, Floats]) -> Floats:
    if "reach" not in arrays:
        return arrays["score"]
    # where no class is reached none lies farther out than the others
    return -np.nan_to_num(relative_reach(arrays["reach"]), nan=1.0)


def level_of(references: int) -> float:
    """Return the level at which n references are used: 5%, or the least that so few allow, 1 / (n + 1).

    >>> level_of(19), level_of(4)
    (0.05, 0.2)
    """
    return max(LEVEL, 1 / (references + 1))


def originals(stored: Stored, attacks: tuple[str, ...] = ATTACKS) -> pd.DataFrame:
    """Return what is compared of every M_o: `scores` with ``dataset trial recipe train_seed``."""
    facts = stored.models[stored.models.unlearning == ""]
    kept = facts[["model", "dataset", "trial", "recipe", "train_seed"]]
    return scores(stored, facts.model, attacks).merge(kept, on="model")


def _lines(frame: pd.DataFrame, references: pd.DataFrame, truth: str | None = None) -> pd.DataFrame:
    """Return what the rule says of each line beside the originals of its recipe with another seed of training."""
    groups = {key: group.drop_duplicates("train_seed") for key, group in references.groupby(ALIKE)}
    found = []
    for line in records_of(frame):
        others = groups.get(tuple(line[name] for name in ALIKE), references.iloc[:0])
        others = others[others.train_seed != line["train_seed"]]
        if len(others) >= FEWEST:
            level = level_of(len(others))
            verdict = against_references(line["score"], np.stack(others.score.tolist()), level)
            named = ",".join(map(str, sorted(verdict.named)))
            line |= {"references": len(others), "level": level, "p_value": verdict.p_value, "named": named}
            found.append(
                {**line, "detected": verdict.p_value <= level, "exact": truth is not None and named == line[truth]}
            )
    return pd.DataFrame(found, columns=list(dict.fromkeys([*frame.columns, *COLUMNS]))).drop(columns="score")


def on_targets(stored: Stored, attacks: tuple[str, ...] = ATTACKS, k: int | None = None) -> pd.DataFrame:
    """Return what the rule says of every target of one data set that passes the gate, one line an attack.

    Of those alone that forgot `k` classes, if it is given.

    ``dataset trial train_seed k unlearning model attack references level p_value named detected exact``: ``named`` are
    the named classes, separated by commas; ``detected`` says whether the p-value is at most the level, ``exact``
    whether the named classes are the forgotten ones. A target's own M_o is no reference.
    """
    targets = stored.models[stored.models.unlearning != ""]
    targets = targets[[is_unlearned(cell) for cell in records_of(targets)]]
    facts = ["model", "dataset", "trial", "unlearning", "forgotten", "recipe", "train_seed"]
    targets = targets[facts].assign(k=targets.forgotten.str.count(",") + 1)
    targets = targets if k is None else targets[targets.k == k]
    compared = scores(stored, targets.model, attacks).merge(targets, on="model")
    return _lines(compared, originals(stored, attacks), "forgotten")[COLUMNS]


def on_originals(stored: Stored, attacks: tuple[str, ...] = ATTACKS) -> pd.DataFrame:
    """Return the same for every M_o beside all others of its recipe, with ``recipe``.

    How many are accused is arithmetic, but for ties: of n + 1 models each of which meets the n others, at level
    1 / (n + 1) exactly the most outlying one is.
    """
    held = originals(stored, attacks)
    return _lines(held, held)


def on_bank(stored: Stored, bank: Stored, attacks: tuple[str, ...] = ATTACKS) -> pd.DataFrame:
    """Return the same for models of the null bank beside every M_o of the data set, with ``kind``.

    They have other seeds. Of the kind ``Plain`` they are exchangeable with the references; models of the other kinds
    were trained in another way, and those with a rare class take no part.
    """
    facts = bank.models[["model", "train_seed", "recipe"]].merge(kinds(bank.models), on="model")
    facts = facts[(facts.kind != RARE) & facts.dataset.isin(stored.models.dataset)]
    facts = facts[facts.architecture.isin(stored.models.architecture)]
    return _lines(scores(bank, facts.model, attacks).merge(facts, on="model"), originals(stored, attacks))


class Survey(NamedTuple):
    """What the rule says of targets, of every M_o beside the others, and of the null bank, all data sets together."""

    targets: pd.DataFrame
    originals: pd.DataFrame
    bank: pd.DataFrame


def survey(data: Mapping[str, Stored], bank: Stored, attacks: tuple[str, ...] = ATTACKS, k: int = 1) -> Survey:
    """Return `on_targets` (those that forgot `k` classes), `on_originals` and `on_bank` of several data sets."""
    parts = [
        (on_targets(stored, attacks, k), on_originals(stored, attacks), on_bank(stored, bank, attacks))
        for stored in data.values()
    ]
    return Survey(*(pd.concat([part for part in side if len(part)] or side[:1]) for side in zip(*parts, strict=True)))
