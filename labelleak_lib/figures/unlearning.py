"""Figures of chapter 02: accuracy on forgotten and retained classes (paper, Figure 5)."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from labelleak_lib.figures.layout import KINDS, PAGE, bottom_legend, counted, grid, nothing_stored, panels, reach

SIDES = {"forget": ("forgotten classes, $D_f$", KINDS["forgotten"])}
SIDES |= {"retain": ("retained classes, $D_r$", KINDS["retained"])}
WIDTH = 0.36


def accuracies(table: pd.DataFrame) -> Figure:
    """Draw accuracy after unlearning as bars, before it as ticks and published values as diamonds.

    Of `accuracies.accuracy_table`; one panel a data set and number of forgotten classes.
    """
    if table.empty:
        return nothing_stored("accuracies are")
    groups = list(table.groupby(["dataset", "k"], sort=False))
    figure, axes = panels(len(groups))
    for ax, ((dataset, k), group) in zip(axes, groups, strict=True):
        codes = list(dict.fromkeys(group.unlearning))
        lines = group.set_index(["quantity", "unlearning"])
        for i, (side, (label, colour)) in enumerate(SIDES.items()):
            before, after = (lines.loc[f"{side}_acc_{when}"].loc[codes] for when in ("before", "after"))
            at = np.arange(len(codes)) + (i - 0.5) * WIDTH
            ax.bar(at, after["mean"], WIDTH, color=colour, alpha=0.55, label=f"{label}: after")
            bars = reach(after["mean"], after.low, after.high)
            ax.errorbar(at, after["mean"], bars, fmt="none", ecolor="0.2", elinewidth=1, capsize=2)
            left, right = at - WIDTH / 2, at + WIDTH / 2
            ax.hlines(before["mean"], left, right, color=colour, linewidth=2, label=f"{label}: before")
            if after.published.notna().any():
                shown = "published, after" if side == "forget" else None
                ax.plot(at, after.published, "D", color="black", markersize=4, linestyle="none", label=shown)
        ax.set(title=f"{dataset}, k = {k}", ylim=(-3, 105), xlabel="method, trials that pass the gate")
        gate = group.drop_duplicates("unlearning")
        passed = (gate.unlearned * gate.trials).round().astype(int).astype(str) + "/" + gate.trials.astype(str)
        ax.set_xticks(np.arange(len(codes)), [f"{code}\n{text}" for code, text in zip(codes, passed, strict=True)])
    for ax in axes[::2]:
        ax.set_ylabel("accuracy on test data (%)")
    return bottom_legend(figure, axes)


def average_accuracies(averages: pd.DataFrame) -> Figure:
    """Draw the accuracies of each method after unlearning averaged over data sets, measured and published (Figure 5).

    Of `accuracies.averages`; one row of panels a number of forgotten classes, each side on its own scale.
    """
    groups = list(averages.groupby("k", sort=False))
    figure, rows = grid(len(groups), 2, (PAGE, 2.7 * len(groups) + 0.5))
    for axes, (k, group) in zip(rows, groups, strict=True):
        codes, lines = list(dict.fromkeys(group.unlearning)), group.set_index(["quantity", "unlearning"])
        for ax, (side, (label, colour)) in zip(axes, SIDES.items(), strict=True):
            after, at = lines.loc[f"{side}_acc_after"].loc[codes], np.arange(len(codes))
            ax.bar(at - WIDTH / 2, after.measured, WIDTH, color=colour, label=f"{label}: measured")
            ax.bar(at + WIDTH / 2, after.published, WIDTH, color=colour, alpha=0.4, label=f"{label}: published")
            ax.set_title(f"k = {k}, mean over\n{group.datasets.iloc[0]}", fontsize=10)
            ax.set(xlabel="unlearning method", ylim=(0, 105 if side == "retain" else max(5, 1.1 * ax.get_ylim()[1])))
            ax.set_xticks(at, codes)
        axes[0].set_ylabel("accuracy after\nunlearning (%)")
    return bottom_legend(figure, rows.flat, f"trials a measured bar: {counted(averages.n)}")


def own_batches(printed: pd.DataFrame) -> Figure:
    """Draw the published accuracy on D_f before unlearning (`accuracies.own_batches_in_the_published_tables`)."""
    figure, [[ax]] = grid(1, 1, (7, 3.6))
    at, grey = -np.arange(len(printed)), "0.45"
    ax.hlines(at, printed.others_low, printed.others_high, color=grey, linewidth=3, label="range of RT, FT, RL and NG")
    ax.plot(printed.others_low, at, "|", printed.others_high, at, "|", color=grey, markersize=9)
    ax.plot(printed.AU, at, "o", color=KINDS["forgotten"], label="AU")
    ax.set_yticks(at, [f"Table {row.table}: {row.dataset}" for row in printed.itertuples()])
    ax.set(xlabel="published accuracy on $D_f$ before unlearning (%)", ylabel="table and data set")
    ax.grid(axis="x")
    return bottom_legend(figure, [ax])
