"""Limits of the calibrated rule, from the null bank: how far models that forgot nothing go.

Run as `python -m labelleak_lib.nulls.calibration`; it writes `criteria/limits.json`, which comes with the library.
"""

import json
import sys
from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.criteria.calibrated import LEVEL, LIMITS, limit, statistic
from labelleak_lib.evidence import Evidence
from labelleak_lib.files import write_atomically
from labelleak_lib.nulls.stored import stored
from labelleak_lib.trials.judging import records_of
from labelleak_lib.trials.schema import FACTS, evidence_from
from labelleak_lib.trials.store import Stored

RARE = "RareClass"
"""The kind that lies between knowing a class and not: no rule is calibrated on it, and none is blamed for it."""


def kinds(models: pd.DataFrame) -> pd.DataFrame:
    """Return the kind of every model: ``model dataset architecture kind label share method`` (NaN: none)."""
    told = pd.DataFrame([json.loads(text) for text in models.method], index=models.index)
    facts = models[["model", "dataset", "architecture"]].assign(kind=told["class"])
    return facts.assign(**{name: told.get(name, np.nan) for name in ("label", "share", "method")})


def evidence_on_bank(bank: Stored) -> dict[tuple[str, str], Evidence]:
    """Return what was found on the bank, by model and attack."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in records_of(bank.evidence[[*FACTS, "kind", "shape", "values"]]):
        groups.setdefault((row["model"], row["attack"]), []).append(row)
    return {key: evidence_from(rows) for key, rows in groups.items()}


def statistics(bank: Stored) -> pd.DataFrame:
    """Return the statistic of the calibrated rule on every model and attack: `kinds` with ``attack statistic``."""
    rows = [(model, attack, statistic(found)) for (model, attack), found in evidence_on_bank(bank).items()]
    return pd.DataFrame(rows, columns=["model", "attack", "statistic"]).merge(kinds(bank.models), on="model")


def limits_of(table: pd.DataFrame, level: float = LEVEL) -> dict[str, float]:
    """Return each attack's limit over the models of `statistics`, but for those with a rare class."""
    plain = table[table.kind != RARE]
    return {str(attack): limit(group.statistic, level) for attack, group in plain.groupby("attack")}


def left_out(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return how a rule calibrated without one data set or architecture fares on it: ``attack left_out n alarms``.

    `by` is "dataset" or "architecture"; models with a rare class take no part.
    """
    plain, rows = table[table.kind != RARE], []
    for name, group in plain.groupby(by, sort=False):
        limits = limits_of(plain[plain[by] != name])
        for attack, own in group.groupby("attack", sort=False):
            rows.append((attack, name, len(own), int((own.statistic > limits[str(attack)]).sum())))
    return pd.DataFrame(rows, columns=["attack", "left_out", "n", "alarms"])


def main() -> int:
    """Write the limits of the committed bank and return the exit status."""
    table = statistics(stored())
    content = {"level": LEVEL, "models": int((table.kind != RARE).groupby(table.model).first().sum())}
    limits = {attack: float(f"{value:.6g}") for attack, value in limits_of(table).items()}
    write_atomically(LIMITS, (json.dumps(content | {"limits": limits}, indent=1) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
