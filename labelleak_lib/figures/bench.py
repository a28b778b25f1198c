"""The figure of the speed page."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from labelleak_lib.figures.style import PALETTE, use_style

WIDE = 50
"""Range of ratios from which on an axis counts in powers of ten, not of two."""


def figure(frame: pd.DataFrame) -> Figure:
    """Draw every comparison: how many times our time a peer takes, and how many times the bare work's time we take."""
    use_style()
    panels = {
        "peer": "a peer's time / this library's time",
        "bare": "this library's time / bare computation's time",
    }
    chosen = {role: frame[frame.role == role] for role in panels}
    heights = [len(part) + 1 for part in chosen.values()]
    drawn, axes = plt.subplots(2, 1, figsize=(8.0, 0.27 * sum(heights) + 1.6), height_ratios=heights)
    for ax, (role, part) in zip(axes, chosen.items(), strict=True):
        _dots(ax, part, panels[role])
    handles, labels = axes[0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=4)
    return drawn


def _dots(ax: Axes, part: pd.DataFrame, label: str) -> None:
    y = np.arange(len(part))[::-1]
    kinds = {"yes": ("target met", PALETTE[0], "o"), "no": ("target missed", PALETTE[3], "s")}
    kinds[""] = ("no target", "0.45", "D")
    for met, (name, colour, marker) in kinds.items():
        mask = (part.met == met).to_numpy()
        ax.scatter(part.ratio[mask], y[mask], color=colour, marker=marker, s=36, label=name, zorder=3)
    ax.scatter(part.target, y, color="black", marker="|", s=150, linewidths=1.8, label="target", zorder=2)
    ax.axvline(1, color="0.35", linestyle="--", linewidth=1)
    ax.set_yticks(y, part["name"] + "  (" + part.subject + ")")
    ax.tick_params(axis="y", labelsize=8)
    ax.set(xlabel=label, ylim=(-0.7, len(part) - 0.3))
    ax.set_xscale("log", base=10 if part.ratio.max() > WIDE * part.ratio.min() else 2)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.grid(axis="x")
