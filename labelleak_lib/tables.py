"""Tables of leakage: what was measured beside what was published, the placebo, the gate and the flags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.checks import require_choice
from labelleak_lib.figures.style import METHOD_ORDER, row_name
from labelleak_lib.metrics import Interval, excess_over_placebo, mean_interval
from labelleak_lib.published import published_asr
from labelleak_lib.records import RecordStore
from labelleak_lib.settings import PAPER_ROWS
from labelleak_lib.sweep import COMMITTED

DATASET_ORDER = ("digits", "mnist", "fashion_mnist", "svhn", "cifar10")
LEAKAGE_COLUMNS = [
    *("dataset", "unlearning", "attack", "criterion", "trials", "measured", "low", "high", "published"),
    *("placebo", "excess", "excess_low", "excess_high", "auc", "unlearned", "flags"),
]
_LINE = ["dataset", "unlearning", "attack", "criterion"]
FLAG_KEYS = {
    "not forgotten": "N", "destroyed": "D", "placebo succeeds": "P", "black box beats white box": "B",
    "loses to random inputs": "R", "zero gradient": "Z",
}  # fmt: skip
"""One letter a flag, for narrow columns; other flags are written out."""


class Markdown(str):
    """Text that a notebook shows as Markdown; its repr is the text itself."""

    def __repr__(self) -> str:
        return str(self)

    def _repr_markdown_(self) -> str:
        return str(self)


def ordered(values: Sequence[str] | pd.Series, known: Sequence[str]) -> list[str]:
    """Return the distinct `values`: those of `known` first, in its order, then the others, sorted."""
    found = set(values)
    return [value for value in known if value in found] + sorted(found - set(known))


def committed_records(root: Path = COMMITTED) -> pd.DataFrame:
    """Return the records of every data set that has committed ones (no rows if none has), profile `paper`."""
    found = {path.name.removesuffix(".parquet") for path in root.glob("*.parquet")}
    names = {name for name in found if not name.endswith(".evidence")}
    names |= {path.name for path in (root / "cells").glob("*") if path.is_dir()}
    store = RecordStore(root)
    parts = [store.read(name) for name in ordered(sorted(names), DATASET_ORDER)]
    filled = [part[part.profile == "paper"] for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else store.read("none")


def committed_evidence(records: pd.DataFrame, root: Path = COMMITTED) -> pd.DataFrame:
    """Return the evidence of `records`, as `RecordStore.evidence` does, for all of their data sets."""
    hashes, store = set(records.config_hash), RecordStore(root)
    return pd.concat([store.evidence(name, hashes) for name in [*records.dataset.unique(), "none"]], ignore_index=True)


def leakage_table(
    records: pd.DataFrame, protocol: str, k: int, rows: Sequence[tuple[str, str]] = PAPER_ROWS
) -> pd.DataFrame:
    """Put measured success rates beside the published ones, their placebo, the gate and the flags.

    Parameters
    ----------
    records : DataFrame
        With `records.COLUMNS`; of one profile, the placebo of every record among them.
    protocol : {"paper", "attacker"}
        Which decisions to count.
    k : int
        Number of forgotten classes; records of other numbers take no part.
    rows : sequence of (str, str)
        Attack and criterion of each row; by default the seven of the paper.

    Returns
    -------
    DataFrame
        One line a data set, unlearning method and row that the records hold, with `LEAKAGE_COLUMNS`. `measured`,
        `low`, `high` (mean and 95% interval over trials), `published` (NaN where the paper prints no such cell; its
        mean over four data sets), `placebo`, `excess`, `excess_low`, `excess_high` (paired by trial) are in percent;
        `auc` (mean) and `unlearned` (share of trials that pass the gate) in 0 .. 1; `flags` counts each flag's trials.

    Raises
    ------
    ValueError
        If `protocol` is unknown, a record lacks its placebo, or one trial stands there under several settings.
    """
    require_choice("protocol", protocol, ("paper", "attacker"))
    wanted = pd.MultiIndex.from_frame(records[["attack", "criterion"]].astype(str)).isin(list(rows))
    chosen = records[(records.protocol == protocol) & (records.k == k) & wanted]
    if chosen.duplicated([*_LINE, "control", "seed", "trial", "forgotten"]).any() or chosen.profile.nunique() > 1:
        raise ValueError(f"records of k = {k} hold one trial under several settings; select one profile and version")
    if chosen.empty:
        return pd.DataFrame(columns=LEAKAGE_COLUMNS)
    lines = [_line(group, k) for _, group in excess_over_placebo(chosen).groupby(_LINE, sort=False)]
    table = pd.DataFrame(lines, columns=LEAKAGE_COLUMNS)
    places = [
        table.dataset.map({n: i for i, n in enumerate(ordered(table.dataset, DATASET_ORDER))}),
        table.unlearning.map({n: i for i, n in enumerate(ordered(table.unlearning, METHOD_ORDER))}),
        pd.Series([list(rows).index(row) for row in zip(table.attack, table.criterion, strict=True)]),
    ]
    return table.iloc[np.lexsort([place.to_numpy() for place in places[::-1]])].reset_index(drop=True)


def _line(group: pd.DataFrame, k: int) -> dict[str, object]:
    first: Any = group.iloc[0]
    measured, excess = over_trials(group.asr), over_trials(group.excess, plain=True)
    published = published_asr(first.attack, first.criterion, first.unlearning, k)
    flags = Counter(flag for text in group["flags"] for flag in text.split("; ") if flag)
    return {
        **{name: first[name] for name in _LINE}, "trials": len(group),
        "measured": 100 * measured.mean, "low": 100 * measured.low, "high": 100 * measured.high,
        "published": np.nan if published is None else published, "placebo": 100 * group.asr_placebo.mean(),
        "excess": 100 * excess.mean, "excess_low": 100 * excess.low, "excess_high": 100 * excess.high,
        "auc": group.auc.mean(), "unlearned": group.unlearned.astype(float).mean(),
        "flags": "; ".join(f"{flag} ({count}/{len(group)})" for flag, count in flags.items()),
    }  # fmt: skip


def over_trials(values: pd.Series, *, plain: bool = False) -> Interval:
    """Return mean and 95% interval of per-trial `values`; without an interval (NaN) for a single trial.

    Rates that are 0 or 1 in every trial get Wilson's interval. `plain` values (accuracies, differences) do not: when
    they are equal, they say nothing about their spread.
    """
    if len(values) < 2 or (plain and values.nunique() == 1):
        return Interval(float(values.mean()), float("nan"), float("nan"), len(values))
    return mean_interval(values)


def _lines(table: pd.DataFrame) -> list[Any]:
    return list(table.itertuples(index=False))


def with_interval(mean: float, low: float, high: float, *, sign: bool = False) -> str:
    """Return "97.5 (95.0, 99.1)", with a space that does not break inside, or the mean alone without an interval."""
    form = "+.1f" if sign else ".1f"
    return f"{mean:{form}}" if np.isnan(low) else f"{mean:{form}} ({low:{form}},\u00a0{high:{form}})"


def to_markdown(table: pd.DataFrame, *, caption: str | None = None, name: str | None = None) -> Markdown:
    """Write a table of `leakage_table` in Markdown, with its units.

    Parameters
    ----------
    caption, name : str, optional
        Given both, the table is numbered in the book and `name` is its label.
    """
    several, lines = table.dataset.nunique() > 1, _lines(table)
    columns: dict[str, list[str]] = {"data set": table.dataset.tolist()} if several else {}
    columns |= {
        "unlearning": table.unlearning.tolist(),
        "attack": [row_name(line.attack, line.criterion) for line in lines],
        "measured %": [with_interval(line.measured, line.low, line.high) for line in lines],
        "published %": ["" if np.isnan(value) else f"{value:.2f}" for value in table.published],
        "placebo %": [f"{value:.1f}" for value in table.placebo],
        "excess": [with_interval(line.excess, line.excess_low, line.excess_high, sign=True) for line in lines],
        "unlearned": [f"{round(line.unlearned * line.trials)}/{line.trials}" for line in lines],
        "flags": [_keys(line.flags) for line in lines],
    }
    if not any(columns["published %"]):
        del columns["published %"]
    text = numbered(pd.DataFrame(columns).to_markdown(index=False, disable_numparse=True), caption, name)
    return Markdown(f"{text}{_legend(table['flags'])}")


def _keys(flags: str) -> str:
    """Return "N, P 2/3" for "not forgotten (3/3); placebo succeeds (2/3)"."""
    keys = []
    for text in flags.split("; ") if flags else ():
        name, count = text.rsplit(" ", 1)
        hit, trials = count.strip("()").split("/")
        keys.append(FLAG_KEYS.get(name, name) + ("" if hit == trials else f"\u00a0{hit}/{trials}"))
    return ", ".join(keys)


def _legend(flags: pd.Series) -> str:
    """Return what the letters in a column of flags mean, or nothing."""
    used = [f"{key} {name}" for name, key in FLAG_KEYS.items() if flags.str.contains(rf"\b{name} \(").any()]
    return f"\n\nFlags (with a number: in so many trials): {', '.join(used)}." if used else ""


def span(values: pd.Series, form: str = ".0f", unit: str = "") -> str:
    """Write the least and the largest of `values`, once where they are written alike."""
    low, high = f"{values.min():{form}}", f"{values.max():{form}}"
    return f"{low}{unit}" if low == high else f"{low} to {high}{unit}"


def numbered(text: str, caption: str | None, name: str | None) -> Markdown:
    """Wrap a Markdown table so that the book numbers it under the label `name`; plain if either is missing."""
    if caption is None or name is None:
        return Markdown(text)
    return Markdown(f":::{{table}} {caption}\n:name: {name}\n\n{text}\n:::")


def tabs(panels: Mapping[str, str]) -> Markdown:
    """Return one tab a panel, by title; a sentence where there is none."""
    if not panels:
        return Markdown("No long runs are committed yet.")
    # more colons than a numbered table's, which may stand inside
    items = [f"::::{{tab-item}} {title}\n{text}\n::::" for title, text in panels.items()]
    return Markdown("\n".join([":::::{tab-set}", *items, ":::::"]))


def leakage_tabs(
    records: pd.DataFrame,
    rows: Sequence[tuple[str, str]],
    prefix: str,
    protocols: Sequence[str] = ("paper", "attacker"),
    ks: Sequence[int] = (1, 3),
) -> Markdown:
    """Return one tab a data set with its numbered leakage tables, labelled ``<prefix>-<data set>-<k>-<protocol>``."""
    panels = {}
    for name in ordered(records.dataset, DATASET_ORDER):
        texts = []
        for k, protocol in ((k, protocol) for k in ks for protocol in protocols):
            table = leakage_table(records[records.dataset == name], protocol, k, rows)
            caption = f"{name}, k = {k}, protocol {protocol}, trials: {span(table.trials)}"
            label = f"{prefix}-{name}-{k}-{protocol}".replace("_", "-")
            texts += [to_markdown(table, caption=caption, name=label)] if len(table) else []
        panels[name] = "\n\n".join(texts)
    return tabs(panels)
