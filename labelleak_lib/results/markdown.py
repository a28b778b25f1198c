"""Text, tables and tabs for the book, in Markdown."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.data.class_names import escaped as escaped


class Markdown(str):
    """Text that a notebook shows as Markdown; its repr is the text itself."""

    __repr__ = _repr_markdown_ = str.__str__


def with_interval(mean: float, low: float, high: float, *, sign: bool = False) -> str:
    r"""Return mean and interval, with a space that does not break inside; the mean alone where there is no interval.

    Empty where there is no mean. All in percent: a rate's interval is cut to 0 .. 100, that of a difference (`sign`)
    to -100 .. 100.

    >>> with_interval(97.5, 95.0, 99.12)
    '97.5 (95.0,\xa099.1)'
    >>> with_interval(3.0, float("nan"), float("nan"), sign=True)
    '+3.0'
    """
    low, high = np.clip([low, high], -100 if sign else 0, 100)
    if np.isnan(mean):
        return ""
    middle, least, most = (signed(x) if sign else f"{x:.1f}" for x in (mean, low, high))
    return middle if np.isnan(low) else f"{middle} ({least},\u00a0{most})"


def signed(change: float, digits: int = 1) -> str:
    """Write a change with its sign; one that is too small to be printed is not negative.

    >>> signed(-0.04), signed(-0.06), signed(0.0004, 3)
    ('+0.0', '-0.1', '+0.000')
    """
    return f"{round(float(change), digits) + 0.0:+.{digits}f}"


def span(values: pd.Series, form: str = ".0f", unit: str = "") -> str:
    """Write the least and the largest of `values`, once where they are written alike.

    >>> span(pd.Series([2, 1, 2])), span(pd.Series([49.6, 50.4]), ".0f", "%")
    ('1 to 2', '50%')
    """
    low, high = f"{values.min():{form}}", f"{values.max():{form}}"
    return f"{low}{unit}" if low == high else f"{low} to {high}{unit}"


def rows_of(table: pd.DataFrame) -> list[Any]:
    """Return the rows of `table` as named tuples."""
    return list(table.itertuples(index=False))


def bullets(sentences: Iterable[str]) -> Markdown:
    """Return one bullet a sentence."""
    return Markdown("\n".join(f"- {sentence}" for sentence in sentences))


def summary_of(thing: Any) -> str:
    """Return the first line of what a class or a module says of itself, with symbols set as math."""
    return (inspect.getdoc(thing) or "").partition("\n")[0].replace("M_o", "$M_o$")


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
