"""One style for every figure: seaborn's colour-blind palette, legible on a narrow screen."""

from __future__ import annotations

import matplotlib as mpl
import seaborn as sns

METHOD_ORDER = ("RT", "FT", "RL", "AU", "NG")
PALETTE = sns.color_palette("colorblind")
METHOD_COLOURS = dict(zip(METHOD_ORDER, PALETTE, strict=False))
PLACEBO_COLOUR = "0.55"
RETAINED_COLOUR, FORGOTTEN_COLOUR = PALETTE[0], PALETTE[3]
BASELINE = {"color": "0.35", "linestyle": "--", "linewidth": 1.0}
ATTACK_NAMES = {
    "dot_product": "dot product",
    "difference": "difference",
    "whitebox_inversion": "white-box inversion",
    "blackbox_inversion": "black-box inversion",
    "trivial": "nothing forgotten",
    "random": "coin",
    "direct_probe": "direct probe",
    "head_bias": "head bias",
    "head_row_sum": "head row sum",
    "random_inputs": "random blobs",
    "random_noise": "uniform noise",
    "random_photos": "photo crops",
}
CRITERION_NAMES = {
    "youden": "Youden",
    "kmeans": "k-means",
    "decision_tree": "tree",
    "threshold": "threshold",
    "entropy": "entropy",
    "entropy_argmax": "entropy, argmax",
}


def use_style() -> None:
    """Set the book's matplotlib defaults."""
    sns.set_theme(context="paper", style="whitegrid", palette="colorblind", font_scale=1.1)
    mpl.rcParams |= {
        "figure.dpi": 110,
        "savefig.dpi": 110,
        "figure.constrained_layout.use": True,
        "axes.grid.axis": "y",
    }


def row_name(attack: str, criterion: str) -> str:
    """Return how a table or an axis names an attack x criterion row."""
    attack_name, criterion_name = ATTACK_NAMES.get(attack, attack), CRITERION_NAMES.get(criterion, "")
    return f"{attack_name}, {criterion_name}" if criterion_name else attack_name
