"""The front page's sentences: what was found, from records."""

from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.names import PAPER_METHODS, PAPER_ROWS, row_name
from labelleak_lib.paper.published import reaches
from labelleak_lib.results.intervals import CLEAR, ENOUGH
from labelleak_lib.results.markdown import rows_of
from labelleak_lib.results.summary import BLOBS, PROBE, SEARCH, TRIAL, exact_rates

CHEAP_ROWS = (PROBE, BLOBS, ("head_row_sum", "two_means"))


def complete_trials(records: pd.DataFrame) -> pd.DataFrame:
    """Return the records with k = 1 of the trials that have every unlearning method of the paper."""
    one = records[(records.k == 1) & records.unlearning.isin(PAPER_METHODS)]
    return one if one.empty else one[one.groupby(TRIAL).unlearning.transform("nunique") == len(PAPER_METHODS)]


def trials_of(records: pd.DataFrame) -> pd.Series:
    """Return the number of trials of each data set, in the order of `records`."""
    return records.drop_duplicates(TRIAL).groupby("dataset", sort=False).size()


def enough_trials(records: pd.DataFrame) -> pd.DataFrame:
    """Return the records of the data sets that have `ENOUGH` trials."""
    trials = trials_of(records)
    return records[records.dataset.isin(trials[trials >= ENOUGH].index)]


def basis(records: pd.DataFrame, known: pd.DataFrame) -> str:
    """Say what was run, how much of it counts, and which data sets of `known` have too few trials to be shown."""
    cells = records.drop_duplicates([*TRIAL, "unlearning"])
    short = trials_of(known[~known.dataset.isin(records.dataset)])
    remark = f" Too few trials to be counted: {_listed(short)}." if len(short) else ""
    paper = records[records.attack.isin(dict(PAPER_ROWS))]
    rows = {str(name): trials_of(group) for name, group in paper.groupby("attack")}
    fewer = [f"{row_name(name, '')}: {_listed(n)}" for name, n in rows.items() if n.sum() < trials_of(records).sum()]
    remark += f" On fewer trials: {'; '.join(fewer)}." if fewer else ""
    return (
        f"**Basis.** One forgotten class, five unlearning methods, profile `{records.profile.iloc[0]}`: "
        f"{_listed(trials_of(records))}.{remark} "
        f"{int(cells.unlearned.astype(bool).sum())} of {len(cells)} target models count as unlearned; the others are "
        "left out here. Intervals are 95%, over trials."
    )


def _listed(trials: pd.Series) -> str:
    return ", ".join(f"{dataset} ({n} {'trial' if n == 1 else 'trials'})" for dataset, n in trials.items())


def as_published(table: pd.DataFrame) -> list[str]:
    """Say how the published judgement comes out, on targets and on models from which nothing was forgotten."""
    lines = rows_of(table)
    reached = int(reaches(table.measured, table.published).sum())
    tree = next(line for line in lines if line.criterion == "decision_tree")
    headline = f"{'Most' if reached > len(lines) / 2 else 'Few'} published rates are within reach."
    alike = tree.measured - tree.placebo <= CLEAR
    recognises = ": it recognises the class of an auxiliary head" if alike else ""
    listed = " and ".join(f"{line.published:.2f}%" for line in lines if line.published < line.chance)
    remark = f", more than the published means of black-box inversion ({listed})" if listed else ""
    return [
        f"**{headline}** {reached} of {len(lines)} attack rows reach the mean that {{cite:t}}`zheng2026label` print.",
        f"**A high rate need not be a leak.** The decision tree scores {shown(tree, 'measured')} on target models and "
        f"{shown(tree, 'placebo')} on models from which nothing was forgotten{recognises}. The answer that nothing was "
        f"forgotten scores {table.chance.max():.0f}%{remark}.",
    ]


def as_attacker(table: pd.DataFrame) -> list[str]:
    """Say which attacks beat their placebo when no answer is given away and both kinds of class count alike."""
    lines = [line for line in rows_of(table) if (line.attack, line.criterion) in PAPER_ROWS]
    fails = [line for line in lines if (line.excess if np.isnan(line.excess_low) else line.excess_low) <= 0]
    best, names = max(lines, key=lambda line: line.excess), "; ".join(f'"{_name(line)}"' for line in fails)
    rest = f" (not so: {names})" if fails else ""
    headline = "The label does leak." if len(fails) < len(lines) / 2 else "Most attacks find no leak."
    return [
        f"**{headline}** Decided class by class without the answer, {len(lines) - len(fails)} of "
        f"{len(lines)} rows beat their placebo in balanced accuracy{rest}. The largest gap is that of {_name(best)}: "
        f"{shown(best, 'measured')} against {shown(best, 'placebo')}."
    ]


def without_search(table: pd.DataFrame) -> list[str]:
    """Say how far readings that need no search come."""
    cheap = [line for line in rows_of(table) if (line.attack, line.criterion) in CHEAP_ROWS]
    listed = ", ".join(f"{_name(line)} {shown(line, 'measured')} against {line.placebo:.0f}%" for line in cheap)
    headline = "Much of it needs" if max(line.measured for line in cheap) > 75 else "Little can be had with"
    return [
        f"**{headline} no search.** Balanced accuracy of simpler readings, against their placebo: {listed}. An attack "
        "earns its cost only where it beats these ([Controls](chapters/08_controls.ipynb))."
    ]


def by_queries(records: pd.DataFrame) -> list[str]:
    """Say how often the weakest attacker, who can only ask, names the forgotten class and no other."""
    rates = exact_rates(records, *SEARCH)
    headline = "Queries suffice." if rates.target > 0.5 else "Queries alone seldom suffice."
    return [
        f"**{headline}** Black-box inversion with the threshold criterion names the forgotten class, and no "
        f"other, for {100 * rates.target:.0f}% of the targets; on their placebos, which still know that class, for "
        f"{100 * rates.placebo:.0f}%."
    ]


def shown(line: Any, column: str) -> str:
    """Return "95.1% (92.0 to 97.3)" of a line of `compare`, or the mean alone where there is no interval."""
    low, high = ("low", "high") if column == "measured" else (f"{column}_low", f"{column}_high")
    text = f"{getattr(line, column):.1f}%"
    return text if np.isnan(getattr(line, low)) else f"{text} ({getattr(line, low):.1f} to {getattr(line, high):.1f})"


def alternative(table: pd.DataFrame) -> str:
    """Describe the figure in words."""
    highest = max(rows_of(table), key=lambda line: line.placebo)
    return (
        "Two panels, one line an attack and criterion. Left: success rates judged as published, measured and on the "
        f"placebo, which is highest for {_name(highest)}. Right: balanced accuracy of decisions class by class."
    )


def _name(line: Any) -> str:
    return row_name(line.attack, line.criterion)
