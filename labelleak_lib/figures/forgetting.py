"""Chapter 02: what is left of a class in the features, and how soon it is relearned."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labelleak_lib.figures.layout import BASELINE, KINDS, PAGE, bottom_legend, counted, grid, nothing_stored
from labelleak_lib.names import DATASET_ORDER, PAPER_METHODS, ordered

WIDTH = 0.15


def left(lines: pd.DataFrame) -> Figure:
    """Draw `results.forgetting.lines`: one row of panels a data set, probe and steps by method, one dot a trial."""
    if lines.empty:
        return nothing_stored("probes of unlearned models are")
    datasets = ordered(lines.dataset, DATASET_ORDER)
    figure, rows = grid(len(datasets), 2, (PAGE, 2.6 * len(datasets) + 0.6))
    for (first, second), dataset in zip(rows, datasets, strict=True):
        held = lines[lines.dataset == dataset]
        codes = ordered(held.unlearning, PAPER_METHODS)
        title = f"{dataset} ({counted(held.groupby('unlearning').size())})"
        _dots(first, held, codes, 100 * held.probe_after)
        first.axhline(100 * held.probe_before.mean(), color="0.35", linewidth=1, label="probe on $M_o$, mean")
        first.axhline(100 * held.probe_untrained.mean(), **BASELINE, label="probe on untrained networks, mean")
        first.set(title=title, ylabel="probe's accuracy on $D_f$ (%)", ylim=(-3, 104))
        limit = held.limit.max()
        _dots(second, held, codes, held.steps_half.clip(upper=limit))
        second.set(title=title, ylabel="steps to half of $M_o$'s\naccuracy on $D_f$")
        second.set_yscale("symlog", linthresh=1)
        second.set_ylim(-0.3, 1.3 * limit)
    for ax in rows[-1]:
        ax.set_xlabel("unlearning method")
    return bottom_legend(figure, rows.flat, "n: trials a method, one dot each")


def _dots(ax: Axes, lines: pd.DataFrame, codes: list[str], values: pd.Series) -> None:
    """Draw one dot a trial, by method; hollow where the model fails the gate."""
    at = np.array([codes.index(code) for code in lines.unlearning]) + np.random.default_rng(0).uniform(
        -WIDTH, WIDTH, len(lines)
    )
    for passed, label in ((True, "passes the gate"), (False, "fails the gate")):
        same, colour = lines.unlearned.to_numpy(bool) == passed, KINDS["forgotten"]
        filled = {"color": colour} if passed else {"color": "white", "markeredgecolor": colour}
        ax.plot(at[same], values[same], "o", markersize=5, alpha=0.8, label=label, **filled)
    ax.set_xticks(range(len(codes)), codes)
