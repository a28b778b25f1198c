"""What the loader saw of a data set: a few images of each class."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from labelleak_lib.figures.layout import class_labels, grid


def seen(images: NDArray[np.uint8], labels: NDArray[np.int64], names: Sequence[str], most: int = 8) -> Figure:
    """Draw the first images of each class, one row a class, in 0 .. 255 as they are.

    The `images` are uint8 (N, 1 or 3, side, side), the `labels` int64 (N,); at most `most` of a class are shown.
    """
    shown = min(most, int(np.bincount(labels).min()))
    figure, cells = grid(len(names), shown, (0.6 * shown + 1.2, 0.62 * len(names) + 0.1))
    for c, (axes, name) in enumerate(zip(cells, class_labels(names, 14), strict=True)):
        for ax, image in zip(axes, images[labels == c], strict=False):
            ax.imshow(image[0] if len(image) == 1 else image.transpose(1, 2, 0), cmap="gray", vmin=0, vmax=255)
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
        axes[0].set_ylabel(name, fontsize=9, rotation=0, ha="right", va="center")
    return figure
