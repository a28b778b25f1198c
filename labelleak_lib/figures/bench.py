"""The figure of the speed page."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from labelleak_lib.figures.layout import PAGE, PALETTE, grid


def figure(frame: pd.DataFrame) -> Figure:
    """Draw every comparison: how many times our time a peer takes, and how many times the bare work's time we take."""
    panels = {"peer": "a peer's time / this library's time", "bare": "this library's time / bare computation's time"}
    chosen = {role: frame[frame.role == role] for role in panels}
    heights = [len(part) + 1 for part in chosen.values()]
    drawn, axes = grid(2, 1, (PAGE, 0.36 * sum(heights) + 1.6), height_ratios=heights)
    for ax, (role, part) in zip(axes.flat, chosen.items(), strict=True):
        _dots(ax, part, panels[role])
    drawn.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, columnspacing=1.0)
    return drawn


def _dots(ax: Axes, part: pd.DataFrame, label: str) -> None:
    y = np.arange(len(part))[::-1]
    kinds = (
        ("yes", "target met", PALETTE[0], "o"),
        ("no", "target missed", PALETTE[3], "s"),
        ("", "no target", "0.45", "D"),
    )
    for met, name, colour, marker in kinds:
        mask = (part.met == met).to_numpy()
        ax.scatter(part.ratio[mask], y[mask], color=colour, marker=marker, s=36, label=name, zorder=3)
    ax.scatter(part.target, y, color="black", marker="|", s=150, linewidths=1.8, label="target", zorder=2)
    ax.axvline(1, color="0.35", linestyle="--", linewidth=1)
    ax.set_yticks(y, part["name"] + "\n(" + part.subject + ")", linespacing=1.1)
    ax.tick_params(axis="y", labelsize=9)
    ax.set(xlabel=label, ylim=(-0.7, len(part) - 0.3))
    # powers of two say more of a narrow range
    ax.set_xscale("log", base=10 if part.ratio.max() > 50 * part.ratio.min() else 2)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.grid(axis="x")
