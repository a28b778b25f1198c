"""The headline of every row: the set named exactly, and silence on the model from which nothing was forgotten."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from labelleak_lib.names import row_name
from labelleak_lib.results.intervals import clopper_pearson
from labelleak_lib.results.markdown import rows_of
from labelleak_lib.results.summary import attackers, passing

HEADLINE = ("joint_reach", "reach")
"""The row that speaks for the book, fixed before its records were read: its two halves err on different models."""
REACH_ROWS = tuple((f"{search}_reach", "reach") for search in ("query", "joint", "passive", "gradient"))
LABEL_ROW = ("passive_answers", "reach")
ROWS = (
    *REACH_ROWS, LABEL_ROW, ("blackbox_inversion", "reach"), ("whitebox_inversion", "reach"),
    *(("dot_product", "largest_gap"), ("head_row_sum", "largest_gap"), ("random_inputs", "largest_gap")),
    *(("blackbox_inversion", "threshold"), ("whitebox_inversion", "threshold"), ("dot_product", "kmeans")),
)  # fmt: skip
"""Attack and rule: reach first, then other scores under a rule that may be silent, then rules as published."""


def cells(records: pd.DataFrame, attack: str, criterion: str) -> pd.DataFrame:
    """Return one line a target that passes the gate: was its set named exactly, its M_o met with silence, and both.

    ``config_hash dataset trial unlearning k original exact silent both``, the last three 0 or 1.
    """
    chosen = attackers(records, attack, criterion)
    target, placebo = (chosen[chosen.control == control] for control in ("none", "placebo"))
    silent = placebo.set_index("config_hash").predicted.eq("").astype(float).rename("silent")
    lines = passing(target).join(silent, on="config_hash", how="inner")
    lines = lines.assign(exact=lines.exact_match, both=lines.exact_match * lines.silent)
    return lines[["config_hash", "dataset", "trial", "unlearning", "k", "original", "exact", "silent", "both"]]


def table(records: pd.DataFrame, rows: Sequence[tuple[str, str]] = ROWS) -> pd.DataFrame:
    """Return for every row how often it is exact and silent, in 0 .. 1; data sets weigh alike.

    ``attack criterion n both low high exact silent originals``: `n` targets, `originals` models M_o; the interval is
    Clopper and Pearson's over all targets.
    """
    lines = []
    for attack, criterion in rows:
        found = cells(records, attack, criterion)
        if found.empty:
            continue
        mean = found.groupby("dataset")[["both", "exact"]].mean().mean()
        originals = found.drop_duplicates(["dataset", "original"])
        low, high = clopper_pearson(int(found.both.sum()), len(found))
        lines.append({
            "attack": attack, "criterion": criterion, "n": len(found), "both": mean.both, "low": low, "high": high,
            "exact": mean.exact, "silent": originals.groupby("dataset").silent.mean().mean(),
            "originals": len(originals),
        })  # fmt: skip
    columns = ["attack", "criterion", "n", "both", "low", "high", "exact", "silent", "originals"]
    return pd.DataFrame(lines, columns=columns)


def by_method(records: pd.DataFrame, rows: Sequence[tuple[str, str]] = ROWS) -> pd.DataFrame:
    """Return how often each row is exact and silent by unlearning method: ``attack criterion`` and the methods."""
    lines = []
    for attack, criterion in rows:
        found = cells(records, attack, criterion)
        by = found.groupby(["unlearning", "dataset"]).both.mean().groupby("unlearning").mean()
        lines.append({"attack": attack, "criterion": criterion, **by})
    return pd.DataFrame(lines)


def hard_cells(records: pd.DataFrame, attack: str, criterion: str) -> pd.DataFrame:
    """Return where a row fails: ``dataset unlearning k n both``, one line a group with a target that is missed."""
    groups = cells(records, attack, criterion).groupby(["dataset", "unlearning", "k"], sort=False).both
    found = groups.agg(["size", "mean"]).reset_index().rename(columns={"size": "n", "mean": "both"})
    return found[found.both < 1]


def headline(records: pd.DataFrame, alarms: pd.DataFrame) -> list[str]:
    """Say how often `HEADLINE` is exact and silent, beside labels and published rules, and how it fares on the bank.

    `alarms` are of `false_alarms.alarms` by attack and criterion.
    """
    rows = rows_of(table(records))
    best = next(row for row in rows if (row.attack, row.criterion) == HEADLINE)
    published = max((r for r in rows if r.criterion in ("threshold", "kmeans")), key=lambda row: row.both)
    labels = next(row for row in rows if (row.attack, row.criterion) == LABEL_ROW)
    known = alarms[(alarms.attack == best.attack) & (alarms.criterion == best.criterion)].iloc[0]
    queries = int(attackers(records, best.attack, best.criterion).queries.max())
    asked = f"{queries:,} queries a model" if queries else "the model's gradients"
    methods = by_method(records, [(best.attack, best.criterion)]).iloc[0].drop(["attack", "criterion"])
    listed = ", ".join(f"{code} {100 * share:.0f}%" for code, share in methods.items())
    leaks = "The label leaks." if best.both > 0.5 else "Most targets keep their label."
    suffice = "Labels alone go far." if labels.both > 0.5 else "Labels alone seldom suffice."
    accuse = "accuse where nothing was forgotten" if published.silent < 0.5 else "mostly keep silent where they should"
    return [
        f"**{leaks}** {_name(best)}, with {asked} and no data, names the forgotten class, and no other, while "
        f"it stays silent on the original model, for {shown(best)} of {best.n} targets that pass the gate ({listed}).",
        f"**{suffice}** Of an interface that answers with labels, {_name(labels).lower()} "
        f"does the same for {shown(labels)}.",
        f"**The published rules {accuse}.** Of them {_name(published).lower()} is exact and "
        f"silent most often, for {shown(published)}: it is exact for {100 * published.exact:.0f}% of the targets, but "
        f"silent on {100 * published.silent:.0f}% of the original models.",
        f"**How often is that an accident?** Of {known.n} other models that forgot nothing, trained in many ways, "
        f"{_name(best).lower()} accuses {known.alarms} ({100 * known.low:.1f} to {100 * known.high:.1f}%); "
        "which kinds these are is said under "
        "[Controls](chapters/08_controls.ipynb).",
    ]


def shown(row: Any) -> str:
    """Return "98.2% (95.1 to 99.6)" of a line of `table`."""
    return f"{100 * row.both:.1f}% ({100 * row.low:.1f} to {100 * row.high:.1f})"


def _name(row: Any) -> str:
    title = row_name(row.attack, row.criterion)
    return title[0].upper() + title[1:]
