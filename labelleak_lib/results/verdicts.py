"""Whether a measured rate reaches the published one, and why not, in sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.names import row_name
from labelleak_lib.paper.published import reaches
from labelleak_lib.results.markdown import Markdown


def at_or_above(table: pd.DataFrame, unlearning: str = "RT") -> pd.DataFrame:
    """Return the lines of one method that have a published rate, with a column `holds`: measured reaches it."""
    lines = table[(table.unlearning == unlearning) & table.published.notna()]
    return lines.assign(holds=reaches(lines.measured, lines.published))


def verdict(table: pd.DataFrame, k: int) -> Markdown:
    """Say for each row whether, at RT, the measured mean lies at or above the published one."""
    lines = at_or_above(table)
    if lines.empty:
        return Markdown(f"The paper prints no rate for k = {k}: there is nothing to compare with.")
    answers = zip(lines.attack, lines.criterion, lines.holds, strict=True)
    return Markdown("\n".join(f"- {row_name(a, c)}: {'yes' if holds else '**no**'}" for a, c, holds in answers))


def explanations(table: pd.DataFrame, classes: int) -> Markdown:
    """Return one sentence a row, at RT: see :func:`explain`."""
    lines = [explain(line, classes) for line in at_or_above(table).itertuples(index=False)]
    return Markdown("\n".join(f"- {line}" for line in lines or ["No row has a published rate."]))


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
