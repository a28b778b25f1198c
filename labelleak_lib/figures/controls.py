"""Chapter 08: what the printed numbers can be, and what readings without a search see."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from labelleak_lib.figures.layout import KINDS, MODEL, PAGE, bottom_legend, counted, grid, nothing_stored, reach
from labelleak_lib.names import DATASET_ORDER, PAPER_METHODS, attack_title, ordered

APART = 0.15
"""Inches between two searches' marks of one share, so that none hides another; the data stay at the share."""
EDGE = 1.8
"""Ratio of the ends of the axis of shares to the outermost shares."""


def highest_probabilities(answers: pd.DataFrame, searched: pd.DataFrame) -> Figure:
    """Draw the highest probability of each class over random inputs, beside what the genetic search reaches.

    `answers` are of `readings.random_answers`, `searched` of `inverted.peak_frame` for the black box.
    """
    if answers.empty:
        return nothing_stored("answers to random inputs are")
    sources = list(dict.fromkeys(answers.attack))
    figure, [axes] = grid(1, len(sources), (PAGE, 3.5), sharey=True)
    rng = np.random.default_rng(0)
    for ax, source in zip(axes, sources, strict=True):
        chosen = answers[(answers.attack == source) & (answers.control == "none")]
        counts = sorted(chosen.inputs.unique())
        for i, (kind, colour) in enumerate(KINDS.items()):
            dots = [chosen[(chosen.kind == kind) & (chosen.inputs == n)].highest.to_numpy() for n in counts]
            dots.append(searched[(searched.kind == kind) & (searched.control == "none")].peak.to_numpy())
            for j, values in enumerate(dots):
                x = j + (i - 0.5) * 0.4 + rng.uniform(-0.12, 0.12, len(values))
                label = f"{kind} class" if j == 0 else None
                ax.plot(x, values, "o", color=colour, alpha=0.4, markersize=4, label=label)
        ax.axvline(len(counts) - 0.5, color="0.6", linewidth=1)
        ax.set_xticks(range(len(counts) + 1), [*map(str, counts), "search"], rotation=45)
        models = chosen.drop_duplicates(MODEL)
        ax.set(title=f"{attack_title(source)} ({counted([len(models)])})", xlabel="random inputs", ylim=(-0.03, 1.05))
    axes[0].set_ylabel("highest probability of the class")
    return bottom_legend(figure, axes, "n: target models; one dot a class")


def readings(scores: pd.DataFrame) -> Figure:
    """Draw the readings of `readings.zero_query_scores` on target models, one dot a class, by unlearning method."""
    if scores.empty:
        return nothing_stored("readings are")
    titles = {
        "head_bias": "bias of the last layer",
        "head_row_sum": "row sum of its weight",
        "direct_probe": "accuracy on the pool",
    }
    codes, rng = ordered(scores.unlearning, PAPER_METHODS), np.random.default_rng(0)
    figure, [axes] = grid(1, len(titles), (PAGE, 3.4))
    for ax, (attack, title) in zip(axes, titles.items(), strict=True):
        for i, (kind, colour) in enumerate(KINDS.items()):
            chosen = scores[(scores.attack == attack) & (scores.control == "none") & (scores.kind == kind)]
            at = np.array([codes.index(code) for code in chosen.unlearning]) + (i - 0.5) * 0.36
            x = at + rng.uniform(-0.1, 0.1, len(at))
            ax.plot(x, chosen.value, "o", color=colour, alpha=0.6, markersize=4, label=f"{kind} class")
        ax.set_xticks(range(len(codes)), codes)
        ax.set(title=title, xlabel="unlearning method")
    axes[0].set_ylabel("value of the reading")
    models = scores[scores.control == "none"].drop_duplicates(["attack", *MODEL])
    title = f"target models a method: {counted(models.groupby(['attack', 'unlearning']).size())}; one dot a class"
    return bottom_legend(figure, axes, title)


def dose(table: pd.DataFrame) -> Figure:
    """Draw `false_alarms.dose`: one panel a data set, below one another, one line an attack, the share falling.

    Attacks are moved aside on the page alone: what was drawn, as `drawn` reads it back, lies at the true shares.
    """
    if table.empty:
        return nothing_stored("models with a rare class are")
    datasets, attacks = ordered(table.dataset, DATASET_ORDER), list(dict.fromkeys(table.attack))
    shares = sorted(table.share.unique())
    # as wide as a page, so that the intervals of the searches stand apart
    figure, axes = grid(len(datasets), 1, (6.4, 1.9 * len(datasets) + 1.4), sharex=True)
    for ax, dataset in zip(axes.flat, datasets, strict=True):
        for i, attack in enumerate(attacks):
            line = table[(table.dataset == dataset) & (table.attack == attack)].sort_values("share")
            # lines that coincide stay visible
            aside = ScaledTranslation(((len(attacks) - 1) / 2 - i) * APART, 0, figure.dpi_scale_trans)
            accused, low, high = (100 * line[name] for name in ("accused", "low", "high"))
            style: dict[str, Any] = {"marker": "osD^v"[i % 5], "markersize": 4, "elinewidth": 1.2, "capsize": 2}
            # the later and thinner line leaves the rim of the earlier one to be seen
            style["linewidth"] = 1 + 0.6 * (len(attacks) - 1 - i)
            style |= {"transform": ax.transData + aside, "label": attack_title(attack)}
            ax.errorbar(line.share, accused, reach(accused, low, high), **style)
        count = counted(table.n[table.dataset == dataset])
        ax.set(
            title=f"{dataset} ({count})", ylabel="models whose rare\nclass is named, %", xscale="log", ylim=(-4, 104)
        )
        # a line between neighbouring shares, so that each mark is seen to belong to one
        ax.set_xticks(np.sqrt(np.multiply(shares[1:], shares[:-1])), minor=True)
        ax.tick_params(which="minor", labelbottom=False)
        ax.grid(axis="x", which="minor", linestyle=":")
    ax.set_xticks(shares, [f"{100 * share:g}" for share in shares])
    ax.set_xlabel("share of the class's samples, %")
    # what is moved aside on the page would mislead the limits that matplotlib finds
    ax.set_xlim(max(shares) * EDGE, min(shares) / EDGE)
    return bottom_legend(figure, axes.flat, "n: models a mark")


def thresholds(curves: dict[str, pd.DataFrame]) -> Figure:
    """Draw the `tuning.curve` of each search, by its title."""
    figure, [[ax]] = grid(1, 1, (6, 3.5))
    for title, curve in curves.items():
        ax.plot(curve.threshold, 100 * curve.right, marker="o", markersize=3, label=title)
    ax.set(xlabel="threshold on relative reach", ylabel="models judged rightly, %", ylim=(-4, 104))
    return bottom_legend(figure, [ax], f"models a search: {counted([curve.n.max() for curve in curves.values()])}")
