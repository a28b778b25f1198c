"""Panels and legends that several chapters' figures share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labelleak_lib.figures.style import use_style


def panels(n: int, columns: int = 2, *, height: float = 2.7) -> tuple[Figure, list[Axes]]:
    """Return a figure of `n` panels of equal vertical scale, at most 8 inches wide, and its axes row by row."""
    use_style()
    columns = min(n, columns)
    rows = -(-n // columns)
    size = (8.0 if columns > 1 else 5.2, height * rows + 0.5)
    figure, grid = plt.subplots(rows, columns, figsize=size, sharey=True, squeeze=False)
    axes = list(grid.flat)
    for unused in axes[n:]:
        unused.remove()
    return figure, axes[:n]


def bottom_legend(figure: Figure, axes: Iterable[Axes], columns: int = 2) -> None:
    """Put one legend below the panels; a label that several panels carry stands once."""
    entries: dict[str, Artist] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=columns)


def flow(boxes: Mapping[str, tuple[float, float, str]], arrows: Sequence[tuple[str, str]]) -> Figure:
    """Draw a diagram of boxes and arrows.

    Parameters
    ----------
    boxes : mapping of str to (float, float, str)
        By name: column and row (counted from the bottom) of the box's centre, and its text.
    arrows : sequence of (str, str)
        Names of the boxes that each arrow joins.
    """
    use_style()
    columns, rows = max(x for x, *_ in boxes.values()), max(y for _, y, _ in boxes.values())
    figure, ax = plt.subplots(figsize=(8, 0.85 * (rows + 1)))
    frame = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": "0.4"}
    drawn = {
        name: ax.text(x, y, text, ha="center", va="center", fontsize=9, bbox=frame).get_bbox_patch()
        for name, (x, y, text) in boxes.items()
    }
    for start, end in arrows:
        style = {"arrowstyle": "->", "color": "0.3", "patchA": drawn[start], "patchB": drawn[end]}
        ax.annotate("", boxes[end][:2], boxes[start][:2], arrowprops=style)
    ax.set(xlim=(-0.5, columns + 0.5), ylim=(-0.5, rows + 0.5))
    ax.axis("off")
    return figure
