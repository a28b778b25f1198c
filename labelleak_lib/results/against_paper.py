"""Every published rate beside the measured one, in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.names import row_name
from labelleak_lib.results.markdown import span, with_interval

CLEAR = 5.0
"""Points above the placebo from which on an excess is called clear."""
_GROUP = ["dataset", "k", "attack", "criterion"]


def with_verdicts(frame: pd.DataFrame) -> pd.DataFrame:
    """Add a column `verdict`: where the measured interval lies, seen from the published value.

    Parameters
    ----------
    frame : DataFrame
        Of :func:`success.success_frame`.

    Returns
    -------
    DataFrame
        The lines that have a published value, with `verdict` "above" (the whole interval), "below", "around", or
        "no interval" (a single trial, or equal values).
    """
    lines = frame[frame.published.notna()]
    choices = {
        "no interval": lines.low.isna(),
        "above": lines.low > lines.published,
        "below": lines.high < lines.published,
    }
    return lines.assign(verdict=np.select(list(choices.values()), list(choices), default="around"))


def verdict_counts(lines: pd.DataFrame) -> pd.DataFrame:
    """Count verdicts by number of forgotten classes and attack row: one line each, columns above, around, below."""
    order = ["above", "around", "below", "no interval"]
    row = [row_name(a, c) for a, c in zip(lines.attack, lines.criterion, strict=True)]
    counted = lines.assign(row=row).groupby(["dataset", "k", "row"], sort=False).verdict.value_counts().unstack()
    return counted.reindex(columns=order).fillna(0).astype(int).reset_index()


def explanations(lines: pd.DataFrame) -> list[str]:
    """Say, for every group of cells whose interval misses the published value, on which side and what goes with it.

    Parameters
    ----------
    lines : DataFrame
        Of :func:`with_verdicts`.
    """
    sentences = []
    for (dataset, k, attack, criterion), group in lines.groupby(_GROUP, sort=False):
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
    """Say of every attack row what its success rate is worth: most of it leakage, or what the placebo has as well.

    Parameters
    ----------
    table : DataFrame
        Of :func:`summary.compare`.

    Returns
    -------
    DataFrame
        ``row published measured placebo excess reading``, as text; percent, the excess in points.
    """
    lines: list[Any] = list(table.itertuples(index=False))
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
