"""Style, panels, error bars, legends and diagrams that the figures share, legible on a narrow screen."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

PAGE = 6.8
"""Of a figure of several panels, in inches: type of 9 points is then 6 pixels high on a phone of 400."""
PALETTE = sns.color_palette("colorblind")
KINDS = {"retained": PALETTE[0], "forgotten": PALETTE[3]}
"""The colour of each kind of class."""
MODEL = ["dataset", "k", "unlearning", "trial"]
"""What tells target models apart."""
DIAMOND: dict[str, Any] = {"marker": "D", "color": "white", "markeredgecolor": "black", "linestyle": "none"}
BASELINE: dict[str, Any] = {"color": "0.35", "linestyle": "--", "linewidth": 1.0}


def grid(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, NDArray[Any]]:
    """Return a figure in the book's style, `size` inches wide and high, and its axes (rows, columns).

    The `options` are those of `plt.subplots`.
    """
    sns.set_theme(context="paper", style="whitegrid", palette="colorblind", font_scale=1.1)
    mpl.rcParams |= {"figure.dpi": 110, "savefig.dpi": 110}
    mpl.rcParams |= {"figure.constrained_layout.use": True, "axes.grid.axis": "y"}
    return plt.subplots(rows, columns, figsize=size, squeeze=False, **options)


def panels(n: int, *, height: float = 2.7) -> tuple[Figure, list[Axes]]:
    """Return a figure of `n` panels of equal vertical scale, two in a row, and its axes row by row."""
    columns, rows = min(n, 2), -(-n // 2)
    figure, axes = grid(rows, columns, (PAGE if columns > 1 else 5.2, height * rows + 0.5), sharey=True)
    for unused in axes.flat[n:]:
        unused.remove()
    return figure, list(axes.flat[:n])


def nothing_stored(what: str) -> Figure:
    """Return a figure of one sentence: "No <what> stored for these trials."."""
    figure, [[ax]] = grid(1, 1, (PAGE, 1))
    ax.text(0.5, 0.5, f"No {what} stored for these trials.", ha="center", va="center")
    ax.axis("off")
    return figure


def reach(mean: ArrayLike, low: ArrayLike, high: ArrayLike) -> NDArray[np.float64]:
    """Return how far an interval of rates reaches from its mean, (2, n) for error bars: 0 where there is none.

    All in percent; what lies beyond 0 or 100 is not drawn.
    """
    centre, bounds = np.asarray(mean, float), (np.clip(low, 0, 100), np.clip(high, 0, 100))
    return np.nan_to_num([centre - bounds[0], bounds[1] - centre]).clip(0)


def counted(numbers: ArrayLike) -> str:
    """Say of how many trials or models marks are; a mark of none is not drawn, and does not count.

    >>> counted([20, 20]), counted([0, 3, 20]), counted([])
    ('n = 20', 'n = 3 to 20', 'n = 0')
    """
    found = np.asarray(numbers, int)
    high = int(found.max(initial=0))
    low = int(found[found > 0].min(initial=high))
    return f"n = {low} to {high}" if low < high else f"n = {high}"


def bottom_legend(figure: Figure, axes: Iterable[Axes], title: str | None = None) -> Figure:
    """Return the figure with one legend below the panels; a label that several panels carry stands once.

    A `title` stands above its entries, such as the number of trials that all panels have.
    """
    entries: dict[str, Artist] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=2, title=title)
    return figure


def label_outer(axes: NDArray[Any], x: str, y: str) -> None:
    """Label the horizontal axes of the lowest row and the vertical axes of the first column."""
    for ax in axes[-1]:
        ax.set_xlabel(x)
    for ax in axes[:, 0]:
        ax.set_ylabel(y)


def whole_numbers(ax: Axes) -> None:
    """Put the ticks of the horizontal axis at whole numbers."""
    ax.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))


def class_labels(names: Sequence[str], longest: int) -> list[str]:
    r"""Return the names of classes as a figure can show them, letter by letter: `longest` characters of each.

    A name of which the figures' font lacks a letter stands as its index, and so do all where the beginnings are alike.

    >>> class_labels(["cat", "$x$", "我们"], 8)
    ['cat', '\\$x\\$', '2']
    """
    known = get_font(findfont(FontProperties(family=["DejaVu Sans"]))).get_charmap()
    short = [name[:longest] for name in names]
    if len(set(short)) < len(short):
        return [str(c) for c in range(len(names))]
    drawn = [name if all(ord(letter) in known for letter in name) else str(c) for c, name in enumerate(short)]
    return [name.replace("$", r"\$") for name in drawn]


def flow(boxes: Mapping[str, tuple[float, float, str]], arrows: Mapping[str, Sequence[str]]) -> Figure:
    """Draw a diagram of boxes and arrows.

    `boxes` hold, by name, column and row (counted from the bottom) of the box's centre, and its text; `arrows` lead
    from a box to those listed.
    """
    columns, rows = max(x for x, *_ in boxes.values()), max(y for _, y, _ in boxes.values())
    figure, [[ax]] = grid(1, 1, (PAGE, 0.85 * (rows + 1)))
    frame = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": "0.4"}
    drawn = {
        name: ax.text(x, y, text, ha="center", va="center", fontsize=9, bbox=frame).get_bbox_patch()
        for name, (x, y, text) in boxes.items()
    }
    for start, end in ((start, end) for start, ends in arrows.items() for end in ends):
        style = {"arrowstyle": "->", "color": "0.3", "patchA": drawn[start], "patchB": drawn[end]}
        ax.annotate("", boxes[end][:2], boxes[start][:2], arrowprops=style)
    ax.set(xlim=(-0.5, columns + 0.5), ylim=(-0.5, rows + 0.5))
    ax.axis("off")
    return figure
