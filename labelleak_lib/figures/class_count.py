"""Chapter 07: what happens as more classes are forgotten (paper, Figure 16), and how far the criterion decides it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score

from labelleak_lib.figures.layout import bottom_legend
from labelleak_lib.figures.style import ATTACK_NAMES, BASELINE, PALETTE, PLACEBO_COLOUR, row_name, use_style
from labelleak_lib.figures.success import baseline
from labelleak_lib.inverted import kinds
from labelleak_lib.metrics import summarise
from labelleak_lib.records import unpack
from labelleak_lib.summary import ENOUGH
from labelleak_lib.theory.collapse import below_threshold, collapse_fraction, two_means_split

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
PARAMETER_ATTACKS = ("dot_product", "difference")
INVERSIONS = ("whitebox_inversion", "blackbox_inversion")
LINES = ("-", "--", ":")
TIE = 1e-6


def success_by_k(records: pd.DataFrame, rows: Sequence[tuple[str, str]], protocol: str = "paper") -> Figure:
    """Draw success rates against the number of forgotten classes, mean over methods and trials (Figure 16).

    Parameters
    ----------
    records : DataFrame
        Of one data set, both controls among them.
    rows : sequence of (str, str)
        Attack and criterion; parameter attacks and inversions have a panel each, and one for each of their placebos.
    """
    use_style()
    chosen = records[records.protocol == protocol]
    table = over_trials(chosen, ["attack", "criterion", "control", "k"], "asr")
    classes, families = int(records.classes.iloc[0]), (PARAMETER_ATTACKS, INVERSIONS)
    figure, grid = plt.subplots(2, 2, figsize=(8, 5.8), sharex=True, sharey=True)
    for axes, family in zip(grid, families, strict=True):
        for ax, (control, title) in zip(axes, (("none", "$M_u$"), ("placebo", "placebo, $M_o$")), strict=True):
            _success_panel(ax, table[table.control == control], [row for row in rows if row[0] in family])
            ks = np.array(sorted(table.k.unique()))
            level = [baseline(next(c for a, c in rows if a in family), protocol, k, classes) for k in ks]
            ax.plot(ks, level, label="answer that looks at nothing", **BASELINE)
            name = "parameter attacks" if family == PARAMETER_ATTACKS else "inversion attacks"
            if family == INVERSIONS:
                style = {"color": "0.2", "linestyle": ":", "label": "predicted collapse of the threshold"}
                ax.axvline(classes * collapse_fraction(1.0), **style)
            ax.set(title=f"{name}: {title}", ylim=(-4, 106))
            ax.xaxis.get_major_locator().set_params(integer=True)
    for ax in grid[1]:
        ax.set_xlabel("number of forgotten classes, $k$")
    for ax in grid[:, 0]:
        ax.set_ylabel("ASR (%)")
    bottom_legend(figure, grid.flat)
    return figure


def over_trials(records: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    """Return mean, low, high and n of `value` over trials, each trial with its mean over unlearning methods.

    Below `ENOUGH` trials there is no interval (NaN).
    """
    trials = records.groupby([*by, "trial"], sort=False)[value].mean().reset_index()
    table = summarise(trials, by, value)
    return table.assign(**{bound: table[bound].where(table.n >= ENOUGH) for bound in ("low", "high")})


def _line(ax: Axes, lines: pd.DataFrame, shift: float = 0.0, **style: Any) -> None:
    """Draw percentages against k with their intervals."""
    mean, low, high = (100 * lines[name] for name in ("mean", "low", "high"))
    reach = np.nan_to_num([mean - low, high - mean]).clip(0)
    ax.errorbar(lines.k + shift, mean, reach, markersize=5, capsize=2, **style)


def _success_panel(ax: Axes, table: pd.DataFrame, rows: Sequence[tuple[str, str]]) -> None:
    for attack, criterion in rows:
        lines = table[(table.attack == attack) & (table.criterion == criterion)].sort_values("k")
        i = (*PARAMETER_ATTACKS, *INVERSIONS).index(attack)
        order = [c for a, c in rows if a == attack].index(criterion)
        style = {"color": PALETTE[i], "linestyle": LINES[order], "marker": "os^"[order]}
        _line(ax, lines, 0.08 * order, label=row_name(attack, criterion), **style)


def stored_ipvs(records: pd.DataFrame, evidence: pd.DataFrame) -> pd.DataFrame:
    """Return every stored set of inverted prediction vectors of the target models, one row each.

    Parameters
    ----------
    records, evidence : DataFrame
        Of `sweep.collect` or of a record store.

    Returns
    -------
    DataFrame
        Columns ``attack unlearning trial k forgotten`` (bool (C,)) and ``ipv`` (float (C, C)).
    """
    cells = records.drop_duplicates("config_hash").set_index("config_hash")
    same = (evidence.control == "none") & (evidence.kind == "ipv") & evidence.config_hash.isin(cells.index)
    rows = []
    for row in evidence[same].to_dict("records"):
        cell, ipv = cells.loc[row["config_hash"]], unpack(row).astype(float)
        found = {"attack": row["attack"], "unlearning": cell.unlearning, "trial": int(cell.trial), "k": int(cell.k)}
        rows.append(found | {"forgotten": kinds(len(ipv), cell.forgotten) == "forgotten", "ipv": ipv})
    return pd.DataFrame(rows, columns=["attack", "unlearning", "trial", "k", "forgotten", "ipv"])


def alpha_sweep(stored: pd.DataFrame, alphas: Sequence[float]) -> pd.DataFrame:
    """Apply the threshold criterion with every alpha to stored maxima, and predict whether it can work.

    Parameters
    ----------
    stored : DataFrame
        Of :func:`stored_ipvs`.
    alphas : sequence of float
        Positive.

    Returns
    -------
    DataFrame
        One row a stored set and alpha: ``attack unlearning trial k alpha``, ``recall`` (share of the forgotten classes
        found), ``limit`` (C / (1 + alpha^2)), ``noisy_limit`` (with the spread within each kind, see
        `collapse_fraction`), ``works`` (more than half found).
    """
    rows = []
    for cell in stored.to_dict("records"):
        peak, lost = cell["ipv"].max(1), cell["forgotten"]
        distance = peak[~lost].mean() - peak[lost].mean()
        inner = np.where(lost, peak - peak[lost].mean(), peak - peak[~lost].mean()).std()
        noise = float(inner / distance) if distance > 0 else 1e3
        shared = {name: cell[name] for name in ("attack", "unlearning", "trial", "k")}
        for alpha in map(float, alphas):
            recall, limit = below_threshold(peak, alpha)[lost].mean(), len(peak) * collapse_fraction(alpha)
            noisy = len(peak) * collapse_fraction(alpha, noise)
            found = {"recall": recall, "limit": limit, "noisy_limit": noisy, "works": recall > 0.5}
            rows.append({**shared, "alpha": alpha, **found})
    return pd.DataFrame(rows)


def agreement(swept: pd.DataFrame) -> pd.DataFrame:
    """Count by attack how often the criterion works exactly where the prediction says so; ties at the limit left out.

    Returns
    -------
    DataFrame
        ``attack cells share share_noisy``: share of (stored set, alpha) in which the prediction without, and with, the
        spread within each kind holds.
    """
    rows = []
    for attack, group in swept.groupby("attack", sort=False):
        shares = []
        for column in ("limit", "noisy_limit"):
            clear = group[(group.k - group[column]).abs() > TIE]
            shares.append(float((clear.works == (clear.k < clear[column])).mean()))
        rows.append({"attack": attack, "cells": len(group), "share": shares[0], "share_noisy": shares[1]})
    return pd.DataFrame(rows)


def collapse_map(swept: pd.DataFrame) -> Figure:
    """Draw the share of forgotten classes found for every k and alpha, with the predicted limit k = C / (1 + alpha^2).

    Parameters
    ----------
    swept : DataFrame
        Of :func:`alpha_sweep`.
    """
    use_style()
    attacks = list(dict.fromkeys(swept.attack))
    figure, axes = plt.subplots(1, len(attacks), figsize=(8, 3.9), sharey=True, squeeze=False)
    for ax, attack in zip(axes[0], attacks, strict=True):
        found = swept[swept.attack == attack]
        grid = found.pivot_table("recall", "alpha", "k")
        mesh = ax.pcolormesh(grid.columns, grid.index, grid, vmin=0, vmax=1, cmap="cividis", shading="nearest")
        limits = found.drop_duplicates("alpha").sort_values("alpha")
        shown = limits[limits.limit <= grid.columns.max() + 0.5]
        ax.plot(shown.limit, shown.alpha, color="white", linewidth=3)
        predicted = r"predicted, $k = C/(1+\alpha^2)$"
        ax.plot(shown.limit, shown.alpha, color="black", linewidth=1.2, linestyle="--", label=predicted)
        ax.axhline(1, color=PALETTE[1], linewidth=1.2, label=r"$\alpha = 1$, as run")
        ax.set(title=ATTACK_NAMES[attack], xlabel="number of forgotten classes, $k$")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.grid(visible=False)
    axes[0][0].set_ylabel(r"$\alpha$ of the threshold criterion")
    figure.colorbar(mesh, ax=axes, label="share of forgotten\nclasses found")
    bottom_legend(figure, axes[0][:1])
    return figure


def _lowest(values: Floats) -> Bools:
    """Return the lower of two clusters of values (C,), none if all are equal."""
    called = np.zeros(len(values), dtype=bool)
    called[np.argsort(values, kind="stable")[: two_means_split(values)]] = np.ptp(values) > 0
    return called


# each maps IPVs (C, C) to the classes called forgotten, bool (C,)
RULES: dict[str, Callable[[Floats], Bools]] = {
    "threshold": lambda ipv: below_threshold(ipv.max(1), 1.0),
    "two-means on maxima": lambda ipv: _lowest(ipv.max(1)),
    "two-means on the class aimed at": lambda ipv: _lowest(np.diagonal(ipv)),
}


def rules_by_k(stored: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """Judge stored vectors by rules with and without mean and deviation, beside the direct probe.

    Returns
    -------
    DataFrame
        ``attack rule k trial balanced_accuracy``, one row a stored set and rule; the direct probe's stand under each
        attack.
    """
    rows = [
        {"attack": cell["attack"], "rule": rule, "k": cell["k"], "trial": cell["trial"],
         "balanced_accuracy": balanced_accuracy_score(cell["forgotten"], decide(cell["ipv"]))}
        for cell in stored.to_dict("records") for rule, decide in RULES.items()
    ]  # fmt: skip
    probe = records[(records.attack == "direct_probe") & (records.criterion == "two_means")]
    probe = probe[(probe.protocol == "attacker") & (probe.control == "none")][["k", "trial", "balanced_accuracy"]]
    parts = [probe.assign(attack=attack, rule="direct probe") for attack in stored.attack.unique()]
    return pd.concat([pd.DataFrame(rows), *parts], ignore_index=True)


def rules(judged: pd.DataFrame) -> Figure:
    """Draw balanced accuracy against k for every rule of :func:`rules_by_k`, mean and 95% interval."""
    use_style()
    table = over_trials(judged, ["attack", "rule", "k"], "balanced_accuracy")
    attacks, names = list(dict.fromkeys(judged.attack)), list(dict.fromkeys(judged.rule))
    figure, axes = plt.subplots(1, len(attacks), figsize=(8, 3.9), sharey=True, squeeze=False)
    for ax, attack in zip(axes[0], attacks, strict=True):
        for i, rule in enumerate(names):
            lines = table[(table.attack == attack) & (table.rule == rule)].sort_values("k")
            colour = PLACEBO_COLOUR if rule == "direct probe" else PALETTE[i]
            _line(ax, lines, 0.09 * (i - 1.5), color=colour, marker="osD^"[i], label=rule)
        ax.axhline(50, label="answer that looks at nothing", **BASELINE)
        ax.set(title=ATTACK_NAMES[attack], xlabel="number of forgotten classes, $k$", ylim=(-4, 106))
        ax.xaxis.get_major_locator().set_params(integer=True)
    axes[0][0].set_ylabel("balanced accuracy (%)")
    bottom_legend(figure, axes[0])
    return figure
