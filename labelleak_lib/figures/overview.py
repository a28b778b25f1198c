"""Figures of the front page and of chapter 00: the leak in one picture, and every attack beside its placebo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from labelleak_lib.figures.style import DIAMOND, FORGOTTEN_COLOUR, NOTHING, PALETTE, PLACEBO_COLOUR, use_style
from labelleak_lib.names import row_name

MEASURED_COLOUR = PALETTE[0]
SHIFT = 0.17
READABLE = 20
"""Largest number of classes whose names are written along an axis."""


def probability_maps(
    maps: Mapping[str, NDArray[np.floating]], names: Sequence[str], forgotten: Sequence[int]
) -> Figure:
    """Draw matrices of probabilities, two in a row; the rows of forgotten classes are pointed at.

    Parameters
    ----------
    maps : mapping of str to ndarray
        Title, and float (C, C): row c holds the probabilities that a model gives for samples of class c.
    names : sequence of str
        Of the C classes.
    forgotten : sequence of int
        Indices of the forgotten classes.
    """
    use_style()
    rows = -(-len(maps) // 2)
    figure, grid = plt.subplots(rows, 2, figsize=(7.2, 3.2 * rows + 0.4), sharex=True, sharey=True, squeeze=False)
    for ax, (title, values) in zip(grid.flat, maps.items(), strict=False):
        image = ax.imshow(values, vmin=0, vmax=1, cmap="viridis", interpolation="nearest")
        ax.set_title(title, fontsize=11)
        ax.grid(visible=False)
        for c in forgotten:
            ax.plot([-1.1], [c], ">", color=FORGOTTEN_COLOUR, clip_on=False, markersize=8)
        ax.set_xlim(-0.5, len(names) - 0.5)
    if len(names) <= READABLE:
        short = [name[:8] for name in names]
        for ax in grid.flat:
            ax.set_xticks(range(len(names)), short, rotation=90 if max(map(len, short)) > 2 else 0)
            ax.set_yticks(range(len(names)), short)
            ax.tick_params(axis="y", pad=12)
    for ax in grid[-1]:
        ax.set_xlabel("class answered")
    for ax in grid[:, 0]:
        ax.set_ylabel("class of the sample")
    figure.colorbar(image, ax=grid, shrink=0.6, label="probability")
    return figure


def attack_rows(panels: Mapping[str, pd.DataFrame], units: Sequence[str]) -> Figure:
    """Draw each attack x criterion row as a line: measured and placebo with 95% intervals, published, chance.

    Parameters
    ----------
    panels : mapping of str to DataFrame
        Title, and lines with columns ``attack criterion measured low high placebo placebo_low placebo_high chance`` in
        percent and, where the paper prints one, ``published``; NaN where there is no value. The rows of the first
        panel stand on top, those that only later panels have below.
    units : sequence of str
        Label of each panel's horizontal axis.
    """
    use_style()
    keys = list(dict.fromkeys(key for table in panels.values() for key in _keys(table)))
    size = (min(8.0, 2.4 + 2.2 * len(panels)), 0.4 * len(keys) + 1.5)
    figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    for ax, (title, table), unit in zip(axes[0], panels.items(), units, strict=True):
        _rows(ax, table, [keys.index(key) for key in _keys(table)])
        ax.set_title(title, fontsize=11)
        ax.set(xlabel=unit, xlim=(-3, 103), ylim=(len(keys) - 0.5, -0.5))
        ax.grid(axis="x", alpha=0.5)
        ax.grid(visible=False, axis="y")
    axes[0][0].set_yticks(range(len(keys)), [row_name(*key) for key in keys])
    published = any("published" in table and table.published.notna().any() for table in panels.values())
    figure.legend(handles=_legend(published), loc="outside lower center", ncols=2)
    return figure


def _keys(table: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(table.attack, table.criterion, strict=True))


def _rows(ax: Axes, table: pd.DataFrame, at: Sequence[int]) -> None:
    y = np.array(at, dtype=float)
    if "published" in table:
        ax.plot(table.published, y, markersize=7, zorder=2, **DIAMOND)
    for column, low, high, shift, colour, mark in (
        ("placebo", "placebo_low", "placebo_high", SHIFT, PLACEBO_COLOUR, "s"),
        ("measured", "low", "high", -SHIFT, MEASURED_COLOUR, "o"),
    ):
        values = table[column].to_numpy(float)
        reach = np.nan_to_num([values - table[low], table[high] - values]).clip(0)
        ax.errorbar(values, y + shift, xerr=reach, fmt=mark, color=colour, markersize=6, capsize=2, zorder=3)
    ax.vlines(table.chance, y - 0.42, y + 0.42, zorder=1, **_line(NOTHING))


def _line(style: Mapping[str, Any]) -> dict[str, Any]:
    names = {"color": "colors", "linestyle": "linestyles", "linewidth": "linewidths"}
    return {names[name]: value for name, value in style.items()}


def _legend(published: bool) -> list[Line2D]:
    handles = [
        Line2D([], [], color=MEASURED_COLOUR, marker="o", label="measured on $M_u$"),
        Line2D([], [], color=PLACEBO_COLOUR, marker="s", label="placebo: same attack on $M_o$"),
    ]
    if published:
        handles.append(Line2D([], [], markersize=7, label="published", **DIAMOND))
    return [*handles, Line2D([], [], label="answer that looks at nothing", **NOTHING)]
