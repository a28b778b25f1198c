"""Who gets accused where nothing was forgotten: every rule on the null bank."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from labelleak_lib.criteria.base import Criterion
from labelleak_lib.nulls.calibration import RARE, evidence_on_bank, kinds
from labelleak_lib.registry import CRITERIA, NULLS
from labelleak_lib.results.intervals import clopper_pearson
from labelleak_lib.results.leakage import of_rows
from labelleak_lib.trials.store import Stored

RULES = ("two_means", "clusters", "deviations", "largest_gap", "reach", "calibrated")
"""The rules that every score is judged by."""
ROW = ["attack", "criterion"]
PLACE = ["dataset", "architecture"]


def decided(bank: Stored, rules: Sequence[Criterion] | None = None) -> pd.DataFrame:
    """Return what each rule says of each model of the bank.

    Columns of `calibration.kinds`, and ``attack criterion named`` (tuple of int) ``silent``.
    """
    applied = [CRITERIA[name]() for name in RULES] if rules is None else list(rules)

    def lines() -> Iterator[dict[str, Any]]:
        for (model, attack), found in evidence_on_bank(bank).items():
            for rule in (rule for rule in applied if rule.can_read(found)):
                named = tuple(sorted(rule.decide(found)))
                yield {"model": model, "attack": attack, "criterion": rule.name, "named": named, "silent": not named}

    return pd.DataFrame(lines()).merge(kinds(bank.models), on="model")


def alarms(table: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return false alarms by group: ``n alarms rate low high`` in 0 .. 1, Clopper-Pearson, rare classes left out."""
    rows = []
    for key, group in table[table.kind != RARE].groupby(list(by), sort=False):
        hits, n = int((~group.silent).sum()), len(group)
        rows.append((*key, n, hits, hits / n, *clopper_pearson(hits, n)))
    return pd.DataFrame(rows, columns=[*by, "n", "alarms", "rate", "low", "high"])


def several_kinds(table: pd.DataFrame) -> pd.DataFrame:
    """Return the lines of `decided` of data sets and networks of which models of more than one kind are there.

    Elsewhere a kind cannot be told from the data set and the network that it was run on alone. Rare classes are left
    out.
    """
    there = table[table.kind != RARE].groupby(PLACE).kind.transform("nunique")
    return table.loc[there.index[there > 1]]


def accidents(table: pd.DataFrame, records: pd.DataFrame, rows: Sequence[tuple[str, str]]) -> list[pd.DataFrame]:
    """Return `alarms` of some rows, attack and criterion, on the data sets and networks of `records` and on all others.

    `table` is of `decided`. The second has a line a row, data set and network.
    """
    asked = of_rows(table, rows)
    own = pd.MultiIndex.from_frame(asked[PLACE]).isin(pd.MultiIndex.from_frame(records[PLACE].drop_duplicates()))
    return [alarms(asked[own], ROW), alarms(asked[~own], [*ROW, *PLACE])]


def kind_title(kind: str) -> str:
    """Return what a kind of `calibration.kinds` is called, and anything else as it is.

    >>> kind_title("AdamShifted"), kind_title("digits")
    ('Adam, shifted images', 'digits')
    """
    return {NULLS[name].__name__: NULLS[name].title for name in NULLS}.get(kind, kind)


def accused_classes(table: pd.DataFrame) -> pd.DataFrame:
    """Return how often each class is named where nothing was forgotten: ``dataset attack criterion class n rate``."""
    keys = ["dataset", "attack", "criterion"]
    plain = table[table.kind != RARE]
    named = plain.explode("named").dropna(subset="named").rename(columns={"named": "class"})
    counts = named.groupby([*keys, "class"]).size().rename("n").reset_index()
    merged = counts.merge(plain.groupby(keys).size().rename("models").reset_index(), on=keys)
    return merged.assign(rate=merged.n / merged.models).drop(columns="models")


def dose(table: pd.DataFrame) -> pd.DataFrame:
    """Return how often a class is named that was trained on a share of its samples.

    ``dataset attack criterion share n accused low high``; rates in 0 .. 1, the share falling.
    """
    rows = []
    rare = table[table.kind == RARE]
    for key, group in rare.groupby(["dataset", "attack", "criterion", "share"], sort=False):
        hits = sum(label in named for label, named in zip(group.label, group.named, strict=True))
        rows.append((*key, len(group), hits / len(group), *clopper_pearson(hits, len(group))))
    columns = ["dataset", "attack", "criterion", "share", "n", "accused", "low", "high"]
    return pd.DataFrame(rows, columns=columns).sort_values("share", ascending=False, kind="stable")
