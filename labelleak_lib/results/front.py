"""The front page's sentences: what was found, from records."""

from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.names import DATASET_ORDER, PAPER_METHODS, PAPER_ROWS, ordered, row_name
from labelleak_lib.paper.published import NEAR, datasets, reaches
from labelleak_lib.results import exact_silent, false_alarms
from labelleak_lib.results.against_paper import sides
from labelleak_lib.results.intervals import CLEAR, ENOUGH
from labelleak_lib.results.markdown import rows_of
from labelleak_lib.results.summary import TRIAL, of_the_paper

SHOWN_ROWS = tuple(
    (search, "reach") for search in ("passive_answers", "passive_reach", "query_reach", "joint_reach", "gradient_reach")
)


def complete_trials(records: pd.DataFrame) -> pd.DataFrame:
    """Return the records with k = 1 of the trials that have every unlearning method of the paper, or all but one."""
    one = records[(records.k == 1) & records.unlearning.isin(PAPER_METHODS)]
    return one if one.empty else one[one.groupby(TRIAL).unlearning.transform("nunique") >= len(PAPER_METHODS) - 1]


def trials_of(records: pd.DataFrame) -> pd.Series:
    """Return the number of trials of each data set, in the order of `records`."""
    return records.drop_duplicates(TRIAL).groupby("dataset", sort=False).size()


def enough_trials(records: pd.DataFrame) -> pd.DataFrame:
    """Return the records of the data sets that have `ENOUGH` trials."""
    trials = trials_of(records)
    return records[records.dataset.isin(trials[trials >= ENOUGH].index)]


def basis(records: pd.DataFrame, known: pd.DataFrame) -> str:
    """Say what was run, how much of it counts, and which data sets of `known` have too few trials to be shown."""
    cells, total = records.drop_duplicates([*TRIAL, "unlearning"]), trials_of(records).sum()
    short = trials_of(of_the_paper(known[~known.dataset.isin(records.dataset)]))
    remark = f" Too few trials to be counted: {_listed(short)}." if len(short) else ""
    counted = records[records.attack.isin(dict((*PAPER_ROWS, *SHOWN_ROWS)))]
    parts = {row_name(str(name), ""): trials_of(group) for name, group in counted.groupby("attack")}
    parts |= {str(code): trials_of(group) for code, group in records.groupby("unlearning")}
    fewer: dict[str, list[str]] = {}
    for name, n in parts.items():
        if n.sum() < total:
            fewer.setdefault(_listed(n), []).append(name)
    remark += "".join(f" On {trials} alone: {'; '.join(names)}." for trials, names in fewer.items())
    return (
        f"**Basis.** One forgotten class, five unlearning methods, profile `{records.profile.iloc[0]}`: "
        f"{_listed(trials_of(records))}.{remark} "
        f"{int(cells.unlearned.astype(bool).sum())} of {len(cells)} target models count as unlearned; the others are "
        "left out here. Data sets weigh alike. Intervals are 95%: for what is exact and silent Clopper and Pearson's, "
        "with a trial for one outcome, since its targets share seed and class; Student's over trials for rates."
    )


def _listed(trials: pd.Series) -> str:
    return ", ".join(f"{dataset} ({n} {'trial' if n == 1 else 'trials'})" for dataset, n in trials.items())


def apart(known: pd.DataFrame) -> list[str]:
    """Say how the row that speaks for the book fares on the data sets of `known` that are not the paper's."""
    others = known[~known.dataset.isin(datasets())]
    rates = exact_silent.table(others, [exact_silent.LABEL_ROW])
    named = ", ".join(f"`{name}`" for name in ordered(others.dataset, DATASET_ORDER))
    return [
        f"**Not in the paper, and in none of these numbers:** {named}, where labels are exact and silent for "
        f"{exact_silent.shown(line)} of {line.n} targets."
        for line in rows_of(rates)
    ]


def accidents(records: pd.DataFrame, judged: pd.DataFrame) -> list[str]:
    """Say whom the two rows that speak for the book accuse in `judged`, what `false_alarms.decided` says of a bank.

    On the data sets and networks of `records` and on others apart, since no rate holds for both. Nothing where the
    bank has none of the former.
    """
    rows = (exact_silent.LABEL_ROW, exact_silent.JOINT_ROW)
    here, others = false_alarms.accidents(judged, records, rows)
    if here.empty:
        return []
    labels, joint = (next(line for line in rows_of(here) if (line.attack, line.criterion) == row) for row in rows)
    beside = others.groupby("attack")[["alarms", "n"]].sum()
    rates = others.groupby("attack").rate
    further = " and ".join(
        f"{beside.alarms[attack]} ({100 * rates.min()[attack]:.0f} to {100 * rates.max()[attack]:.0f}% by data set and "
        "network)"
        for attack, _ in rows
    )
    return [
        f"**How often is that an accident?** Of {labels.n} other models that forgot nothing, of these data sets and "
        f"networks but trained in many ways, the labels accuse {_alarmed(labels)} and joint reach {_alarmed(joint)}. "
        f"It says nothing of other networks, data sets and numbers of classes: of {beside.n.max()} such models they "
        f"accuse {further} ([Controls](chapters/08_controls.ipynb))."
    ]


def _alarmed(line: Any) -> str:
    return f"{line.alarms} ({100 * line.low:.1f} to {100 * line.high:.1f}%)"


def as_published(table: pd.DataFrame) -> list[str]:
    """Say how the published judgement comes out, on targets and on models from which nothing was forgotten.

    What is published is compared only where `table` (of `summary.compare`) holds it.
    """
    lines, printed = rows_of(table), table[table.published.notna()]
    tree = next(line for line in lines if line.criterion == "decision_tree")
    reached = int(reaches(printed.measured, printed.published).sum())
    headline = f"{'Most' if reached > len(printed) / 2 else 'Few'} published rates are reached, and passed."
    alike = tree.measured - tree.placebo <= CLEAR
    recognises = ": it recognises the class of an auxiliary head" if alike else ""
    listed = " and ".join(f"{line.published:.2f}%" for line in lines if line.published < line.chance)
    remark = f", more than the published means of black-box inversion ({listed})" if listed else ""
    compared = [
        f"**{headline}** Of {len(printed)} attack rows, beside the means that {{cite:t}}`zheng2026label` print: "
        f"{sides(printed)}. As printed is what lies within {NEAR:.0f} points, or has the printed mean in its interval."
    ]
    return [
        *(compared if len(printed) else []),
        f"**A high rate need not be a leak.** The decision tree scores {shown(tree, 'measured')} on target models and "
        f"{shown(tree, 'placebo')} on models from which nothing was forgotten{recognises}. The answer that nothing was "
        f"forgotten scores {table.chance.max():.0f}%{remark}.",
    ]


def shown(line: Any, column: str) -> str:
    """Return "95.1% (92.0 to 97.3)" of a line of `compare`, or the mean alone where there is no interval."""
    low, high = ("low", "high") if column == "measured" else (f"{column}_low", f"{column}_high")
    text = f"{getattr(line, column):.1f}%"
    return text if np.isnan(getattr(line, low)) else f"{text} ({getattr(line, low):.1f} to {getattr(line, high):.1f})"


def alternative(table: pd.DataFrame) -> str:
    """Describe the figure in words."""
    highest = rows_of(table.sort_values("placebo", ascending=False, kind="stable"))[0]
    return (
        "Two panels, one line an attack and criterion. Left: success rates judged as published, measured and on the "
        f"placebo, which is highest for {_name(highest)}. Right: how often each is exact and silent, how "
        "often exact, and how often silent on the original model."
    )


def _name(line: Any) -> str:
    return row_name(line.attack, line.criterion)
