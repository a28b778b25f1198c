"""Success rates with their controls (paper, Figures 6 to 8 and 12 to 15; Tables V to VIII at a glance)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from labelleak_lib.figures.layout import BASELINE, DIAMOND, PALETTE, counted, grid, nothing_stored, panels, reach
from labelleak_lib.names import row_name

UNGATED: dict[str, Any] = {
    "marker": "o", "markersize": 5, "color": "0.2", "markerfacecolor": "none", "linestyle": "none"
}  # fmt: skip
INTERVAL: dict[str, Any] = {
    "color": "0.3", "marker": "|", "markersize": 9, "markeredgewidth": 1.5, "linestyle": "none"
}  # fmt: skip
LONGEST = 42
"""Letters of a title that stand over a panel of a row of two."""
PUBLISHED_PLACES = 1.5
"""How many marks' room a published value has among those of its method."""
SPREAD = 0.88
"""Width of the marks of one method, of which the next is 1 away."""
GATE = "n: trials that pass the gate"


def success_rates(frame: pd.DataFrame) -> Figure:
    """Draw success rates by unlearning method: bars with 95% intervals, the placebo, the baseline, what is published.

    Of `leakage.success_frame`: one panel a data set, attack, criterion and protocol, the protocols side by side; one
    colour a number of forgotten classes. Bars are of trials that pass the gate; where some fail (hatched), a ring
    stands at the mean over all trials. The legend names what is there to be seen, and nothing else.
    """
    if frame.empty:
        return nothing_stored("records are")
    shared = frame.protocol.nunique() == 1
    groups = list(frame.groupby(["dataset", "attack", "criterion", "protocol"], sort=False))
    order = {key: i for i, key in enumerate(dict.fromkeys(key[:3] for key, _ in groups))}
    groups.sort(key=lambda item: order[item[0][:3]])  # stable: protocols stay in their order
    figure, axes = panels(len(groups), height=2.5)
    ks = sorted(frame.k.unique())
    names = [f"{key[0]}: {row_name(str(key[1]), str(key[2]))}" for key, _ in groups]
    # long names of neighbours would run together on one line
    broken = max(map(len, names)) > LONGEST
    for ax, name, (key, group) in zip(axes, names, groups, strict=True):
        protocol = key[-1]
        _panel(ax, group, ks)
        title = name.replace(": ", ":\n") if broken else name
        ax.set_title(title if shared else f"{title}\n{protocol} protocol", fontsize=10)
        ax.set(ylim=(0, 105), xlabel=f"unlearning method ({_trials(group)})")
    for ax in axes[:: 1 if len(axes) == 1 else 2]:
        ax.set_ylabel("success rate, ASR (%)")
    measured = {k: Patch(color=PALETTE[i], alpha=0.75, label=f"measured, k = {k}") for i, k in enumerate(ks)}
    handles: list[Any] = [measured[k] for k in ks if frame.measured[frame.k == k].notna().any()]
    handles += _interval(frame)
    if frame.placebo.notna().any():
        handles.append(Line2D([], [], color="black", linewidth=2, label="placebo (same attack on $M_o$)"))
    handles.append(Line2D([], [], **BASELINE, label="answer that looks at nothing"))
    failing = frame[frame.unlearned < 1]
    # where no trial passes there is no bar to hatch
    if (failing.measured > 0).any():
        handles.append(Patch(facecolor="0.7", edgecolor="white", hatch="////", label="some trial fails the gate"))
    if failing.ungated.notna().any():
        handles.append(Line2D([], [], **UNGATED, label="all trials, where some or all fail"))
    if frame[frame.protocol == "paper"].published.notna().any():
        handles.append(Line2D([], [], **DIAMOND, label="published, mean of four data sets"))
    figure.legend(handles=handles, loc="outside lower center", ncols=2, title=GATE)
    return figure


def _trials(lines: pd.DataFrame) -> str:
    return counted((lines.unlearned * lines.trials).round())


def _interval(frame: pd.DataFrame) -> list[Line2D]:
    """Return the legend's entry of intervals, where one has a width."""
    if not (frame.low < frame.high).any():
        return []
    return [Line2D([], [], label="95% interval over trials", **INTERVAL)]


def _panel(ax: Axes, group: pd.DataFrame, ks: list[int]) -> None:
    codes, here = list(dict.fromkeys(group.unlearning)), sorted(group.k.unique())
    width = 0.8 / len(here)
    for place, k in enumerate(here):
        lines, i = group[group.k == k], ks.index(k)
        at = np.array([codes.index(code) for code in lines.unlearning]) + (place - (len(here) - 1) / 2) * width
        bars = ax.bar(at, lines.measured, width * 0.92, color=PALETTE[i], alpha=0.75)
        for bar, share in zip(bars, lines.unlearned, strict=True):
            bar.set_hatch("" if share == 1 else "////")
            bar.set_edgecolor("white")
        spread = reach(lines.measured, lines.low, lines.high)
        ax.errorbar(at, lines.measured, spread, fmt="none", ecolor="0.2", elinewidth=1, capsize=2)
        ax.plot(at, lines.ungated.where(lines.unlearned < 1), **UNGATED)
        ax.hlines(lines.placebo, at - width / 2, at + width / 2, color="black", linewidth=2)
        if (lines.protocol == "paper").all():  # as published; no other protocol is
            ax.plot(at, lines.published, markersize=5, **DIAMOND)
        for level in lines.baseline.unique():
            ax.axhline(level, **BASELINE | ({"color": PALETTE[i]} if len(ks) > 1 else {}))
    ax.set_xticks(np.arange(len(codes)), codes)


def at_a_glance(frame: pd.DataFrame) -> Figure:
    """Draw every cell: one panel an attack row and number of forgotten classes, methods side by side.

    The frame is of `leakage.success_frame`, of one protocol. A data set has its colour: filled circles are measured,
    with 95% intervals, of trials that pass the gate; to the right of each, an open square of the same colour is its
    placebo. The legend names what is there to be seen, and nothing else.
    """
    if frame.empty:
        return nothing_stored("records are")
    rows, ks = list(dict.fromkeys(zip(frame.attack, frame.criterion, strict=True))), sorted(frame.k.unique())
    datasets, codes = list(dict.fromkeys(frame.dataset)), list(dict.fromkeys(frame.unlearning))
    size = (min(6.4, 4.4 * len(ks)), 1.35 * len(rows) + 1.1)
    figure, axes_of = grid(len(rows), len(ks), size, sharex=True, sharey=True)
    for axes, (attack, criterion) in zip(axes_of, rows, strict=True):
        for ax, k in zip(axes, ks, strict=True):
            lines = frame[(frame.attack == attack) & (frame.criterion == criterion) & (frame.k == k)]
            _glance(ax, lines, datasets, codes)
            ax.set_title(f"{row_name(attack, criterion)}, k = {k}", fontsize=9)
        axes[0].set_ylabel("ASR (%)")
    named = [f"{dataset}, {_trials(frame[frame.dataset == dataset])}" for dataset in datasets]
    handles = [
        Line2D([], [], color=PALETTE[i], marker="o", linestyle="none", label=name) for i, name in enumerate(named)
    ]
    handles += _interval(frame)
    square: dict[str, Any] = {"marker": "s", "color": "0.3", "markerfacecolor": "none", "linestyle": "none"}
    if frame.placebo.notna().any():
        handles.append(Line2D([], [], label="its placebo, to the right", **square))
    if frame.published.notna().any():
        handles.append(Line2D([], [], label="published, mean of four data sets", markersize=8, **DIAMOND))
    handles.append(Line2D([], [], label="answer that looks at nothing", **BASELINE))
    figure.legend(handles=handles, loc="outside lower center", ncols=2, title=GATE)
    return figure


def _glance(ax: Axes, lines: pd.DataFrame, datasets: Sequence[str], codes: Sequence[str]) -> None:
    # every mark of a method has a place of its own, in their middle the published one, which is larger
    here = [dataset for dataset in datasets if dataset in set(lines.dataset)]
    each = 2 if lines.placebo.notna().any() else 1
    half, places = len(here) // 2, each * len(here) + PUBLISHED_PLACES
    step = SPREAD / places
    size = min(5.0, 41 * step)
    # a data set that the paper does not have is without published values
    printed = lines[lines.published.notna()].drop_duplicates("unlearning")
    at = np.array([codes.index(code) for code in printed.unlearning], dtype=float)
    middle = each * half + PUBLISHED_PLACES / 2 - places / 2
    ax.plot(at + step * middle, printed.published, markersize=1.3 * size, zorder=1, **DIAMOND)
    for i, dataset in enumerate(here):
        found, colour = lines[lines.dataset == dataset], PALETTE[datasets.index(dataset)]
        first = each * i + 0.5 + PUBLISHED_PLACES * (i >= half) - places / 2
        x = np.array([codes.index(code) for code in found.unlearning]) + step * first
        bars = reach(found.measured, found.low, found.high)
        ax.errorbar(x, found.measured, bars, fmt="o", color=colour, markersize=size, capsize=2, zorder=3)
        ax.plot(x + step, found.placebo, "s", color=colour, markerfacecolor="none", markersize=size, zorder=2)
    for level in lines.baseline.unique():
        ax.axhline(level, **BASELINE)
    ax.set_xticks(range(len(codes)), codes)
    ax.set(ylim=(-4, 110), xlim=(-0.5, len(codes) - 0.5))
