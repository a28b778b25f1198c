"""Text, tables and tabs for the book, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd


class Markdown(str):
    """Text that a notebook shows as Markdown; its repr is the text itself."""

    def __repr__(self) -> str:
        return str(self)

    def _repr_markdown_(self) -> str:
        return str(self)


def with_interval(mean: float, low: float, high: float, *, sign: bool = False) -> str:
    """Return "97.5 (95.0, 99.1)", with a space that does not break inside, or the mean alone without an interval."""
    form = "+.1f" if sign else ".1f"
    return f"{mean:{form}}" if np.isnan(low) else f"{mean:{form}} ({low:{form}},\u00a0{high:{form}})"


def span(values: pd.Series, form: str = ".0f", unit: str = "") -> str:
    """Write the least and the largest of `values`, once where they are written alike."""
    low, high = f"{values.min():{form}}", f"{values.max():{form}}"
    return f"{low}{unit}" if low == high else f"{low} to {high}{unit}"


def numbered(text: str, caption: str | None, name: str | None) -> Markdown:
    """Wrap a Markdown table so that the book numbers it under the label `name`; plain if either is missing."""
    if caption is None or name is None:
        return Markdown(text)
    return Markdown(f":::{{table}} {caption}\n:name: {name}\n\n{text}\n:::")


def tabs(panels: Mapping[str, str]) -> Markdown:
    """Return one tab a panel, by title; a sentence where there is none."""
    if not panels:
        return Markdown("No long runs are committed yet.")
    # more colons than a numbered table's, which may stand inside
    items = [f"::::{{tab-item}} {title}\n{text}\n::::" for title, text in panels.items()]
    return Markdown("\n".join([":::::{tab-set}", *items, ":::::"]))
