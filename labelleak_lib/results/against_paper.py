"""Every published rate beside the measured one, in words: on which side it lies, and what goes with that."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from labelleak_lib.criteria.heads import HeadCriterion
from labelleak_lib.names import DATASET_ORDER, PAPER_ROWS, ordered, row_name
from labelleak_lib.paper.published import NEAR
from labelleak_lib.registry import CRITERIA
from labelleak_lib.results import exact_silent
from labelleak_lib.results.exact_silent import MOST
from labelleak_lib.results.intervals import LEVEL, clopper_pearson_p, holm
from labelleak_lib.results.markdown import Markdown, bullets, numbered, rows_of, span, tabs, with_interval
from labelleak_lib.results.summary import compare, of_the_paper

SIDES = ("as printed", "higher", "lower")
AGREED = 1e-9
"""Percentage points of standard error up to which trials count as equal."""


def verdict(records: pd.DataFrame, rows: Sequence[tuple[str, str]], k: int = 1) -> Markdown:
    """Say for each row on which side of the published rate, at RT, its mean over the paper's data sets lies.

    Of targets that pass the gate; data sets weigh alike. The sentence also says where the placebo reaches it too.
    """
    retrained = of_the_paper(records[(records.unlearning == "RT") & (records.k == k)])
    if retrained.empty:
        return Markdown(f"No long runs of the paper's data sets are committed for k = {k}.")
    every = ", ".join(ordered(retrained.dataset, DATASET_ORDER))
    said = [explain(line, retrained) for line in rows_of(compare(retrained, "asr", "paper", rows, "RT"))]
    return Markdown(f"k = {k}, after retraining alone (RT), mean over {every}:\n\n{bullets(said)}")


def explain(line: Any, records: pd.DataFrame) -> str:
    """Say how a line of `summary.compare` of some `records` compares with the published rate and with its placebo.

    And on which data sets alone it rests, where that is not all of them.
    """
    own = records[(records.attack == line.attack) & (records.criterion == line.criterion)].dataset
    there, every = (ordered(names, DATASET_ORDER) for names in (own, records.dataset))
    return _compared(line) + (f" On {', '.join(there)} alone." if there != every else "")


def _compared(line: Any) -> str:
    name = row_name(line.attack, line.criterion)
    # by class there is no placebo that informs
    control = "" if np.isnan(line.placebo) else f", {line.placebo:.1f}% on the placebo"
    if np.isnan(line.published):
        return f"{name}: {line.measured:.1f}% measured{control}; nothing is published."
    text = f"{line.measured:.1f}% measured, {line.published:.2f}% published{control}"
    beside = "; the placebo reaches what is published too, without any forgetting" * (line.placebo >= line.published)
    return f"{name}: **{side(line)}**. {text}{beside}."


def side(line: Any) -> str:
    """Return where a line of `summary.compare` lies from what is published: one of `SIDES`.

    As printed is what differs by no more than `NEAR` points, or has the published value within its interval.
    """
    if abs(line.measured - line.published) <= NEAR or line.low <= line.published <= line.high:
        return SIDES[0]
    return SIDES[1] if line.measured > line.published else SIDES[2]


def sides(table: pd.DataFrame) -> str:
    """Count the lines of `summary.compare` on each side: "2 as printed, 5 higher (by 8 to 21 points), 0 lower"."""
    lines = rows_of(table[table.published.notna()])
    told = []
    for wanted in SIDES:
        off = pd.Series([abs(line.measured - line.published) for line in lines if side(line) == wanted], dtype=float)
        by = f" (by {span(off, '.0f')} points)" if wanted != SIDES[0] and len(off) else ""
        told.append(f"{len(off)} {wanted}{by}")
    return ", ".join(told)


def with_verdicts(frame: pd.DataFrame) -> pd.DataFrame:
    """Add to the lines of :func:`leakage.success_frame` that have a published value where the interval lies from it.

    The column ``verdict`` is "above" or "below" where Student's test tells the measured mean from the published value,
    "not told apart" where it does not, and "no interval" below `intervals.ENOUGH` trials that pass the gate. Trials
    that all agree have no deviation to test by: there Clopper and Pearson's test decides, with a trial for one outcome,
    which needs a published value far away; where it does not tell, the verdict is "all trials equal". ``p`` is the
    value after Holm's correction over all lines.
    """
    lines = frame[frame.published.notna() & frame.measured.notna()]
    tested = lines.low.notna()
    freedom = (lines.unlearned * lines.trials).round() - 1
    error = (lines.high - lines.measured) / stats.t.ppf(0.5 + LEVEL / 2, freedom.where(tested))
    # what trials that all agree leave of an error is rounding
    agreed = error <= AGREED
    t = (lines.measured - lines.published).abs() / error.mask(agreed)
    p = pd.Series(2 * stats.t.sf(t, freedom.where(tested)), lines.index)
    alike = lines[agreed].assign(n=freedom + 1)
    p[agreed] = [clopper_pearson_p(x.measured / 100 * x.n, x.n, x.published / 100) for x in rows_of(alike)]
    p[tested] = holm(p[tested])
    beyond = np.where(lines.measured > lines.published, "above", "below")
    verdicts = np.select(
        [~tested, p < 1 - LEVEL, agreed], ["no interval", beyond, "all trials equal"], default="not told apart"
    )
    return lines.assign(p=p, verdict=verdicts)


def verdict_counts(lines: pd.DataFrame) -> pd.DataFrame:
    """Count verdicts by data set, number of forgotten classes and attack row: one column a verdict."""
    order = ["above", "not told apart", "below", "all trials equal", "no interval"]
    row = [row_name(a, c) for a, c in zip(lines.attack, lines.criterion, strict=True)]
    counted = lines.assign(row=row).groupby(["dataset", "k", "row"], sort=False).verdict.value_counts().unstack()
    return counted.reindex(columns=order).fillna(0).astype(int).reset_index()


def misses(lines: pd.DataFrame) -> list[str]:
    """Say, for every group of cells that differ from the published value, on which side and what goes with it.

    The `lines` are those of :func:`with_verdicts`.
    """
    sentences = []
    for (dataset, k, attack, criterion), group in lines.groupby(["dataset", "k", "attack", "criterion"], sort=False):
        for side in ("above", "below"):
            found = group[group.verdict == side]
            if len(found):
                name = f"{dataset}, k = {k}, {row_name(str(attack), str(criterion))}"
                reasons = _above(found) if side == "above" else _below(found)
                sentences.append(f"{name}: {side} for {', '.join(found.unlearning)}; {'; '.join(reasons)}.")
    return sentences


def _above(found: pd.DataFrame) -> list[str]:
    chance, reasons = float(found.baseline.iloc[0]), []
    if (found.published < chance).all():
        reasons.append(f"what is published lies below the {chance:.0f}% of an answer that looks at nothing")
    matched = found[found.placebo >= found.published]
    if found.placebo.isna().all():
        nothing = f"the {chance:.0f}% of an answer that looks at nothing"
        return reasons or [f"what is published is {span(found.published, '.1f', '%')}, {nothing} below it"]
    if len(matched) == len(found):
        reasons.append("the placebo passes what is published as well, without any forgetting")
    elif len(matched):
        reasons.append(f"so does the placebo for {', '.join(matched.unlearning)}")
    else:
        reasons.append(f"the placebo stays below it, at {span(found.placebo, '.0f', '%')}")
    return reasons


def _below(found: pd.DataFrame) -> list[str]:
    reasons, ranked = [], found[found.auc > 0.99]
    if len(ranked):
        reasons.append(f"the evidence ranks forgotten classes first (AUC) for {', '.join(ranked.unlearning)}")
    if len(ranked) < len(found):
        rest = found[~(found.auc > 0.99)]
        reasons.append(f"AUC {span(rest.auc, '.2f')} for {', '.join(rest.unlearning)}")
    return reasons


def conclusions(records: pd.DataFrame, rows: Sequence[tuple[str, str]] = PAPER_ROWS) -> pd.DataFrame:
    """Say of every row what it is worth on `records` of one number of classes: whether it is exact and silent.

    ``row``, ``exact and silent %``, the success rate as published with and without the gate, what is published, and
    ``placebo %`` of rows judged head by head, all as text; of targets that pass the gate unless it says otherwise.
    """
    rates, worth = compare(records, "asr", "paper", rows), exact_silent.table(records, rows)
    lines = {(line.attack, line.criterion): line for line in rows_of(rates)}
    table = pd.DataFrame([_conclusion(line, lines[line.attack, line.criterion]) for line in rows_of(worth)])
    return table if rates.published.notna().any() or table.empty else table.drop(columns="published %")


def conclusions_by_set(records: pd.DataFrame, prefix: str, rows: Sequence[tuple[str, str]] = PAPER_ROWS) -> Markdown:
    """Return one tab a data set with its numbered `conclusions`, labelled ``<prefix>-<place of the tab>``.

    By place, since the name of a reader's own data set may be no label.
    """
    panels = {}
    for place, (name, own) in enumerate(records.groupby("dataset", sort=False), 1):
        targets = span(exact_silent.table(own, rows).n)
        caption = f"What each row is worth, percent; {name}, k = {span(own.k)}, targets a row: {targets}"
        text = conclusions(own, rows).to_markdown(index=False, disable_numparse=True)
        panels[str(name)] = numbered(text, caption, f"{prefix}-{place}")
    return tabs(panels)


def _conclusion(worth: Any, rate: Any) -> dict[str, str]:
    by_head = issubclass(CRITERIA[rate.criterion], HeadCriterion)
    return {
        "row": row_name(worth.attack, worth.criterion),
        "exact and silent %": with_interval(100 * worth.both, 100 * worth.low, 100 * worth.high),
        "exact %": f"{100 * worth.exact:.0f}", "silent %": f"{100 * worth.silent:.0f}",
        "success rate %": with_interval(rate.measured, rate.low, rate.high), "ungated %": f"{rate.ungated:.1f}",
        "published %": "" if np.isnan(rate.published) else f"{rate.published:.2f}",
        "placebo %": with_interval(rate.placebo, rate.placebo_low, rate.placebo_high) if by_head else "",
        "reading": reading(worth),
    }  # fmt: skip


def reading(worth: Any) -> str:
    """Say what a line of `exact_silent.table` is worth, by whether it is exact and silent in more than half."""
    if worth.both > MOST:
        return "a leak: mostly exact and silent"
    if worth.exact > MOST:
        return "mostly exact, but accuses where nothing was forgotten"
    return "mostly misses the set"
