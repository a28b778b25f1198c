"""The theory chapter's figures, each a function of frames or arrays, in colours safe for the colour-blind."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from labelleak_lib.figures.layout import KINDS, PAGE, PALETTE, class_labels

BLUE, ORANGE = KINDS["retained"], KINDS["forgotten"]


def _axes(columns: int = 1, width: float = 6.4, height: float = 3.8, **options: Any) -> tuple[Figure, Any]:
    figure, axes = plt.subplots(1, columns, figsize=(width, height), layout="constrained", **options)
    for axis in np.atleast_1d(axes):
        axis.grid(alpha=0.3)
    return figure, axes


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.replace({"method": {"M_o": "$M_o$"}})


def inner_product_dial(frame: pd.DataFrame, dial: str) -> Figure:
    """Draw both inner products against a dial, for both kinds of targets (`dials.inner_product_dial`)."""
    figure, axis = _axes()
    sns.lineplot(frame, x="dial", y="inner", hue="head", style="targets", markers=True, palette=KINDS, ax=axis)
    axis.set(xlabel=dial, ylabel="inner product with $w_u$ over $|w_u|^2$")
    return figure


def dead_feature_dial(frame: pd.DataFrame) -> Figure:
    """Draw inner products from random starts, and their predicted deviation (`dials.over_starts`)."""
    figure, axis = _axes()
    for head, part in frame.groupby("head", sort=False):
        style = {"color": KINDS[str(head)], "marker": "o", "markeredgecolor": "w", "markeredgewidth": 0.75}
        axis.plot(part["dial"], part["mean"], label=head, **style)
        bounds = part["mean"] - part["sd"], part["mean"] + part["sd"]
        axis.fill_between(part["dial"], *bounds, color=KINDS[str(head)], alpha=0.2)
    predicted = frame.drop_duplicates("dial")
    for sign in (-1, 1):
        label = "predicted deviation, forgotten" if sign == 1 else None
        axis.plot(predicted["dial"], sign * predicted["deviation"], color="black", ls=":", label=label)
    axis.set(xlabel="dead features (of 24)", ylabel="inner product with $w_u$ over $|w_u|^2$")
    # below the axes, where it hides nothing of the bands
    figure.legend(title="mean and standard deviation over starts", loc="outside lower center", ncols=3)
    return figure


def sampling(frame: pd.DataFrame) -> Figure:
    """Draw the sampling error against the sample's size (`dials.sampling_sources`)."""
    figure, axis = _axes()
    for colour, (source, part) in zip((BLUE, ORANGE), frame.groupby("source"), strict=True):
        axis.loglog(part["size"], part["predicted"], color=colour, label=f"{source}: predicted")
        axis.loglog(part["size"], part["measured"], "o", color=colour, label=f"{source}: measured")
    # a decade alone would leave the axis with one number
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set(xlabel="samples in $D_r'$", ylabel="relative error of $E_{r'}[\\phi y]$")
    axis.legend()
    return figure


def spectra(parts: Mapping[str, np.ndarray]) -> Figure:
    """Draw the eigenvalues of H for each named set, relative to the largest and not a number beyond the rank."""
    figure, axis = _axes()
    for colour, marker, (name, relative) in zip(PALETTE, "os^", parts.items(), strict=False):
        label = f"{name}: rank {np.isfinite(relative).sum()} of {len(relative)}"
        axis.semilogy(np.arange(1, len(relative) + 1), relative, marker, ms=4, color=colour, label=label)
    axis.set(xlabel="eigenvalue, by rank", ylabel="eigenvalue over the largest")
    axis.legend()
    return figure


def whitening(frame: pd.DataFrame) -> Figure:
    """Draw each set's distance from H = I before and after ZCA (`assumptions.whitening_distances`)."""
    figure, axis = _axes()
    names = {"before": "before ZCA", "after": "after ZCA fitted on $D_r$"}
    titled = frame.replace({"set": {"D_r": "$D_r$"}}).rename(columns=names)
    long = titled.melt("set", list(names.values()), "features", "distance")
    axis.set(yscale="symlog")
    # a swarm moves points apart by rule, where a strip would jitter them from numpy's global state
    sns.swarmplot(long, x="set", y="distance", hue="features", palette=[BLUE, ORANGE], dodge=True, ax=axis)
    axis.set(xlabel="", ylabel="$|H - I|_F / \\sqrt{d}$")
    axis.set_ylim(-0.15, 2 * long["distance"].max())
    axis.legend(loc="lower right")
    return figure


def cosines(matrices: Mapping[str, np.ndarray], names: Sequence[str]) -> Figure:
    """Draw matrices of cosines (C, C) between the classes' label features side by side, by title."""
    figure, axes = _axes(len(matrices), PAGE * len(matrices) / 2, 3.2)
    labels = class_labels(names, 12)
    options: dict[str, Any] = {"square": True, "xticklabels": labels, "yticklabels": labels}
    for axis, (title, matrix) in zip(np.atleast_1d(axes), matrices.items(), strict=True):
        sns.heatmap(
            matrix, vmin=-1, vmax=1, cmap="RdBu_r", ax=axis, cbar_kws={"label": "cosine", "shrink": 0.65}, **options
        )
        axis.grid(False)
        axis.set(title=title, xlabel="class", ylabel="class")
    return figure


def absent_row(path: pd.DataFrame, sums: pd.DataFrame) -> Figure:
    """Draw the absent row along training, and the row sums of deployed heads (columns method, side, sum)."""
    figure, (left, right) = _axes(2, PAGE)
    left.loglog(path["time"], path["predicted"], color="black", ls=":", label="first order")
    left.loglog(path["time"], path["measured"], "o-", color=ORANGE, label="measured")
    left.set(xlabel="training time $t\\,E|\\phi|^2$", ylabel="length of the absent row")
    left.legend()
    sns.stripplot(_named(sums), x="method", y="sum", hue="side", palette=KINDS, jitter=False, ax=right)
    right.set(xlabel="target model", ylabel="sum of a row of $W_u$")
    right.legend(title="class")
    return figure


def agreement(frame: pd.DataFrame) -> Figure:
    """Draw the correlation with the margins along training (`probe.margin_agreement`, with column method)."""
    figure, axes = _axes(3, PAGE, 3.6, sharey=True)
    for axis, (start, part) in zip(axes, frame.groupby("start", sort=False), strict=True):
        # the palette's sixth colour is too near its second
        colours = [*PALETTE[:5], "0.25"][: part.method.nunique()]
        options = {"hue": "method", "style": "method", "palette": colours, "markers": True}
        sns.lineplot(_named(part), x="time", y="correlation", ax=axis, **options)
        axis.set_title(f"start: {start}", fontsize=9)  # small, so that neighbours keep apart
        axis.set(xscale="log", xlabel="training time $t\\,E|\\phi|^2$")
        axis.get_legend().set_visible(axis is axes[0])
    axes[0].set_ylabel("correlation with margins")
    return figure


def same_question(frame: pd.DataFrame) -> Figure:
    """Draw the dot product against margin and accuracy of M_u, class by class (columns of class_evidence)."""
    figure, axes = _axes(2, PAGE, sharey=True)
    labels = {"margin": "mean logit margin of $M_u$", "accuracy": "accuracy of $M_u$ (direct probe)"}
    named = {*frame.side, *frame.method}
    for axis, (column, label) in zip(axes, labels.items(), strict=True):
        sns.scatterplot(frame, x=column, y="inner", hue="side", style="method", palette=KINDS, s=50, ax=axis)
        axis.set(xlabel=label, ylabel="mean $\\langle w_u, w' \\rangle$ over the class's heads")
    entries = [
        (handle, name) for handle, name in zip(*axes[1].get_legend_handles_labels(), strict=True) if name in named
    ]
    for axis in axes:
        axis.get_legend().remove()
    figure.legend(*zip(*entries, strict=True), loc="outside lower center", ncols=4)
    return figure


def difference_norms(frame: pd.DataFrame) -> Figure:
    """Draw ``|w_u - w'|^2`` against ``|w_u|^2`` + ``|w'|^2`` (columns sum distance side loss: a panel each)."""
    figure, axes = _axes(frame["loss"].nunique(), PAGE)
    for axis, (loss, part) in zip(axes, frame.groupby("loss", sort=False), strict=True):
        sns.scatterplot(part, x="sum", y="distance", hue="side", style="side", palette=KINDS, ax=axis)
        axis.ticklabel_format(useOffset=False)
        axis.locator_params(axis="x", nbins=4)
        # any point of the diagonal serves
        axis.axline((part["sum"].mean(),) * 2, slope=1, color="black", ls=":", label="predicted by (17)")
        axis.set(title=loss, xlabel="$|w_u|^2 + |w'|^2$", ylabel="$|w_u - w'|^2$")
        axis.get_legend().remove()
    figure.legend(*axes[-1].get_legend_handles_labels(), title="head on a class", loc="outside lower center", ncols=3)
    return figure


def collapse(frame: pd.DataFrame) -> Figure:
    """Draw recall against k (`collapse.criterion_sweep`): closed forms, simulations and dotted limits."""
    figure, axis = _axes(width=PAGE)
    for colour, marker, (name, part) in zip(PALETTE, "os^D", frame.groupby("criterion", sort=False), strict=False):
        axis.plot(part["k"], part["predicted"], color=colour)
        axis.plot(part["k"], part["measured"], marker, color=colour, label=name)
        axis.axvline(part["limit"].iloc[0], color=colour, ls=":")
    axis.set(xlabel="forgotten classes $k$", ylabel="share of forgotten classes found")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def two_clusters(maxima: Sequence[float], forgotten: int, low: int, accused: np.ndarray) -> Figure:
    """Draw the worked example's maxima, what two-means accuses, and the histogram of false accusations.

    The first `forgotten` maxima of IPVs are of forgotten classes, the lower cluster holds `low` classes; `accused`
    counts the classes accused in each of many runs where nothing was forgotten.
    """
    figure, (left, right) = _axes(2, PAGE)
    ordered, ranks = np.sort(maxima), np.arange(len(maxima))
    left.plot(ordered[:forgotten], ranks[:forgotten], "s", color=ORANGE, ms=8, label="forgotten")
    left.plot(ordered[forgotten:], ranks[forgotten:], "o", color=BLUE, ms=8, label="retained")
    left.axvspan(ordered[0] - 0.03, ordered[low - 1 : low + 1].mean(), color=ORANGE, alpha=0.15, label="accused")
    left.set(xlabel="maximum of the IPV", ylabel="class, by its maximum")
    left.legend(loc="upper left")
    right.hist(accused, bins=np.arange(0.5, len(maxima) + 0.5), color=BLUE, rwidth=0.8)
    right.set(xlabel="classes accused, nothing forgotten", ylabel="runs")
    return figure
