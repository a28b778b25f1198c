"""How far classes are reached: by the samples and time that training gave them, and by what a search may ask."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from labelleak_lib.figures.layout import (
    BASELINE,
    PAGE,
    PALETTE,
    bottom_legend,
    counted,
    grid,
    label_outer,
    nothing_stored,
)
from labelleak_lib.names import DATASET_ORDER, ordered, row_name


def dose(heads: pd.DataFrame, networks: pd.DataFrame) -> Figure:
    """Draw reach by the samples of a class: heads along training, and stored networks.

    `heads` is of `theory.reach.dose_path`, one line a number of samples; `networks` of `results.unreachable.dose`, one
    dot a model.
    """
    figure, [axes] = grid(1, 2, (PAGE, 4.4))
    numbers = sorted(heads.samples.unique())
    shades = dict(zip(numbers, np.linspace(0.85, 0.15, len(numbers)), strict=True))
    for number, line in heads.groupby("samples"):
        colour = PALETTE[3] if number == 0 else str(shades[number])
        label = f"{number} sample{'s' * (number != 1)}"
        axes[0].plot(line.time, line.reach, color=colour, marker="o", markersize=3, label=label)
    axes[0].set(
        xscale="log",
        yscale="symlog",
        ylim=(-9, None),
        xlabel="training time, rate times steps",
        ylabel="reach of the class",
    )
    rng, shares = np.random.default_rng(0), sorted(networks.share.unique())
    for i, dataset in enumerate(ordered(networks.dataset, DATASET_ORDER)):
        dots = networks[networks.dataset == dataset]
        at = (
            np.array([shares.index(share) for share in dots.share])
            + 0.25 * (i - 1)
            + rng.uniform(-0.07, 0.07, len(dots))
        )
        axes[1].plot(
            at, dots.reach, "o", color=PALETTE[i], alpha=0.6, markersize=4, label=f"{dataset}, {counted([len(dots)])}"
        )
    axes[1].set_xticks(range(len(shares)), [f"{100 * share:g}" for share in shares])
    axes[1].set(xlabel="share of the class's samples, %", ylabel="reach of the class")
    # above its axes, where it covers none of the lines
    axes[0].legend(fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    axes[1].legend(fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1), title="networks, one dot each")
    for ax in axes:
        ax.axhline(0, **BASELINE)
    return figure


def queries(curves: pd.DataFrame) -> Figure:
    """Draw the share of targets named exactly, and of M_o met with silence, against queries (`query_curves.curves`)."""
    if curves.empty:
        return nothing_stored("budgets are")
    datasets = ordered(curves.dataset, DATASET_ORDER)
    figure, axes = grid(2, len(datasets), (PAGE, 6), sharex=True, sharey=True)
    readings = list(dict.fromkeys(zip(curves.attack, curves.criterion, strict=True)))
    for column, dataset in enumerate(datasets):
        for i, (attack, criterion) in enumerate(readings):
            own = (curves.dataset == dataset) & (curves.attack == attack) & (curves.criterion == criterion)
            line = curves[own].sort_values("queries")
            style = {"color": PALETTE[i], "marker": "os^DvP"[i % 6], "markersize": 4, "linewidth": 1.3}
            # lines that coincide stay visible
            x = line.queries * 1.05 ** (i - 2.5)
            for ax, kind in zip(axes[:, column], ("exact", "silent"), strict=True):
                ax.plot(x, 100 * line[kind], label=row_name(attack, criterion), **style)
        count = counted(curves.n[curves.dataset == dataset])
        axes[0, column].set(title=f"{dataset} ({count})", xscale="log", ylim=(-4, 104))
    label_outer(axes, "queries", "")
    axes[0, 0].set_ylabel("targets named exactly, %")
    axes[1, 0].set_ylabel("original models met\nwith silence, %")
    return bottom_legend(figure, axes.flat, "n: targets; below, the original model of each")
