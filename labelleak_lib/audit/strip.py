"""The strip that a report shows: the target's classes above the lowest class of each never-unlearned model."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from labelleak_lib.evidence import Floats

SPAN = (-1.1, 2.1)
"""What the axis shows of relative reach; values beyond stand at its ends."""
NAMED, REACHED, NULL = "#c1121f", "#1d4e89", "#8d99ae"
LABELS = ("this model's classes", "lowest class of models\nthat forgot nothing")


class Dots(NamedTuple):
    """Dots of one row: relative reach, shift off the row in [-0.3, 0.3], colour."""

    x: Floats
    shift: Floats
    colours: list[str]


def rows(classes: pd.DataFrame, forgotten: frozenset[int], null: Floats) -> list[Dots]:
    """Return the dots of the target's classes, those `forgotten` in a colour of their own, and of the null (n,)."""
    own = np.nan_to_num(classes.relative_reach.to_numpy(float), nan=SPAN[0])
    colours = [NAMED if c in forgotten else REACHED for c in classes["class"]]
    return [Dots(_inside(own), _spread(len(own)), colours),
            Dots(_inside(null), _spread(len(null)), [NULL] * len(null))]  # fmt: skip


def svg(classes: pd.DataFrame, forgotten: frozenset[int], null: Floats) -> str:
    """Return the strip as SVG, as wide as its place."""
    width, pad, height = 420, 10, 150
    label = "Relative reach of the model's classes, and the lowest of each model that forgot nothing"
    parts = [f'<svg viewBox="0 0 {width} {height}" width="100%" role="img" aria-label="{label}">']

    def at(x: float) -> float:
        return pad + (x - SPAN[0]) / (SPAN[1] - SPAN[0]) * (width - 2 * pad)

    parts.append(f'<line x1="{at(0):.1f}" x2="{at(0):.1f}" y1="0" y2="118" stroke="{NAMED}"/>')
    for row, (dots, text) in enumerate(zip(rows(classes, forgotten, null), LABELS, strict=True)):
        middle = 40 + 55 * row
        # a halo keeps the words apart from the line that they may cross
        style = 'text-anchor="end" stroke="#fff" stroke-width="5" paint-order="stroke"'
        parts.append(f'<text x="{width - pad}" y="{middle - 22}" {style}>{" ".join(text.split())}</text>')
        for x, shift, colour in zip(dots.x, dots.shift, dots.colours, strict=True):
            place = f'cx="{at(float(x)):.1f}" cy="{middle + 40 * float(shift):.1f}"'
            parts.append(f'<circle {place} r="{3 if row else 5}" fill="{colour}" fill-opacity=".75"/>')
    for tick in (-1, 0, 1, 2):
        parts.append(f'<text x="{at(tick):.1f}" y="132" text-anchor="middle">{tick}</text>')
    parts.append(f'<text x="{width / 2}" y="148" text-anchor="middle">relative reach (0: out of reach)</text></svg>')
    return "".join(parts)


def _inside(x: ArrayLike) -> Floats:
    return np.clip(np.asarray(x, dtype=np.float64), SPAN[0] + 0.05, SPAN[1] - 0.05)


def _spread(n: int) -> Floats:
    """Return shifts that lie evenly in [-0.3, 0.3] in an order without pattern: multiples of the golden section."""
    return np.asarray(0.6 * (np.arange(n) * 0.6180339887 % 1) - 0.3, dtype=np.float64)
