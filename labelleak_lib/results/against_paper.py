"""Every published rate beside the measured one, in words: whether it is reached, and why not."""

from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.names import row_name
from labelleak_lib.paper.published import reaches
from labelleak_lib.results.intervals import CLEAR
from labelleak_lib.results.markdown import Markdown, bullets, rows_of, span, with_interval


def at_or_above(table: pd.DataFrame, unlearning: str = "RT") -> pd.DataFrame:
    """Return the lines of one method that have a published rate, with a column `holds`: measured reaches it."""
    lines = table[(table.unlearning == unlearning) & table.published.notna()]
    return lines.assign(holds=reaches(lines.measured, lines.published))


def verdict(table: pd.DataFrame, k: int) -> Markdown:
    """Say for each row whether, at RT, the measured mean lies at or above the published one."""
    lines = at_or_above(table)
    if lines.empty:
        return Markdown(f"The paper prints no rate for k = {k}: there is nothing to compare with.")
    return bullets(
        f"{row_name(line.attack, line.criterion)}: {'yes' if line.holds else '**no**'}" for line in rows_of(lines)
    )


def explanations(table: pd.DataFrame, classes: int) -> Markdown:
    """Return one sentence a row, at RT: see :func:`explain`."""
    sentences = [explain(line, classes) for line in rows_of(at_or_above(table))]
    return bullets(sentences or ["No row has a published rate."])


def explain(line: Any, classes: int) -> str:
    """Say in one sentence how a line of `at_or_above` compares with the published rate and its placebo, and why."""
    name = row_name(line.attack, line.criterion)
    text = f"{name}: {line.measured:.1f}% measured, {line.published:.2f}% published, {line.placebo:.1f}% on the placebo"
    if line.holds:
        beside = "the placebo reaches it too, without any forgetting" if line.placebo >= line.published else ""
        return f"{text}; at or above it{', but ' + beside if beside else ''}."
    return f"{text}; below it, since {'; and '.join(_reasons(line, classes))}."


def _reasons(line: Any, classes: int) -> list[str]:
    reasons = []
    if line.unlearned < 1:
        failed = round((1 - line.unlearned) * line.trials)
        reasons.append(f"the target does not count as unlearned in {failed} of {line.trials} trials")
    short, worth = line.published - line.measured, 100 / (classes * line.trials)
    if line.attack.endswith("inversion") and short < worth:
        reasons.append(f"one class of one trial is worth {worth:.1f} points, and only all classes right would reach it")
    if not np.isnan(line.high) and line.high >= line.published:
        reasons.append("the difference lies within the interval over trials")
    if line.auc > 0.995:
        reasons.append("the evidence ranks forgotten classes first, but the criterion draws the line elsewhere")
    elif not np.isnan(line.auc):
        reasons.append(f"the evidence itself does not separate the two kinds (AUC {line.auc:.2f})")
    return reasons or ["its evidence holds no finite score to look into"]


def with_verdicts(frame: pd.DataFrame) -> pd.DataFrame:
    """Add to the lines of :func:`leakage.success_frame` that have a published value where the interval lies from it.

    The column ``verdict`` is "above" (the whole interval), "below", "around", or "no interval" (a single trial, or
    equal values).
    """
    lines = frame[frame.published.notna()]
    cases = [lines.low.isna(), lines.low > lines.published, lines.high < lines.published]
    return lines.assign(verdict=np.select(cases, ["no interval", "above", "below"], default="around"))


def verdict_counts(lines: pd.DataFrame) -> pd.DataFrame:
    """Count verdicts by number of forgotten classes and attack row: one line each, columns above, around, below."""
    order = ["above", "around", "below", "no interval"]
    row = [row_name(a, c) for a, c in zip(lines.attack, lines.criterion, strict=True)]
    counted = lines.assign(row=row).groupby(["dataset", "k", "row"], sort=False).verdict.value_counts().unstack()
    return counted.reindex(columns=order).fillna(0).astype(int).reset_index()


def misses(lines: pd.DataFrame) -> list[str]:
    """Say, for every group of cells whose interval misses the published value, on which side and what goes with it.

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
    if len(matched) == len(found):
        reasons.append("the placebo passes what is published as well, without any forgetting")
    elif len(matched):
        reasons.append(f"so does the placebo for {', '.join(matched.unlearning)}")
    else:
        reasons.append(f"the placebo stays below it, at {span(found.placebo, '.0f', '%')}")
    return reasons


def _below(found: pd.DataFrame) -> list[str]:
    reasons, failed = [], found[found.unlearned < 1]
    if len(failed):
        reasons.append(f"some targets do not count as unlearned for {', '.join(failed.unlearning)}")
    ranked = found[found.auc > 0.99]
    if len(ranked):
        reasons.append(f"the evidence ranks forgotten classes first (AUC) for {', '.join(ranked.unlearning)}")
    if len(ranked) < len(found):
        rest = found[~(found.auc > 0.99)]
        reasons.append(f"AUC {span(rest.auc, '.2f')} for {', '.join(rest.unlearning)}")
    return reasons


def conclusions(table: pd.DataFrame) -> pd.DataFrame:
    """Say of every row of :func:`summary.compare` what its success rate is worth: a leak, or what the placebo has too.

    ``row published measured placebo excess reading``, as text; percent, the excess in points.
    """
    lines = rows_of(table)
    above = [line.excess if np.isnan(line.excess_low) else line.excess_low for line in lines]
    return pd.DataFrame({
        "row": [row_name(line.attack, line.criterion) for line in lines],
        "published": ["" if np.isnan(line.published) else f"{line.published:.2f}" for line in lines],
        "measured": [with_interval(line.measured, line.low, line.high) for line in lines],
        "placebo": [with_interval(line.placebo, line.placebo_low, line.placebo_high) for line in lines],
        "excess": [with_interval(line.excess, line.excess_low, line.excess_high, sign=True) for line in lines],
        "reading": [
            "no more than its placebo" if low <= 0 else "a leak" if low >= CLEAR else "a leak, hardly above its placebo"
            for low in above
        ],
    })  # fmt: skip
