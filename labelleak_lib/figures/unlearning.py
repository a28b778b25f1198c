"""Figures of chapter 02: accuracy on forgotten and retained classes (paper, Figure 5)."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labelleak_lib.figures.style import FORGOTTEN_COLOUR, RETAINED_COLOUR, use_style

SIDES = {
    "forget": ("forgotten classes, $D_f$", FORGOTTEN_COLOUR),
    "retain": ("retained classes, $D_r$", RETAINED_COLOUR),
}
WIDTH = 0.36


def panels(n: int, columns: int = 2, *, height: float = 2.7) -> tuple[Figure, list[Axes]]:
    """Return a figure of `n` panels of equal axes, at most 8 inches wide, and its axes row by row."""
    use_style()
    columns = min(n, columns)
    rows = -(-n // columns)
    size = (8.0 if columns > 1 else 5.2, height * rows + 0.5)
    figure, grid = plt.subplots(rows, columns, figsize=size, sharey=True, squeeze=False)
    axes = list(grid.flat)
    for unused in axes[n:]:
        unused.remove()
    return figure, axes[:n]


def accuracies(table: pd.DataFrame) -> Figure:
    """Draw accuracy after unlearning as bars, before it as ticks and published values as diamonds.

    Parameters
    ----------
    table : DataFrame
        Of `accuracies.accuracy_table`; one panel a data set and number of forgotten classes.
    """
    groups = list(table.groupby(["dataset", "k"], sort=False))
    figure, axes = panels(len(groups))
    for ax, ((dataset, k), group) in zip(axes, groups, strict=True):
        codes = list(dict.fromkeys(group.unlearning))
        for i, (side, (label, colour)) in enumerate(SIDES.items()):
            at = np.arange(len(codes)) + (i - 0.5) * WIDTH
            _side(ax, group.set_index(["quantity", "unlearning"]), side, codes, at, label, colour)
        ax.set(title=f"{dataset}, k = {k}", ylim=(0, 105), xlabel="unlearning method")
        ax.set_xticks(np.arange(len(codes)), codes)
        if ax.get_subplotspec().is_first_col():
            ax.set_ylabel("accuracy on test data (%)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _side(
    ax: Axes, lines: pd.DataFrame, side: str, codes: list[str], at: np.ndarray, label: str, colour: object
) -> None:
    before, after = (lines.loc[f"{side}_acc_{when}"].loc[codes] for when in ("before", "after"))
    ax.bar(at, after["mean"], WIDTH, color=colour, alpha=0.55, label=f"{label}: after")
    spread = np.nan_to_num([after["mean"] - after.low, after.high - after["mean"]]).clip(0)
    ax.errorbar(at, after["mean"], spread, fmt="none", ecolor="0.2", elinewidth=1, capsize=2)
    ax.hlines(before["mean"], at - WIDTH / 2, at + WIDTH / 2, color=colour, linewidth=2, label=f"{label}: before")
    if after.published.notna().any():
        shown = "published, after" if side == "forget" else None
        ax.plot(at, after.published, "D", color="black", markersize=4, linestyle="none", label=shown)


def average_accuracies(table: pd.DataFrame) -> Figure:
    """Draw the accuracies of each method averaged over data sets, measured and published (Figure 5).

    Parameters
    ----------
    table : DataFrame
        Of `accuracies.accuracy_table`; one panel a number of forgotten classes. Only data sets with published values
        count, on both sides.
    """
    both = table[table.published.notna()]
    mean = both.groupby(["k", "quantity", "unlearning"], sort=False)[["mean", "published"]].mean()
    ks = list(dict.fromkeys(both.k))
    figure, axes = panels(len(ks))
    for ax, k in zip(axes, ks, strict=True):
        codes = list(dict.fromkeys(both[both.k == k].unlearning))
        for i, (side, (label, colour)) in enumerate(SIDES.items()):
            after = mean.loc[k].loc[f"{side}_acc_after"].loc[codes]
            at = np.arange(len(codes)) + (i - 0.5) * WIDTH
            ax.bar(at - WIDTH / 4, after["mean"], WIDTH / 2, color=colour, label=f"{label}: measured")
            ax.bar(at + WIDTH / 4, after.published, WIDTH / 2, color=colour, alpha=0.4, label=f"{label}: published")
        ax.set(title=f"k = {k}, mean over {both[both.k == k].dataset.nunique()} data sets", ylim=(0, 105))
        ax.set(xlabel="unlearning method")
        ax.set_xticks(np.arange(len(codes)), codes)
    axes[0].set_ylabel("accuracy after unlearning (%)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def own_batches(printed: pd.DataFrame) -> Figure:
    """Draw the published accuracy on D_f before unlearning: AU beside the range of the other methods.

    Parameters
    ----------
    printed : DataFrame
        Of `accuracies.own_batches_in_the_published_tables`.
    """
    use_style()
    figure, ax = plt.subplots(figsize=(7, 3.2))
    at = np.arange(len(printed))
    ax.vlines(at, printed.others_low, printed.others_high, color="0.6", linewidth=6, label="RT, FT, RL, NG: range")
    ax.plot(at, printed.AU, "o", color=FORGOTTEN_COLOUR, label="AU")
    ax.set_xticks(at, [f"{row.dataset}\nTable {row.table}" for row in printed.itertuples()], fontsize=9, rotation=30)
    ax.set(ylabel="published accuracy on $D_f$\nbefore unlearning (%)", xlabel="data set and table")
    ax.legend(loc="lower right")
    return figure
