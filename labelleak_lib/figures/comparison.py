"""Chapter 06: every published success rate beside its counterpart here, at a glance (paper, Tables V to VIII)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from labelleak_lib.figures.style import DIAMOND, NOTHING, PALETTE, use_style
from labelleak_lib.names import row_name


def at_a_glance(frame: pd.DataFrame) -> Figure:
    """Draw every cell: one panel an attack row and number of forgotten classes, methods side by side.

    Parameters
    ----------
    frame : DataFrame
        Of :func:`success.success_frame`, of one protocol. A data set has its colour: filled circles are measured,
        with 95% intervals, open squares of the same colour are placebos.
    """
    use_style()
    rows, ks = list(dict.fromkeys(zip(frame.attack, frame.criterion, strict=True))), sorted(frame.k.unique())
    datasets, codes = list(dict.fromkeys(frame.dataset)), list(dict.fromkeys(frame.unlearning))
    size = (min(8.0, 4.4 * len(ks)), 1.35 * len(rows) + 0.9)
    figure, grid = plt.subplots(len(rows), len(ks), figsize=size, sharex=True, sharey=True, squeeze=False)
    for axes, (attack, criterion) in zip(grid, rows, strict=True):
        for ax, k in zip(axes, ks, strict=True):
            lines = frame[(frame.attack == attack) & (frame.criterion == criterion) & (frame.k == k)]
            _panel(ax, lines, datasets, codes)
            ax.set_title(f"{row_name(attack, criterion)}, k = {k}", fontsize=10)
    for ax in grid[:, 0]:
        ax.set_ylabel("ASR (%)")
    figure.legend(handles=_legend(datasets), loc="outside lower center", ncols=3)
    return figure


def _panel(ax: Axes, lines: pd.DataFrame, datasets: Sequence[str], codes: Sequence[str]) -> None:
    width = 0.7 / len(datasets)
    printed = lines.drop_duplicates("unlearning")
    at = np.array([codes.index(code) for code in printed.unlearning], dtype=float)
    ax.plot(at, printed.published, markersize=8, zorder=1, **DIAMOND)
    for i, dataset in enumerate(datasets):
        found = lines[lines.dataset == dataset]
        x = np.array([codes.index(code) for code in found.unlearning]) + (i - (len(datasets) - 1) / 2) * width
        reach = np.nan_to_num([found.measured - found.low, found.high - found.measured]).clip(0)
        ax.errorbar(x, found.measured, reach, fmt="o", color=PALETTE[i], markersize=5, capsize=2, zorder=3)
        ax.plot(x, found.placebo, "s", color=PALETTE[i], markerfacecolor="none", markersize=5, zorder=2)
    for level in lines.baseline.unique():
        ax.axhline(level, **NOTHING)
    ax.set_xticks(range(len(codes)), codes)
    ax.set(ylim=(-4, 106), xlim=(-0.5, len(codes) - 0.5))


def _legend(datasets: Sequence[str]) -> list[Line2D]:
    handles = [Line2D([], [], color=PALETTE[i], marker="o", label=f"{d}, measured") for i, d in enumerate(datasets)]
    square: dict[str, Any] = {"marker": "s", "color": "0.3", "markerfacecolor": "none", "linestyle": "none"}
    handles.append(Line2D([], [], label="placebo (same colour)", **square))
    handles.append(Line2D([], [], label="published, four data sets", markersize=8, **DIAMOND))
    return [*handles, Line2D([], [], label="answer that looks at nothing", **NOTHING)]
