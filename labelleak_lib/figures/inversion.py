"""Figures of chapters 04 and 05: inverted samples, their probabilities, and the way there (paper, Figures 3 and 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from labelleak_lib.figures.layout import bottom_legend, flow
from labelleak_lib.figures.style import BASELINE, FORGOTTEN_COLOUR, RETAINED_COLOUR, use_style
from labelleak_lib.results.inverted import kinds

Floats = NDArray[np.floating]
KINDS = {"retained": RETAINED_COLOUR, "forgotten": FORGOTTEN_COLOUR}
WHEN = {"placebo": "before unlearning, $M_o$", "none": "after unlearning, $M_u$"}


def scheme() -> Figure:
    """Draw what the inversion attacks do (Figure 2)."""
    boxes = {
        "start": (0, 0.5, "random start\nfor class $c$"),
        "white": (1.15, 1, "white box: gradient\nsteps on the input"),
        "black": (1.15, 0, "black box: genetic\nsearch by queries"),
        "inverted": (2.2, 0.5, "inverted\nsample"),
        "ipv": (3.1, 0.5, "its vector\n$\\mathrm{IPV}_c$"),
        "threshold": (4.1, 1, "threshold\n$m_c < \\tau$"),
        "entropy": (4.1, 0, "entropy of\n2 clusters"),
        "answer": (5.1, 0.5, "forgotten\nclasses"),
    }
    arrows = [("start", "white"), ("start", "black"), ("white", "inverted"), ("black", "inverted"), ("inverted", "ipv")]
    arrows += [("ipv", "threshold"), ("ipv", "entropy"), ("threshold", "answer"), ("entropy", "answer")]
    return flow(boxes, arrows)


def image_grid(rows: Mapping[str, Floats], names: Sequence[str], forgotten: Sequence[int], most: int = 8) -> Figure:
    """Draw rows of images, one column a class, the forgotten classes first (Figure 3).

    Parameters
    ----------
    rows : mapping of str to ndarray
        Title, and float images (C, channels, height, width) of any range: each is stretched to its own extremes.
    names : sequence of str
        Of the C classes.
    forgotten : sequence of int
        Indices of the forgotten classes, whose names are coloured.
    most : int
        Largest number of classes shown.
    """
    use_style()
    shown = [*forgotten, *(c for c in range(len(names)) if c not in set(forgotten))][:most]
    size = (8, 8 / max(len(shown), 4) * len(rows) + 0.5)
    figure, grid = plt.subplots(len(rows), len(shown), figsize=size, squeeze=False)
    for axes, (title, images) in zip(grid, rows.items(), strict=True):
        axes[0].set_ylabel(title, fontsize=9)
        for ax, c in zip(axes, shown, strict=True):
            ax.imshow(_stretched(images[c]), cmap="gray", interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
    for ax, c in zip(grid[0], shown, strict=True):
        ax.set_title(names[c][:12], fontsize=9, color=FORGOTTEN_COLOUR if c in forgotten else "black")
    return figure


def _stretched(image: Floats) -> Floats:
    spread = np.ptp(image)
    unit = (image - image.min()) / (spread if spread > 0 else 1.0)
    return unit[0] if len(unit) == 1 else np.moveaxis(unit, 0, -1)


def peaks(frame: pd.DataFrame, by: str = "samples") -> Figure:
    """Draw maximum prediction probabilities before and after unlearning, one dot a class and trial (Figure 4).

    Parameters
    ----------
    frame : DataFrame
        Of :func:`inverted.peak_frame`, with a column `by` whose values stand on the horizontal axis. Black: means.
    """
    use_style()
    figure, axes = plt.subplots(1, len(WHEN), figsize=(8, 3.4), sharey=True)
    groups, rng = list(dict.fromkeys(frame[by])), np.random.default_rng(0)
    for ax, (control, title) in zip(axes, WHEN.items(), strict=True):
        for i, (kind, colour) in enumerate(KINDS.items()):
            chosen = frame[(frame.control == control) & (frame.kind == kind)]
            at = np.array([groups.index(value) for value in chosen[by]]) + (i - 0.5) * 0.4
            label = f"{kind} class"
            ax.plot(at + rng.uniform(-0.12, 0.12, len(at)), chosen.peak, "o", color=colour, alpha=0.5, label=label)
            for j, group in enumerate(groups):
                mean = chosen[chosen[by] == group].peak.mean()
                ax.hlines(mean, j + (i - 0.5) * 0.4 - 0.17, j + (i - 0.5) * 0.4 + 0.17, color="black", linewidth=2)
        ax.set(title=title, ylim=(-0.03, 1.05), xlim=(-0.5, len(groups) - 0.5))
        # long names of neighbours would run together on one line
        ax.set_xticks(range(len(groups)), [group.replace("_", "_\n") for group in groups])
    axes[0].set_ylabel("maximum prediction probability, $m_c$")
    bottom_legend(figure, axes)
    return figure


def progress(histories: Mapping[str, Floats], forgotten: Sequence[int], step: str) -> Figure:
    """Draw the probability of each aimed-at class over the search, target and placebo side by side.

    Parameters
    ----------
    histories : mapping of str to ndarray
        ``none`` (M_u) and ``placebo`` (M_o): float (steps, C).
    forgotten : sequence of int
        Indices of the forgotten classes.
    step : str
        Names a step on the horizontal axis.
    """
    use_style()
    figure, axes = plt.subplots(1, len(WHEN), figsize=(8, 3.2), sharey=True)
    for ax, (control, title) in zip(axes, WHEN.items(), strict=True):
        history = histories[control]
        for c, kind in enumerate(kinds(history.shape[1], forgotten)):
            label = f"{kind} class" if f"{kind} class" not in ax.get_legend_handles_labels()[1] else None
            ax.plot(np.arange(len(history)), history[:, c], color=KINDS[kind], alpha=0.7, linewidth=1.3, label=label)
        ax.set(title=title, xlabel=step, yscale="log")
    # what underflowed to zero has no place on a logarithmic axis
    low = min(float(history[history > 0].min()) for history in histories.values())
    axes[0].set_ylim(max(low / 2, 1e-12), 2)
    axes[0].set_ylabel("highest probability of the\nclass aimed at, $p_c$")
    bottom_legend(figure, axes)
    return figure


def screening(frame: pd.DataFrame, alpha: float = 1.0) -> Figure:
    """Draw every class's m_c with the threshold tau = mu - alpha * sigma, target and placebo side by side.

    Parameters
    ----------
    frame : DataFrame
        Of :func:`inverted.peak_frame`, of one data set, unlearning method and trial.
    alpha : float
        As of `criteria.Threshold`.
    """
    use_style()
    figure, axes = plt.subplots(1, len(WHEN), figsize=(8, 3.2), sharey=True)
    for ax, (control, title) in zip(axes, WHEN.items(), strict=True):
        chosen = frame[frame.control == control]
        for kind, colour in KINDS.items():
            bars = chosen[chosen.kind == kind]
            ax.bar(bars["class"], bars.peak, color=colour, alpha=0.75, label=f"{kind} class")
        tau = chosen.peak.mean() - alpha * chosen.peak.std(ddof=0)
        ax.axhline(tau, **BASELINE, label=r"$\tau = \mu - \alpha\sigma$")
        accused = chosen[chosen.peak < tau]["class"]
        ax.plot(accused, np.full(len(accused), 1.06), "v", color="black", label="called forgotten")
        ax.set(title=title, xlabel="class", ylim=(min(0, tau) - 0.02, 1.12))
        ax.xaxis.get_major_locator().set_params(integer=True)
    axes[0].set_ylabel("maximum prediction\nprobability, $m_c$")
    bottom_legend(figure, axes)
    return figure


def cost(curves: pd.DataFrame) -> Figure:
    """Draw the highest probability found over the queries spent: search against random inputs.

    Parameters
    ----------
    curves : DataFrame
        Of :func:`inverted.cost_curves`, with a column ``control``.
    """
    use_style()
    figure, axes = plt.subplots(1, len(WHEN), figsize=(8, 3.2), sharey=True)
    dashes = dict(zip(dict.fromkeys(curves.search), ("-", "--", ":"), strict=False))
    for ax, (control, title) in zip(axes, WHEN.items(), strict=True):
        for (search, kind), line in curves[curves.control == control].groupby(["search", "kind"], sort=False):
            style = {"color": KINDS[str(kind)], "linestyle": dashes[search], "marker": "o", "markersize": 3}
            ax.plot(line.queries, line.peak, label=f"{search}, {kind}", **style)
        ax.set(title=title, xlabel="queries", xscale="log", ylim=(-0.03, 1.05))
    axes[0].set_ylabel("highest $p_c$ found,\nmean over classes")
    bottom_legend(figure, axes)
    return figure
