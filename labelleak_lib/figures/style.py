"""One style for every figure: seaborn's colour-blind palette, legible on a narrow screen."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import seaborn as sns

from labelleak_lib.names import METHOD_ORDER

DIAMOND: dict[str, Any] = {"marker": "D", "color": "white", "markeredgecolor": "black", "linestyle": "none"}
PALETTE = sns.color_palette("colorblind")
METHOD_COLOURS = dict(zip(METHOD_ORDER, PALETTE, strict=False))
PLACEBO_COLOUR = "0.55"
RETAINED_COLOUR, FORGOTTEN_COLOUR = PALETTE[0], PALETTE[3]
BASELINE = {"color": "0.35", "linestyle": "--", "linewidth": 1.0}
NOTHING: dict[str, Any] = dict(BASELINE)


def use_style() -> None:
    """Set the book's matplotlib defaults."""
    sns.set_theme(context="paper", style="whitegrid", palette="colorblind", font_scale=1.1)
    mpl.rcParams |= {
        "figure.dpi": 110,
        "savefig.dpi": 110,
        "figure.constrained_layout.use": True,
        "axes.grid.axis": "y",
    }
