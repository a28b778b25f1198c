"""Tables of leakage: what was measured beside what was published, the placebo, the gate and the flags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.checks import require_choice
from labelleak_lib.criteria import HeadCriterion
from labelleak_lib.names import DATASET_ORDER, METHOD_ORDER, ordered, row_name
from labelleak_lib.paper.published import published_asr
from labelleak_lib.registry import CRITERIA
from labelleak_lib.results.intervals import excess_over_placebo, over_trials
from labelleak_lib.results.markdown import Markdown, numbered, span, tabs, with_interval
from labelleak_lib.trials.settings import PAPER_ROWS

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


def _lines(table: pd.DataFrame) -> list[Any]:
    return list(table.itertuples(index=False))


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


PROTOCOLS = ("paper", "attacker")


def baseline(criterion: str, protocol: str, k: int, classes: int) -> float:
    """Return the success rate, in percent, of an answer that looks at nothing.

    Single auxiliary heads, which the `paper` protocol draws half from each side, are right by chance in one half of
    the cases. Of classes, "nothing was forgotten" is right for all but k of C.
    """
    by_head = protocol == "paper" and issubclass(CRITERIA[criterion], HeadCriterion)
    return 50.0 if by_head else 100 * (1 - k / classes)


def success_frame(
    records: pd.DataFrame, rows: Sequence[tuple[str, str]], protocols: Sequence[str] = PROTOCOLS
) -> pd.DataFrame:
    """Return the leakage tables of all numbers of forgotten classes and protocols, one below the other.

    Returns
    -------
    DataFrame
        Columns of :func:`tables.leakage_table`, and ``protocol``, ``k``, ``baseline`` (percent).
    """
    classes = records.groupby("dataset").classes.first()
    parts = []
    for protocol in protocols:
        for k in sorted(records.k.unique()):
            table = leakage_table(records, protocol, k, rows)
            level = [
                baseline(c, protocol, k, int(classes[d])) for c, d in zip(table.criterion, table.dataset, strict=True)
            ]
            parts.append(table.assign(protocol=protocol, k=k, baseline=level))
    return pd.concat(parts, ignore_index=True)
