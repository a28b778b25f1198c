"""Success rates of attacks with their controls (paper, Figures 6 to 8 and 12 to 15)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from labelleak_lib.figures.layout import panels
from labelleak_lib.figures.style import DIAMOND, NOTHING, PALETTE
from labelleak_lib.names import row_name


def success_rates(frame: pd.DataFrame) -> Figure:
    """Draw success rates by unlearning method: bars with 95% intervals, the placebo, the baseline, what is published.

    Parameters
    ----------
    frame : DataFrame
        Of :func:`success_frame`. One panel a data set, attack, criterion and protocol, the protocols side by side;
        one colour a number of forgotten classes. Hatched: a trial failed the gate.
    """
    shared = frame.protocol.nunique() == 1
    groups = list(frame.groupby(["dataset", "attack", "criterion", "protocol"], sort=False))
    order = {key: i for i, key in enumerate(dict.fromkeys(key[:3] for key, _ in groups))}
    groups.sort(key=lambda item: order[item[0][:3]])  # stable: protocols stay in their order
    figure, axes = panels(len(groups), height=2.5)
    ks = sorted(frame.k.unique())
    for ax, (key, group) in zip(axes, groups, strict=True):
        dataset, attack, criterion, protocol = map(str, key)
        _panel(ax, group, ks)
        title = f"{dataset}: {row_name(attack, criterion)}"
        ax.set_title(title if shared else f"{title}\n{protocol} protocol", fontsize=10)
        ax.set(ylim=(0, 105), xlabel="unlearning method")
    for ax in axes[:: 1 if len(axes) == 1 else 2]:
        ax.set_ylabel("success rate, ASR (%)")
    _legend(figure, frame, ks)
    return figure


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
        spread = np.nan_to_num([lines.measured - lines.low, lines.high - lines.measured]).clip(0)
        ax.errorbar(at, lines.measured, spread, fmt="none", ecolor="0.2", elinewidth=1, capsize=2)
        ax.hlines(lines.placebo, at - width / 2, at + width / 2, color="black", linewidth=2)
        if (lines.protocol == "paper").all():  # as published; no other protocol is
            ax.plot(at, lines.published, markersize=5, **DIAMOND)
        for level in lines.baseline.unique():
            ax.axhline(level, **NOTHING | ({"color": PALETTE[i]} if len(ks) > 1 else {}))
    ax.set_xticks(np.arange(len(codes)), codes)


def _legend(figure: Figure, frame: pd.DataFrame, ks: list[int]) -> None:
    handles: list[Patch | Line2D] = [
        Patch(color=PALETTE[i], alpha=0.75, label=f"measured, k = {k}") for i, k in enumerate(ks)
    ]
    handles += [
        Line2D([], [], color="black", linewidth=2, label="placebo (same attack on $M_o$)"),
        Line2D([], [], **NOTHING, label="answer that looks at nothing"),
    ]
    if (frame.unlearned < 1).any():
        handles.append(Patch(facecolor="0.7", edgecolor="white", hatch="////", label="not unlearned in some trial"))
    if frame.published.notna().any():
        handles.append(Line2D([], [], **DIAMOND, label="published, mean of four data sets"))
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
