"""The headline of every row: the set named exactly, and silence on the model from which nothing was forgotten."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.names import row_name
from labelleak_lib.results.intervals import Interval, of_clusters, over_datasets
from labelleak_lib.results.markdown import rows_of
from labelleak_lib.results.summary import attackers, passing

REACH_ROWS = tuple((f"{search}_reach", "reach") for search in ("query", "joint", "passive", "gradient"))
JOINT_ROW = ("joint_reach", "reach")
LABEL_ROW = ("passive_answers", "reach")
"""Asks for no probabilities, and has no threshold that anybody chose: the row that speaks for the book."""
MOST = 0.5
"""Share from which on something happens "mostly"."""
CELLS = ["config_hash", "dataset", "seed", "trial", "unlearning", "k", "original", "exact", "silent", "both"]
"""Columns of `cells`."""
ROWS = (
    *REACH_ROWS, LABEL_ROW, ("blackbox_inversion", "reach"), ("whitebox_inversion", "reach"),
    *(("dot_product", "largest_gap"), ("head_row_sum", "largest_gap"), ("random_inputs", "largest_gap")),
    *(("blackbox_inversion", "threshold"), ("whitebox_inversion", "threshold"), ("dot_product", "kmeans")),
    ("dot_product", "youden"),
)  # fmt: skip
"""Attack and rule: reach first, then other scores under a rule that may be silent, then rules as published."""


def cells(records: pd.DataFrame, attack: str, criterion: str) -> pd.DataFrame:
    """Return one line a target that passes the gate: was its set named exactly, its M_o met with silence, and both.

    ``config_hash dataset seed trial unlearning k original exact silent both``, the last three 0 or 1.
    """
    chosen = attackers(records, attack, criterion)
    target, placebo = (chosen[chosen.control == control] for control in ("none", "placebo"))
    silent = placebo.set_index("config_hash").predicted.eq("").astype(float).rename("silent")
    lines = passing(target).join(silent, on="config_hash", how="inner")
    lines = lines.assign(exact=lines.exact_match, both=lines.exact_match * lines.silent)
    return lines[CELLS]


def table(records: pd.DataFrame, rows: Sequence[tuple[str, str]] = ROWS) -> pd.DataFrame:
    """Return for every row how often it is exact and silent, in 0 .. 1; data sets weigh alike, and so do their trials.

    ``attack criterion n trials both low high exact silent originals``: `n` targets of so many `trials`, `originals`
    models M_o, each of which counts once for every target that was made of it, so that `both` exceeds neither part.
    Targets of one trial share seed and class, and most of them their M_o, of which all are accused or none: the
    interval counts trials, not targets (`intervals.of_clusters`).
    """
    lines = []
    for attack, criterion in rows:
        found = cells(records, attack, criterion)
        if found.empty:
            continue
        by_trial = found.groupby(["dataset", "seed", "trial"])[["both", "exact", "silent"]].mean()
        mean = by_trial.groupby("dataset").mean().mean()
        low, high = of_clusters([shares for _, shares in by_trial.both.groupby("dataset")])
        lines.append({
            "attack": attack, "criterion": criterion, "n": len(found), "trials": len(by_trial),
            "both": mean.both, "low": low, "high": high,
            "exact": mean.exact, "silent": mean.silent,
            "originals": len(found.drop_duplicates(["dataset", "original"])),
        })  # fmt: skip
    columns = ["attack", "criterion", "n", "trials", "both", "low", "high", "exact", "silent", "originals"]
    return pd.DataFrame(lines, columns=columns)


def gain(records: pd.DataFrame, row: tuple[str, str], other: tuple[str, str]) -> Interval:
    """Return how much more often one row is exact and silent than another, on the targets of both: -1 .. 1.

    Paired by trial, data sets alike, with Student's interval (`intervals.over_datasets`).
    """
    one, before = (cells(records, *judged_by).set_index("config_hash") for judged_by in (row, other))
    paired = one.join(before.both.rename("before"), how="inner")
    by_trial = paired.assign(more=paired.both - paired.before).groupby(["dataset", "seed", "trial"]).more.mean()
    return over_datasets([trials for _, trials in by_trial.groupby("dataset")])


def by_method(records: pd.DataFrame, rows: Sequence[tuple[str, str]] = ROWS) -> pd.DataFrame:
    """Return how often each row is exact and silent by unlearning method: ``attack criterion`` and the methods."""
    lines = []
    for attack, criterion in rows:
        found = cells(records, attack, criterion)
        by = found.groupby(["unlearning", "dataset"]).both.mean().groupby("unlearning").mean()
        lines.append({"attack": attack, "criterion": criterion, **by})
    return pd.DataFrame(lines)


def hard_cells(records: pd.DataFrame, attack: str, criterion: str) -> pd.DataFrame:
    """Return where a row fails: ``dataset unlearning k n both missed ranked``, one line a group with such a target.

    Of the `missed` targets, whose set is not named exactly, `ranked` have their forgotten classes before all others.
    """
    found = cells(records, attack, criterion)
    # the placebo of a cell has the cell's own name
    targets = attackers(records, attack, criterion).query("control == 'none'").set_index("config_hash")
    missed = found.exact == 0
    found = found.assign(missed=missed, ranked=missed & (found.config_hash.map(targets.auc) == 1))
    groups = found.groupby(["dataset", "unlearning", "k"], sort=False)
    lines = groups.agg(n=("both", "size"), both=("both", "mean"), missed=("missed", "sum"), ranked=("ranked", "sum"))
    return lines[lines.both < 1].reset_index()


def headline(records: pd.DataFrame) -> list[str]:
    """Say how often `LABEL_ROW` is exact and silent, what probabilities add, and whom the published rules accuse."""
    rows = {(row.attack, row.criterion): row for row in rows_of(table(records))}
    labels, joint = rows[LABEL_ROW], rows[JOINT_ROW]
    untold = [row for row in rows.values() if row.criterion in ("threshold", "kmeans")]
    published = max(untold, key=lambda row: (row.both, row.exact))
    best = row_name(published.attack, published.criterion)
    most_often = (
        f"Of them {best} is exact and silent most often, for {shown(published)}"
        if published.both
        else f"None of them is exact and silent for any target; {best} is exact most often"
    )
    told = rows.get(("dot_product", "youden"))
    asked = int(attackers(records, *LABEL_ROW).queries.max())
    leaks = "The label leaks, to labels alone." if labels.both > MOST else "Most targets keep their label."
    adds, more = "more" if joint.both > labels.both else "no more", gain(records, JOINT_ROW, LABEL_ROW)
    paired = "" if np.isnan(more.low) else f" ({100 * more.low:+.1f} to {100 * more.high:+.1f})"
    helped = (
        " An attacker who holds samples of every class and knows half of the retained ones needs no other rule: "
        f"{row_name(told.attack, told.criterion)} is exact and silent for {shown(told)}."
        if told is not None and told.both > MOST
        else ""
    )
    accuse = "accuse where nothing was forgotten" if published.silent < MOST else "mostly keep silent where they should"
    return [
        f"**{leaks}** {asked:,} images that have nothing to do with the task, answered with labels, name the forgotten "
        f"class and no other, and nobody on the original model, for {shown(labels)} of {labels.n} targets that pass "
        f"the gate ({_by_code(records, LABEL_ROW)}).",
        f"**Joint reach gives {adds}.** With probabilities, as many queries are shared between such images and a "
        f"search: it is exact and silent for {shown(joint)} ({_by_code(records, JOINT_ROW)}), on the same targets "
        f"{100 * more.mean:+.1f} points{paired} beside the labels.",
        f"**The published rules that are told nothing {accuse}.** {most_often}: it is exact for "
        f"{100 * published.exact:.0f}% of the targets, but silent on the original models of "
        f"{100 * published.silent:.0f}% of them.{helped}",
    ]


def _by_code(records: pd.DataFrame, row: tuple[str, str]) -> str:
    rates = by_method(records, [row]).iloc[0].drop(["attack", "criterion"])
    return ", ".join(f"{code} {100 * rate:.0f}%" for code, rate in rates.items())


def shown(row: Any) -> str:
    """Return "98.2% (95.1 to 99.6)" of a line of `table`."""
    return f"{100 * row.both:.1f}% ({100 * row.low:.1f} to {100 * row.high:.1f})"
