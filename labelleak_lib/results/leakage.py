"""Tables of leakage: what was measured beside what was published, the placebo, the gate and the flags."""

from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.checks import require_choice
from labelleak_lib.criteria.heads import judged_by_head
from labelleak_lib.names import DATASET_ORDER, PAPER_ROWS, PROTOCOLS, in_order, ordered, row_name
from labelleak_lib.paper.published import datasets, published_asr
from labelleak_lib.results.intervals import excess_over_placebo, mean_interval
from labelleak_lib.results.markdown import Markdown, numbered, rows_of, span, tabs, with_interval

LEAKAGE_COLUMNS = [
    *("dataset", "unlearning", "attack", "criterion", "trials", "measured", "low", "high", "ungated", "published"),
    *("placebo", "excess", "excess_low", "excess_high", "auc", "unlearned", "flags"),
]
_LINE = LEAKAGE_COLUMNS[:4]
FLAG_KEYS = {
    "not forgotten": "N", "retained classes lost": "L", "accuses M_o": "A", "no better than on M_o": "P",
    "same set on M_o": "S", "black box beats white box": "B",
    "loses to random inputs": "R", "zero gradient": "Z",
}  # fmt: skip
"""One letter a flag, for narrow columns; other flags are written out."""


def baseline(criterion: str, protocol: str, k: int, classes: int) -> float:
    """Return the success rate, in percent, of an answer that looks at nothing.

    Single auxiliary heads, which the `paper` protocol draws half from each side, are right by chance in one half of
    the cases. Of classes, "nothing was forgotten" is right for all but k of C.

    >>> baseline("youden", "paper", 1, 10), baseline("youden", "attacker", 1, 10), baseline("entropy", "paper", 3, 10)
    (50.0, 90.0, 70.0)
    """
    return 50.0 if judged_by_head(criterion, protocol) else 100 * (1 - k / classes)


def of_rows(records: pd.DataFrame, rows: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Return the records of some rows, attack and criterion of each, as they stand."""
    # a pair of strings at a time takes long: only where both may be asked for
    attacks, criteria = ({row[i] for row in rows} for i in (0, 1))
    near = records[records.attack.isin(attacks) & records.criterion.isin(criteria)]
    pairs = zip(near.attack, near.criterion, strict=True)
    return near[np.fromiter((pair in rows for pair in pairs), bool, len(near))]


def leakage_table(
    records: pd.DataFrame, protocol: str, k: int, rows: Sequence[tuple[str, str]] = PAPER_ROWS
) -> pd.DataFrame:
    """Put success rates over `k` forgotten classes beside the published ones, their placebo, the gate and the flags.

    The `records` are of one profile, the placebo of every record among them; `rows` are attack and criterion of each.
    One line a data set, unlearning method and row that the records hold, with `LEAKAGE_COLUMNS`: `measured`, `low`,
    `high` (mean and 95% interval over the trials that pass the gate, NaN where none does), `ungated` (mean over all
    trials), `published` (mean over the paper's four data sets; NaN for another data set and where nothing is
    printed), `placebo`, `excess`, `excess_low`, `excess_high` (as `measured`, paired by trial; NaN where classes
    are judged, see `judged_by_head`) are in percent; `auc` (mean, as `measured`) and `unlearned` (share of the
    `trials` that pass the gate) in 0 .. 1; `flags` counts each flag's trials.

    Raises
    ------
    ValueError
        If `protocol` is unknown, a record lacks its placebo, or one trial stands there under several settings.
    """
    require_choice("protocol", protocol, PROTOCOLS)
    order = {row: place for place, row in enumerate(rows)}
    chosen = of_rows(records[(records.protocol == protocol) & (records.k == k)], rows)
    if chosen.duplicated([*_LINE, "control", "seed", "trial", "forgotten"]).any() or chosen.profile.nunique() > 1:
        raise ValueError(f"records of k = {k} hold one trial under several settings; select one profile and version")
    lines = [_line(group, k) for _, group in excess_over_placebo(chosen).groupby(_LINE, sort=False)]
    lines.sort(key=lambda line: order[line["attack"], line["criterion"]])
    return in_order(pd.DataFrame(lines, columns=LEAKAGE_COLUMNS))


def _line(group: pd.DataFrame, k: int) -> dict[str, Any]:
    first: Any = group.iloc[0]
    printed = published_asr(first.attack, first.criterion, first.unlearning, k) if first.dataset in datasets() else None
    gated = group[group.unlearned.astype(bool)]
    paired = gated if judged_by_head(first.criterion, first.protocol) else gated[:0]
    flags = Counter(flag for text in group["flags"] for flag in text.split("; ") if flag)
    return {
        **{name: first[name] for name in _LINE}, "trials": len(group),
        **mean_interval(gated.asr).percent("measured", "low", "high"), "ungated": 100 * group.asr.mean(),
        **mean_interval(paired.excess).percent("excess", "excess_low", "excess_high"),
        "published": np.nan if printed is None else printed, "placebo": 100 * paired.asr_placebo.mean(),
        "auc": gated.auc.mean(), "unlearned": group.unlearned.astype(float).mean(),
        "flags": "; ".join(f"{flag} ({count}/{len(group)})" for flag, count in flags.items()),
    }  # fmt: skip


def to_markdown(table: pd.DataFrame, *, caption: str | None = None, name: str | None = None) -> Markdown:
    """Write a table of `leakage_table` in Markdown, with its units; `caption` and `name` as for :func:`numbered`.

    What fails the gate is left out, and stands in a column of its own, ungated, where there is such a trial.
    """
    lines = rows_of(table)
    columns = {"data set": table.dataset.tolist()} if table.dataset.nunique() > 1 else {}
    columns |= {
        "unlearning": table.unlearning.tolist(),
        "attack": [row_name(line.attack, line.criterion) for line in lines],
        "measured %": [with_interval(line.measured, line.low, line.high) for line in lines],
        "ungated %": [f"{value:.1f}" for value in table.ungated],
        "published %": ["" if np.isnan(value) else f"{value:.2f}" for value in table.published],
        "placebo %": ["" if np.isnan(value) else f"{value:.1f}" for value in table.placebo],
        "excess": [with_interval(line.excess, line.excess_low, line.excess_high, sign=True) for line in lines],
        "unlearned": [f"{round(line.unlearned * line.trials)}/{line.trials}" for line in lines],
        "flags": [_keys(line.flags) for line in lines],
    }
    if (table.unlearned == 1).all():
        del columns["ungated %"]
    for column in ("published %", "placebo %", "excess"):
        if not any(columns[column]):
            del columns[column]
    text = numbered(pd.DataFrame(columns).to_markdown(index=False, disable_numparse=True), caption, name)
    used = [f"{key} {flag}" for flag, key in FLAG_KEYS.items() if table["flags"].str.contains(rf"\b{flag} \(").any()]
    legend = f"\n\nFlags (with a number: in so many trials): {', '.join(used).replace('M_o', '$M_o$')}." if used else ""
    return Markdown(text + legend)


def _keys(flags: str) -> str:
    """Return "N, A 2/3" for "not forgotten (3/3); accuses M_o (2/3)"."""
    keys = []
    for text in flags.split("; ") if flags else ():
        name, count = text.rsplit(" ", 1)
        hit, trials = count.strip("()").split("/")
        keys.append(FLAG_KEYS.get(name, name) + ("" if hit == trials else f"\u00a0{hit}/{trials}"))
    return ", ".join(keys)


def leakage_tabs(
    records: pd.DataFrame,
    rows: Sequence[tuple[str, str]],
    prefix: str,
    protocols: Sequence[str] = PROTOCOLS,
    ks: Sequence[int] = (1, 3),
) -> Markdown:
    """Return one tab a data set with its numbered leakage tables, labelled ``<prefix>-<data set>-<k>-<protocol>``."""
    panels = {}
    for name in ordered(records.dataset, DATASET_ORDER):
        texts = []
        for k, protocol in product(ks, protocols):
            table = leakage_table(records[records.dataset == name], protocol, k, rows)
            caption = f"{name}, k = {k}, protocol {protocol}, trials: {span(table.trials)}"
            label = f"{prefix}-{name}-{k}-{protocol}".replace("_", "-")
            texts += [to_markdown(table, caption=caption, name=label)] if len(table) else []
        panels[name] = "\n\n".join(texts)
    return tabs(panels)


def success_frame(
    records: pd.DataFrame, rows: Sequence[tuple[str, str]], protocols: Sequence[str] = PROTOCOLS
) -> pd.DataFrame:
    """Return the leakage tables of all k and protocols below one another, with ``protocol k baseline`` (percent)."""
    classes = records.groupby("dataset").classes.first()
    parts = [pd.DataFrame(columns=[*LEAKAGE_COLUMNS, "protocol", "k", "baseline"])]
    for protocol, k in product(protocols, sorted(records.k.unique())):
        table = leakage_table(records, protocol, k, rows)
        pairs = zip(table.criterion, table.dataset, strict=True)
        level = [baseline(criterion, protocol, k, int(classes[dataset])) for criterion, dataset in pairs]
        parts.append(table.assign(protocol=protocol, k=k, baseline=level))
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
