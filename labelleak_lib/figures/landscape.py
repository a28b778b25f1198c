"""The idea in one picture: what an attacker sees of a class that is gone (`results.landscape`)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from labelleak_lib.figures.layout import KINDS, PAGE, class_labels, grid


def reach_landscape(
    images: NDArray[Any], corners: NDArray[Any], answers: Mapping[str, NDArray[Any]],
    counts: Mapping[str, NDArray[Any]], names: Sequence[str], forgotten: Sequence[int],
) -> Figure:  # fmt: skip
    """Draw what models answer to inputs that show nothing: a plane of them by class, and how many each class gets.

    Left, some of the inputs, and the three that span the plane. One column a model. Forgotten classes have a colour,
    the others are shades of grey. All but `names` and `forgotten` are fields of `results.landscape.Landscape`.
    """
    shades = ListedColormap(_shades(len(names), forgotten))
    figure, axes = grid(2, 1 + len(answers), (PAGE, 4.4), height_ratios=(1.7, 1))
    mosaic(axes[0, 0], images, columns=4)
    mosaic(axes[1, 0], corners, columns=3)
    axes[1, 0].set_title("span the plane", fontsize=9)
    most = max(found.max() for found in counts.values())
    for (above, below), (name, plane) in zip(axes.T[1:], answers.items(), strict=True):
        above.imshow(plane, origin="lower", cmap=shades, vmin=-0.5, vmax=len(names) - 0.5, interpolation="nearest")
        above.set_title(name, fontsize=13)
        above.set(xticks=[], yticks=[])
        above.grid(visible=False)
        _counts(below, counts[name], names, shades, most)
        for c in forgotten:
            below.plot([c], [-0.06 * most], "^", color=KINDS["forgotten"], clip_on=False, markersize=7)
    handles = [Patch(color=KINDS["forgotten"], label="forgotten class"), Patch(color="0.6", label="retained classes")]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, title="one model a column")
    return figure


def mosaic(ax: Axes, images: NDArray[Any], columns: int) -> None:
    """Draw images, float (n, channels, height, width) in [0, 1], side by side with a gap."""
    rows = -(-len(images) // columns)
    channels, height, width = images.shape[1:]
    board = np.ones((rows * (height + 1), columns * (width + 1), 3))
    for i, image in enumerate(images):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        colours = image if channels == 3 else np.repeat(image[:1], 3, axis=0)
        board[top : top + height, left : left + width] = colours.transpose(1, 2, 0)
    ax.imshow(board, interpolation="nearest")
    ax.axis("off")


def _counts(ax: Axes, counts: NDArray[Any], names: Sequence[str], shades: ListedColormap, most: int) -> None:
    ax.bar(range(len(names)), counts, color=[shades(c) for c in range(len(names))])
    ax.set(ylim=(0, 1.05 * most), yticks=[])
    few = len(names) <= 12
    ax.set_xticks(range(len(names)) if few else [], class_labels(names, 3) if few else [], fontsize=8)
    ax.tick_params(axis="x", pad=8)


def _shades(classes: int, forgotten: Sequence[int]) -> list[tuple[float, float, float]]:
    greys = sns.color_palette("Greys", classes + 4)[2:-2]
    # neighbours in number are not neighbours in shade
    order = [*range(0, classes, 2), *range(1, classes, 2)]
    colours = [greys[order.index(c)] for c in range(classes)]
    return [KINDS["forgotten"] if c in forgotten else colours[c] for c in range(classes)]
