"""Chapter 10: what is exact and silent behind each defence, and what that costs."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from labelleak_lib.figures.layout import BASELINE, PALETTE, bottom_legend, counted, grid, nothing_stored

MARKS = dict(zip("os^Dv", PALETTE, strict=False))
"""Marker and colour of each method."""
DARK = 0.55
"""Share from which a number stands in white."""


def heat_map(table: pd.DataFrame, titles: Mapping[str, str], columns: Mapping[str, str]) -> Figure:
    """Draw the share that is exact and silent by defence and access, one panel a method, the panels below one another.

    Parameters
    ----------
    table : DataFrame
        Of `results.defended.by_access`; a share of an attack that knows the defence is framed, and one of at most half
        has a star where an attack ranks the class first.
    titles : mapping
        What the rows are called, by the defence's name.
    columns : mapping
        What the columns are called, by the access, in the order in which they stand.
    """
    if table.empty:
        return nothing_stored("defences are")
    groups = list(table.groupby("unlearning", sort=False))
    heights = [group.defence.nunique() for _, group in groups]
    size = (6.4, 0.36 * sum(heights) + 0.5 * len(groups) + 1.3)
    figure, axes = grid(len(groups), 1, size, sharex=True, height_ratios=heights)
    for ax, (code, group) in zip(axes[:, 0], groups, strict=True):
        image = _panel(ax, group, titles, list(columns))
        ax.set_title(f"{_given(str(code))} ({counted(group.n)})", fontsize=12)
    axes[-1, 0].set_xticks(range(len(columns)), list(columns.values()), rotation=40, ha="right", fontsize=11)
    figure.colorbar(image, ax=axes, location="top", aspect=40, label="exact and silent, % of n targets")
    return figure


def _given(code: str) -> str:
    return "handed the original model" if code == "alone" else f"after {code}"


def _panel(ax: Axes, group: pd.DataFrame, titles: Mapping[str, str], columns: list[str]) -> AxesImage:
    rows = list(dict.fromkeys(group.defence))
    share = group.pivot(index="defence", columns="access", values="both").reindex(rows, columns=columns)
    image = ax.imshow(100 * share, vmin=0, vmax=100, cmap="Reds", aspect="auto", interpolation="nearest")
    ax.set_yticks(range(len(rows)), [titles[name] for name in rows], fontsize=11)
    ax.grid(visible=False)
    ax.set_facecolor("0.9")
    for access, defence, both, special, ranks in group[["access", "defence", "both", "special", "ranks"]].to_numpy():
        x, y = columns.index(access), rows.index(defence)
        colour = "white" if both > DARK else "black"
        text = f"{100 * both:.0f}" + "*" * (ranks and both <= 0.5)
        ax.text(x, y, text, ha="center", va="center", fontsize=11, color=colour)
        if special:
            ax.add_patch(Rectangle((x - 0.45, y - 0.42), 0.9, 0.84, fill=False, edgecolor="black", linewidth=2))
    return image


def price_and_leak(points: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Draw what each defence costs in points of accuracy, and what the strongest attack still gets.

    `points` is of `results.defended.cost_and_leak`; those are named that leak on at most half of the targets, or that
    cost more than a point.
    """
    if points.empty:
        return nothing_stored("defences are")
    figure, [[ax]] = grid(1, 1, (6.4, 4.6))
    rng = np.random.default_rng(0)
    for (code, group), (mark, colour) in zip(points.groupby("unlearning", sort=False), MARKS.items(), strict=False):
        # dots that coincide stay visible
        y = 100 * group.both + rng.uniform(-1.5, 1.5, len(group))
        ax.plot(group.points, y, mark, color=colour, alpha=0.7, markersize=8, label=_given(str(code)))
    named = points[(points.both <= 0.5) | (points.points > 1)]
    least, most = points.points.min(), points.points.max()
    codes = list(dict.fromkeys(points.unlearning))
    for name, code, x, both in named[["defence", "unlearning", "points", "both"]].to_numpy():
        # names lie inside the panel, and in its middle those of one method out of the way of the next one's
        third = 3 * (x - least) / max(most - least, 1e-9)
        side, shift = ("right", -6) if third > 2 or (third > 1 and codes.index(code) % 2) else ("left", 6)
        ax.annotate(titles[name], (x, 100 * both), (shift, 6), textcoords="offset points", ha=side, fontsize=11)
    ax.axhline(100 * points.chance.min(), **BASELINE)
    ax.set(xlabel="points of accuracy lost", ylabel="exact and silent, %,\nby the strongest attack", ylim=(-5, 113))
    return bottom_legend(figure, [ax], f"targets a mark: {counted(points.n)}")
