"""Figures of chapters 04 and 05: inverted samples, their probabilities, and the way there (paper, Figures 3 and 4)."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from labelleak_lib.figures.layout import (
    BASELINE,
    KINDS,
    MODEL,
    PAGE,
    bottom_legend,
    class_labels,
    counted,
    flow,
    grid,
    nothing_stored,
    whole_numbers,
)

Floats = NDArray[np.floating]
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
    arrows = {"start": ["white", "black"], "white": ["inverted"], "black": ["inverted"], "inverted": ["ipv"]}
    arrows |= {"ipv": ["threshold", "entropy"], "threshold": ["answer"], "entropy": ["answer"]}
    return flow(boxes, arrows)


def image_grid(rows: Mapping[str, Floats], names: Sequence[str], forgotten: Sequence[int], most: int = 8) -> Figure:
    """Draw rows of images, one column a class, the forgotten classes first, with coloured names (Figure 3).

    The `rows` hold, by title, float images (C, channels, height, width) of any range, each stretched to its own
    extremes. At most `most` classes are shown.
    """
    shown = [*forgotten, *(c for c in range(len(names)) if c not in set(forgotten))][:most]
    size = (PAGE, PAGE / max(len(shown), 4) * len(rows) + 0.5)
    figure, cells = grid(len(rows), len(shown), size)
    for axes, (title, images) in zip(cells, rows.items(), strict=True):
        axes[0].set_ylabel(title, fontsize=9)
        for ax, c in zip(axes, shown, strict=True):
            ax.imshow(_stretched(images[c]), cmap="gray", interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
    labels = class_labels(names, 12)
    for ax, c in zip(cells[0], shown, strict=True):
        ax.set_title(labels[c], fontsize=9, color=KINDS["forgotten"] if c in forgotten else "black")
    return figure


def _stretched(image: Floats) -> Floats:
    spread = np.ptp(image)
    unit = (image - image.min()) / (spread if spread > 0 else 1.0)
    return unit[0] if len(unit) == 1 else np.moveaxis(unit, 0, -1)


def peaks(frame: pd.DataFrame, by: str = "samples") -> Figure:
    """Draw maximum prediction probabilities before and after unlearning, one dot a class and trial (Figure 4).

    The frame is of `inverted.with_means`, with a column `by` whose values stand on the horizontal axis. Black: means.
    """
    if frame.empty:
        return nothing_stored("inverted prediction vectors are")
    figure, [axes] = grid(1, len(WHEN), (PAGE, 3.4), sharey=True)
    groups, rng = list(dict.fromkeys(frame[by])), np.random.default_rng(0)
    for ax, (control, title) in zip(axes, WHEN.items(), strict=True):
        for i, (kind, colour) in enumerate(KINDS.items()):
            chosen = frame[(frame.control == control) & (frame.kind == kind)]
            at = np.array([groups.index(value) for value in chosen[by]]) + (i - 0.5) * 0.4
            dots = at + rng.uniform(-0.12, 0.12, len(at))
            ax.plot(dots, chosen.peak, "o", color=colour, alpha=0.5, label=f"{kind} class")
            means = chosen.drop_duplicates(by).set_index(by)["mean"]
            for j, group in enumerate(groups):
                x = j + (i - 0.5) * 0.4
                ax.hlines(means.get(group, np.nan), x - 0.17, x + 0.17, color="black", linewidth=2)
        ax.set(title=title, ylim=(-0.03, 1.05), xlim=(-0.5, len(groups) - 0.5))
        # long names of neighbours would run together on one line
        ax.set_xticks(range(len(groups)), [group.replace("_", "_\n") for group in groups])
    axes[0].set_ylabel("maximum prediction\nprobability, $m_c$")
    models = frame[frame.control == "none"].drop_duplicates([by, *(name for name in MODEL if name in frame)])
    title = f"target models a group: {counted(models.groupby(by).size())}; one dot a class"
    return bottom_legend(figure, axes, title)


def progress(histories: Mapping[str, Floats], forgotten: Sequence[int], step: str) -> Figure:
    """Draw the probability of each aimed-at class over the search, target and placebo side by side.

    `histories` holds float (steps, C) for ``none`` (M_u) and ``placebo`` (M_o); `step` names a step on the axis.
    """
    figure, [axes] = grid(1, len(WHEN), (PAGE, 3.2), sharey=True)
    for ax, (control, title) in zip(axes, WHEN.items(), strict=True):
        history = histories[control]
        for c in range(history.shape[1]):
            kind = "forgotten" if c in forgotten else "retained"
            label = f"{kind} class" if f"{kind} class" not in ax.get_legend_handles_labels()[1] else None
            ax.plot(np.arange(len(history)), history[:, c], color=KINDS[kind], alpha=0.7, linewidth=1.3, label=label)
        ax.set(title=title, xlabel=step, yscale="log")
    # what underflowed to zero has no place on a logarithmic axis
    low = min(float(history[history > 0].min()) for history in histories.values())
    axes[0].set_ylim(max(low / 2, 1e-12), 2)
    axes[0].set_ylabel("highest probability of the\nclass aimed at, $p_c$")
    return bottom_legend(figure, axes, "one model a panel, one line a class")


def screening(frame: pd.DataFrame) -> Figure:
    """Draw every class's m_c with the threshold tau, target and placebo side by side (`inverted.screened`)."""
    if frame.empty:
        return nothing_stored("inverted prediction vectors are")
    figure, [axes] = grid(1, len(WHEN), (PAGE, 3.2), sharey=True)
    for ax, (control, title) in zip(axes, WHEN.items(), strict=True):
        chosen = frame[frame.control == control]
        for kind, colour in KINDS.items():
            bars = chosen[chosen.kind == kind]
            ax.bar(bars["class"], bars.peak, color=colour, alpha=0.75, label=f"{kind} class")
        tau, accused = chosen.tau.iloc[0], chosen[chosen.accused]["class"]
        ax.axhline(tau, **BASELINE, label=r"$\tau = \mu - \alpha\sigma$")
        ax.plot(accused, np.full(len(accused), 1.06), "v", color="black", label="called forgotten")
        ax.set(title=title, xlabel="class", ylim=(min(0, tau) - 0.02, 1.12))
        whole_numbers(ax)
    axes[0].set_ylabel("maximum prediction\nprobability, $m_c$")
    return bottom_legend(figure, axes, "one model a panel, one bar a class")


def cost(curves: pd.DataFrame) -> Figure:
    """Draw the highest probability over the queries spent (`inverted.cost_curves`, with a column ``control``)."""
    figure, [axes] = grid(1, len(WHEN), (PAGE, 3.2), sharey=True)
    dashes = dict(zip(dict.fromkeys(curves.search), ("-", "--", ":"), strict=False))
    for ax, (control, title) in zip(axes, WHEN.items(), strict=True):
        for (search, kind), line in curves[curves.control == control].groupby(["search", "kind"], sort=False):
            style = {"color": KINDS[str(kind)], "linestyle": dashes[search], "marker": "o", "markersize": 3}
            ax.plot(line.queries, line.peak, label=f"{search}, {kind}", **style)
        ax.set(title=title, xlabel="queries", xscale="log", ylim=(-0.03, 1.05))
    axes[0].set_ylabel("highest $p_c$ found,\nmean over classes")
    return bottom_legend(figure, axes, "one model a panel")
