"""All methods at once: what is left of the class, and what leaks."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure


def ranked(ranking: pd.DataFrame) -> Figure:
    """Draw leakage against what a probe finds of the class, one dot a method, from `method_leaks.ranking`.

    The darker a dot, the more targets pass the gate. Bars are the intervals of leakage.
    """
    figure, ax = plt.subplots(figsize=(7, 4.6), layout="constrained")
    share = ranking.passed / ranking.trials
    bars = [100 * (ranking.leak - ranking.low), 100 * (ranking.high - ranking.leak)]
    ax.errorbar(100 * ranking.probe, 100 * ranking.leak, yerr=bars, fmt="none", ecolor="0.8", elinewidth=1, zorder=1)
    dots = ax.scatter(100 * ranking.probe, 100 * ranking.leak, c=share, cmap="viridis_r", vmin=0, vmax=1, zorder=2)
    for code, probe, leak in zip(ranking.unlearning, 100 * ranking.probe, 100 * ranking.leak, strict=True):
        ax.annotate(code, (probe, leak), xytext=(4, 4), textcoords="offset points", fontsize=8)
    figure.colorbar(dots, ax=ax, label="share of targets that pass the gate")
    ax.set(xlabel="forgotten class, linear probe of the features (%)", ylabel="exact and silent, joint reach (%)",
           ylim=(-5, 109))  # fmt: skip
    return figure
