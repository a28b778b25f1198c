"""Chapter 07: what happens as more classes are forgotten (paper, Figure 16), and how far the criterion decides it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labelleak_lib.figures.layout import bottom_legend
from labelleak_lib.figures.style import BASELINE, PALETTE, use_style
from labelleak_lib.names import ATTACK_NAMES, row_name
from labelleak_lib.results.intervals import summarise
from labelleak_lib.results.leakage import baseline
from labelleak_lib.results.summary import ENOUGH
from labelleak_lib.theory.collapse import collapse_fraction

PARAMETER_ATTACKS = ("dot_product", "difference")
INVERSIONS = ("whitebox_inversion", "blackbox_inversion")
CONTROLS = (("none", "$M_u$"), ("placebo", "placebo, $M_o$"))
LINES = ("-", "--", ":")


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
        for ax, (control, title) in zip(axes, CONTROLS, strict=True):
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


def collapse_map(swept: pd.DataFrame) -> Figure:
    """Draw the share of forgotten classes found for every k and alpha, with the predicted limit k = C / (1 + alpha^2).

    Parameters
    ----------
    swept : DataFrame
        Of `many_classes.alpha_sweep`.
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


def rules(judged: pd.DataFrame) -> Figure:
    """Draw balanced accuracy against k for every rule of `many_classes.rules_by_k`, target models above their placebo.

    Means with 95% intervals.
    """
    use_style()
    table = over_trials(judged, ["attack", "rule", "control", "k"], "balanced_accuracy").sort_values("k")
    attacks, names = list(dict.fromkeys(judged.attack)), list(dict.fromkeys(judged.rule))
    figure, grid = plt.subplots(2, len(attacks), figsize=(8, 5.8), sharex=True, sharey=True, squeeze=False)
    for axes, (control, model) in zip(grid, CONTROLS, strict=True):
        for ax, attack in zip(axes, attacks, strict=True):
            same = table[(table.attack == attack) & (table.control == control)]
            for i, rule in enumerate(names):
                style = {"color": PALETTE[i], "marker": "osD^"[i], "label": rule}
                _line(ax, same[same.rule == rule], 0.09 * (i - 1.5), **style)
            ax.axhline(50, label="answer that looks at nothing", **BASELINE)
            ax.set(title=f"{ATTACK_NAMES[attack]}: {model}", ylim=(-4, 106))
            ax.xaxis.get_major_locator().set_params(integer=True)
        axes[0].set_ylabel("balanced accuracy (%)")
    for ax in grid[1]:
        ax.set_xlabel("number of forgotten classes, $k$")
    bottom_legend(figure, grid[0])
    return figure
