"""All methods at once: what leaks, and what is left of the class."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from labelleak_lib.figures.layout import BASELINE, PALETTE, grid, reach


def ranked(ranking: pd.DataFrame) -> Figure:
    """Draw leakage beside what is left of the class, one line a method, from `method_leaks.ranking`, the least above.

    Left: exact and silent by joint reach, with its interval; hollow where few targets pass the gate. Right: accuracy of
    a linear probe on the forgotten class, and, as a bar, of one on an untrained network.
    Behind a name stands on how many targets its marks rest.
    """
    figure, [[leak, left]] = grid(1, 2, (5.6, 0.27 * len(ranking) + 1.3), sharey=True)
    places = np.arange(len(ranking))
    share, often = 100 * ranking.leak.to_numpy(), (2 * ranking.passed >= ranking.trials).to_numpy()
    bars = reach(share, 100 * ranking.low, 100 * ranking.high)
    leak.errorbar(share, places, xerr=bars, fmt="none", ecolor="0.6", elinewidth=1)
    for kind, face, label in ((often, PALETTE[3], "most targets pass"), (~often, "white", "few targets pass")):
        leak.scatter(share[kind], places[kind], color=face, edgecolor=PALETTE[3], zorder=3, label=label)
    leak.set(xlabel="exact and silent (%)", xlim=(-4, 104))
    rows = zip(ranking.unlearning, ranking.passed, ranking.trials, strict=True)
    leak.set_yticks(places, [f"{code} {passed}/{trials}" for code, passed, trials in rows])
    leak.invert_yaxis()
    left.scatter(100 * ranking.probe, places, color=PALETTE[0], zorder=3, label="linear probe")
    left.scatter(100 * ranking.untrained, places, marker="|", color=BASELINE["color"], s=80, label="untrained network")
    left.set(xlabel="linear probe (%)", xlim=(-4, 104))
    for ax in (leak, left):
        ax.grid(axis="x")
        ax.tick_params(axis="y", labelsize=9)
    figure.legend(
        loc="outside lower center", ncols=2, fontsize=9, title="behind a name: targets that pass the gate / trials"
    )
    return figure
