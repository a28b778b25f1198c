"""Chapter 07: what happens as more classes are forgotten (paper, Figure 16), and how far the criterion decides it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labelleak_lib.figures.layout import (
    BASELINE,
    PAGE,
    PALETTE,
    bottom_legend,
    counted,
    grid,
    label_outer,
    nothing_stored,
    reach,
    whole_numbers,
)
from labelleak_lib.names import attack_title, ordered, row_name

FAMILIES = {
    "parameter attacks": ("dot_product", "difference"),
    "inversion attacks": ("whitebox_inversion", "blackbox_inversion"),
}
MODELS = (("none", "$M_u$"), ("placebo", "placebo, $M_o$"))
K = "number of forgotten classes, $k$"
DODGE = 0.17
"""Distance in k between the marks of two rules, so that none hides another."""


def _line(ax: Axes, lines: pd.DataFrame, shift: float = 0.0, **style: Any) -> None:
    """Draw percentages against k with their intervals."""
    mean, low, high = (100 * lines[name] for name in ("mean", "low", "high"))
    ax.errorbar(lines.k + shift, mean, reach(mean, low, high), markersize=5, capsize=2, **style)


def success_by_k(table: pd.DataFrame) -> Figure:
    """Draw success rates against k, target models beside placebos (Figure 16; `class_counts.success_by_k`).

    The title names the data sets.
    """
    if table.empty:
        return nothing_stored("records are")
    figure, rows = grid(2, 2, (PAGE, 5.8), sharex=True, sharey=True)
    for axes, (family, attacks) in zip(rows, FAMILIES.items(), strict=True):
        for ax, (control, model) in zip(axes, MODELS, strict=True):
            part = table[(table.control == control) & table.attack.isin(attacks)]
            _success_panel(ax, part)
            level = part.drop_duplicates("k").sort_values("k")
            ax.plot(level.k, level.baseline, label="answer that looks at nothing", **BASELINE)
            if family == "inversion attacks":
                style = {"color": "0.2", "linestyle": ":", "label": "predicted collapse of the threshold"}
                ax.axvline(table.limit.iloc[0], **style)
            ax.set(title=f"{family}: {model}", ylim=(-4, 106))
            whole_numbers(ax)
    label_outer(rows, K, "ASR (%)")
    figure.suptitle(", ".join(dict.fromkeys(table.dataset)), fontsize=12)
    return bottom_legend(figure, rows.flat, f"trials a mark: {counted(table.n)}")


def _success_panel(ax: Axes, part: pd.DataFrame) -> None:
    colours = dict(zip((attack for family in FAMILIES.values() for attack in family), PALETTE, strict=False))
    drawn = 0
    for attack, lines in part.groupby("attack", sort=False):
        for i, (criterion, line) in enumerate(lines.groupby("criterion", sort=False)):
            style = {"color": colours[str(attack)], "linestyle": ("-", "--", ":")[i], "marker": "os^"[i]}
            _line(ax, line.sort_values("k"), 0.7 * DODGE * drawn, label=row_name(str(attack), str(criterion)), **style)
            drawn += 1


def recall_map(means: pd.DataFrame) -> Figure:
    """Draw the share of forgotten classes found by k and alpha, and the predicted limit (`class_counts.recall_map`)."""
    if means.empty:
        return nothing_stored("inverted prediction vectors are")
    attacks = list(dict.fromkeys(means.attack))
    figure, [axes] = grid(1, len(attacks), (PAGE, 3.9), sharey=True)
    for ax, attack in zip(axes, attacks, strict=True):
        found = means[means.attack == attack]
        shares = found.pivot(index="alpha", columns="k", values="recall")
        mesh = ax.pcolormesh(shares.columns, shares.index, shares, vmin=0, vmax=1, cmap="cividis", shading="nearest")
        limits = found.drop_duplicates("alpha").sort_values("alpha")
        shown = limits[limits.limit <= shares.columns.max() + 0.5]
        ax.plot(shown.limit, shown.alpha, color="white", linewidth=3)
        predicted = r"predicted, $k = C/(1+\alpha^2)$"
        ax.plot(shown.limit, shown.alpha, color="black", linewidth=1.2, linestyle="--", label=predicted)
        ax.axhline(1, color=PALETTE[1], linewidth=1.2, label=r"$\alpha = 1$, as run")
        ax.set(title=attack_title(attack), xlabel=K)
        whole_numbers(ax)
        ax.grid(visible=False)
    axes[0].set_ylabel(r"$\alpha$ of the threshold criterion")
    figure.colorbar(mesh, ax=axes, label="share of forgotten\nclasses found")
    return bottom_legend(figure, axes[:1], f"target models a cell: {counted(means.n)}")


def rules(table: pd.DataFrame) -> Figure:
    """Draw by k how often each rule is exact on M_u, above, and silent on M_o, below (`class_counts.rule_summary`)."""
    if table.empty:
        return nothing_stored("inverted prediction vectors are")
    attacks = ordered(table.attack, FAMILIES["inversion attacks"])
    figure, rows = grid(2, len(attacks), (PAGE, 5.8), sharex=True, sharey=True)
    for axes, (control, model) in zip(rows, MODELS, strict=True):
        for ax, attack in zip(axes, attacks, strict=True):
            _rule_lines(ax, table[(table.attack == attack) & (table.control == control)])
            ax.set(title=f"{attack_title(attack)}: {model}", ylim=(-4, 106))
            whole_numbers(ax)
    label_outer(rows, K, "")
    for axes, kind in zip(rows, ("named exactly (%)", "met with silence (%)"), strict=True):
        axes[0].set_ylabel(kind)
    return bottom_legend(figure, rows[0], f"trials a mark: {counted(table.n)}")


def rules_by_dataset(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw by k how often each rule is exact on M_u, one row of panels a data set (`class_counts.rule_summary`).

    A panel says which of the rules was not asked on its data set.
    """
    found = {name: table[table.control == "none"] for name, table in tables.items() if len(table)}
    if not found:
        return nothing_stored("sweeps are")
    everything = pd.concat(found.values())
    attacks, asked = ordered(everything.attack, FAMILIES["inversion attacks"]), list(dict.fromkeys(everything.rule))
    figure, rows = grid(len(found), len(attacks), (PAGE, 2.4 * len(found) + 0.9), sharex=True, sharey=True)
    for axes, (name, table) in zip(rows, found.items(), strict=True):
        for ax, attack in zip(axes, attacks, strict=True):
            here = table[table.attack == attack]
            _rule_lines(ax, here)
            ax.set_title(f"{name} ({counted(here.n)}): {attack_title(attack)}", fontsize=9)
            ax.set_ylim(-4, 106)
            missing = [rule for rule in asked if rule not in set(here.rule)]
            if missing:
                text = "\n".join(["not run at\nevery k:", *(rule.replace(", ", ",\n") for rule in missing)])
                ax.text(0.03, 0.07, text, transform=ax.transAxes, fontsize=9)
            whole_numbers(ax)
    label_outer(rows, K, "named exactly (%)")
    return bottom_legend(figure, rows.flat, "n: trials a mark")


def _rule_lines(ax: Axes, table: pd.DataFrame) -> None:
    for i, (rule, lines) in enumerate(table.groupby("rule", sort=False)):
        # where lines coincide, the later and thinner one leaves the rim of the earlier one to be seen
        style = {"color": PALETTE[i], "marker": "osD^"[i], "linewidth": (3.6, 2.6, 1.8, 1.0)[i], "label": rule}
        _line(ax, lines.sort_values("k"), DODGE * (i - 1.5), elinewidth=1, **style)
