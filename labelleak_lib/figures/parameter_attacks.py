"""Figures of chapter 03: what the auxiliary heads give (paper, Figures 9 to 11)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from labelleak_lib.figures.layout import (
    KINDS,
    MODEL,
    PAGE,
    bottom_legend,
    counted,
    flow,
    grid,
    label_outer,
    nothing_stored,
    whole_numbers,
)

NAMES = {"retained": "retained classes", "forgotten": "forgotten classes (on the placebo: called so)"}
CONTROLS = {"none": "target $M_u$", "placebo": "placebo $M_o$"}


def distributions(frame: pd.DataFrame, label: str, by: Sequence[str] = ("unlearning",)) -> Figure:
    """Draw histograms of the heads' values by kind, target and placebo side by side.

    Of `readings.head_frame`: one row of panels for each value of the columns `by`; `label` names the heads' value.
    """
    if frame.empty:
        return nothing_stored("single heads are")
    groups = list(frame.groupby(list(by), sort=False))
    controls = [control for control in CONTROLS if control in set(frame.control)]
    figure, rows = grid(len(groups), len(controls), (PAGE, 1.9 * len(groups) + 0.8), sharex="row", sharey="row")
    for axes, (key, group) in zip(rows, groups, strict=True):
        runs = group.drop_duplicates(MODEL)
        told = f"k = {', '.join(map(str, sorted(runs.k.unique())))}, {counted([len(runs)])}"
        edges = np.histogram_bin_edges(group.value, 30).tolist()
        for ax, control in zip(axes, controls, strict=True):
            for kind, colour in KINDS.items():
                values = group[(group.control == control) & (group.kind == kind)].value
                share = np.full(len(values), 100 / max(len(values), 1))
                ax.hist(values, edges, weights=share, color=colour, alpha=0.6, label=f"heads on {NAMES[kind]}")
            ax.set_title(f"{', '.join(map(str, key))} ({told}): {CONTROLS[control]}", fontsize=10)
    label_outer(rows, label, "share of heads (%)")
    return bottom_legend(figure, rows.flat, "n: target models")


def scheme() -> Figure:
    """Draw what the parameter attacks do (Figure 1)."""
    boxes = {
        "pool": (0, 1, "attacker pool:\nsamples of\none class"),
        "phi": (1, 1, "features $\\phi$\nof $M_u$,\nfrozen"),
        "head": (2, 1, "auxiliary\nhead $w'$"),
        "target": (2, 0, "last layer\n$w_u$ of $M_u$"),
        "dot": (3, 1, "$\\langle w_u, w'\\rangle$"),
        "difference": (3, 0, "$w_u - w'$"),
        "split": (4, 1, "Youden,\nk-means"),
        "tree": (4, 0, "decision\ntree"),
        "answer": (5, 0.5, "each head:\nretained or\nforgotten"),
    }
    arrows = {"pool": ["phi"], "phi": ["head"], "head": ["dot", "difference"], "target": ["dot", "difference"]}
    arrows |= {"dot": ["split"], "difference": ["tree"], "split": ["answer"], "tree": ["answer"]}
    return flow(boxes, arrows)


def by_class(frame: pd.DataFrame, label: str) -> Figure:
    """Draw every head's value over its class, target and placebo side by side.

    The frame is of `readings.head_frame`, of one data set, unlearning method and trial; `label` names the value.
    """
    if frame.empty:
        return nothing_stored("single heads are")
    controls = [control for control in CONTROLS if control in set(frame.control)]
    (figure, [axes]), rng = grid(1, len(controls), (PAGE, 3.2), sharey=True), np.random.default_rng(0)
    for ax, control in zip(axes, controls, strict=True):
        for kind, colour in KINDS.items():
            heads = frame[(frame.control == control) & (frame.kind == kind)]
            jitter = rng.uniform(-0.25, 0.25, len(heads))
            ax.plot(heads.source + jitter, heads.value, ".", color=colour, alpha=0.5, label=NAMES[kind])
        ax.set(title=CONTROLS[control], xlabel="class that the head was trained on")
        whole_numbers(ax)
    axes[0].set_ylabel(label)
    return bottom_legend(figure, axes, f"target models: {counted([len(frame.drop_duplicates(MODEL))])}; one dot a head")
