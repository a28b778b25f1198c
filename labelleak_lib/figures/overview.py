"""Figures of the front page and of chapter 00: the leak in one picture, and every attack beside its placebo."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from labelleak_lib.figures.layout import (
    BASELINE,
    DIAMOND,
    KINDS,
    PALETTE,
    class_labels,
    counted,
    grid,
    label_outer,
    nothing_stored,
    reach,
)
from labelleak_lib.names import row_name

MEASURED_COLOUR, PLACEBO_COLOUR = PALETTE[0], "0.55"


def probability_maps(
    maps: Mapping[str, NDArray[np.floating]], names: Sequence[str], forgotten: Sequence[int]
) -> Figure:
    """Draw matrices of probabilities, two in a row; the rows of forgotten classes are pointed at.

    The `maps` are by title, float (C, C): row c holds the probabilities that a model gives for samples of class c.
    """
    rows = -(-len(maps) // 2)
    figure, axes = grid(rows, 2, (7.2, 3.2 * rows + 0.4), sharex=True, sharey=True)
    for ax, (title, values) in zip(axes.flat, maps.items(), strict=False):
        image = ax.imshow(values, vmin=0, vmax=1, cmap="viridis", interpolation="nearest")
        ax.set_title(title, fontsize=11)
        ax.grid(visible=False)
        for c in forgotten:
            ax.plot([-1.1], [c], ">", color=KINDS["forgotten"], clip_on=False, markersize=8)
        ax.set_xlim(-0.5, len(names) - 0.5)
    if len(names) <= 20:  # more names would run into each other
        short = class_labels(names, 8)
        for ax in axes.flat:
            ax.set_xticks(range(len(names)), short, rotation=90 if max(map(len, short)) > 2 else 0)
            ax.set_yticks(range(len(names)), short)
            ax.tick_params(axis="y", pad=12)
    label_outer(axes, "class answered", "class of the sample")
    figure.colorbar(image, ax=axes, shrink=0.6, label="probability (one model a matrix)")
    return figure


def attack_rows(panels: Mapping[str, pd.DataFrame], units: Sequence[str]) -> Figure:
    """Draw each attack x criterion row as a line: measured and placebo with 95% intervals, published, chance.

    The `panels` are those of `worth.judged_both_ways`; NaN where there is no value. A ring stands at the rate without
    the gate, and in the second panel at the share named exactly. The rows of the first stand on
    top, those that only later ones have below. `units` label the horizontal axes.
    """
    if all(table.empty for table in panels.values()):
        return nothing_stored("records are")
    keys = list(dict.fromkeys(key for table in panels.values() for key in _keys(table)))
    size = (min(8.0, 2.4 + 2.2 * len(panels)), 0.4 * len(keys) + 1.5)
    figure, [axes] = grid(1, len(panels), size, sharey=True)
    for ax, (title, table), unit in zip(axes, panels.items(), units, strict=True):
        _rows(ax, table, [keys.index(key) for key in _keys(table)])
        ax.set_title(f"{title}\n(trials a row: {counted(table.trials)})", fontsize=10)
        ax.set(xlabel=unit, xlim=(-3, 103), ylim=(len(keys) - 0.5, -0.5))
        ax.grid(axis="x", alpha=0.5)
        ax.grid(visible=False, axis="y")
    axes[0].set_yticks(range(len(keys)), [row_name(*key) for key in keys])
    handles = [Line2D([], [], color=MEASURED_COLOUR, marker="o", label="measured on $M_u$ (right: exact and silent)")]
    ring = Line2D([], [], marker="o", markerfacecolor="none", linestyle="none", color=MEASURED_COLOUR)
    ring.set_label("the same, ungated (right: named exactly)")
    handles.append(ring)
    handles.append(Line2D([], [], color=PLACEBO_COLOUR, marker="s", label="same attack on $M_o$ (right: silent there)"))
    if any("published" in table and table.published.notna().any() for table in panels.values()):
        handles.append(Line2D([], [], markersize=7, label="published", **DIAMOND))
    handles.append(Line2D([], [], label="answer that looks at nothing", **BASELINE))
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _keys(table: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(table.attack, table.criterion, strict=True))


def _rows(ax: Axes, table: pd.DataFrame, at: Sequence[int]) -> None:
    y = np.array(at, dtype=float)
    if "published" in table:
        ax.plot(table.published, y, markersize=7, zorder=2, **DIAMOND)
    for column, low, high, shift, colour, mark in (
        ("placebo", "placebo_low", "placebo_high", 0.17, PLACEBO_COLOUR, "s"),
        ("measured", "low", "high", -0.17, MEASURED_COLOUR, "o"),
    ):
        values = table[column].to_numpy(float)
        if column == "measured":
            apart = ~np.isclose(table.ungated, values)
            ax.plot(table.ungated.where(apart), y + shift, "o", color=colour, markerfacecolor="none", markersize=6)
        bars = reach(values, table[low], table[high])
        ax.errorbar(values, y + shift, xerr=bars, fmt=mark, color=colour, markersize=6, capsize=2, zorder=3)
    ax.vlines(table.chance, y - 0.42, y + 0.42, zorder=1, **{f"{name}s": value for name, value in BASELINE.items()})
