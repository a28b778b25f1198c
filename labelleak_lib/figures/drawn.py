"""What a figure shows, as numbers: read back from the artists that were drawn."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection, PathCollection, QuadMesh
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray

COLUMNS = ["panel", "kind", "series", "x", "y", "value", "x_label", "y_label"]


def drawn(figure: Figure) -> pd.DataFrame:
    """Return the data of every line, point, bar, segment and map of `figure`: one line a point, with `COLUMNS`.

    `panel` is the title of the axes, or their number; `kind` says what was drawn; `series` is the label of the legend,
    if there is one. `value` is that of a map's cell, and NaN elsewhere. Where ticks carry names, `x_label` and
    `y_label` hold that of the nearest tick. Photographs and other colour images have no data and are left out.

    >>> from labelleak_lib.figures.layout import grid
    >>> figure, [[ax]] = grid(1, 1, (4, 3))
    >>> _ = ax.bar([0, 1], [3.0, 4.0], label="seen")
    >>> drawn(figure)[["kind", "series", "x", "y"]].values.tolist()
    [['bar', 'seen', 0.0, 3.0], ['bar', 'seen', 1.0, 4.0]]
    """
    rows = []
    for number, ax in enumerate(figure.axes):
        panel = ax.get_title() or str(number)
        names = [_names(axis) for axis in (ax.xaxis, ax.yaxis)]
        for kind, series, x, y, value in _points(ax):
            rows.append((panel, kind, series, x, y, value, _named(names[0], x), _named(names[1], y)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _points(ax: Any) -> Iterator[tuple[str, str, float, float, float]]:
    held: dict[Any, str] = {}
    caps = set()
    for container in ax.containers:
        if isinstance(container, BarContainer):
            for bar in container.patches:
                middle, top = bar.get_x() + bar.get_width() / 2, bar.get_y() + bar.get_height()
                yield "bar", _label(container), float(middle), float(top), np.nan
        elif isinstance(container, ErrorbarContainer):
            line, ends, intervals = container.lines
            held |= dict.fromkeys([*([] if line is None else [line]), *intervals], _label(container))
            caps |= set(ends)
    for line in ax.lines:
        for x, y in zip(*(np.ravel(side) for side in line.get_data()), strict=True) if line not in caps else ():
            yield "line", held.get(line, _label(line)), float(x), float(y), np.nan
    for collection in ax.collections:
        yield from _of_collection(collection, held.get(collection, _label(collection)))
    for image in ax.images:
        array = _filled(image.get_array())
        for (row, column), value in np.ndenumerate(array) if array.ndim == 2 else ():
            yield "map", _label(image), float(column), float(row), float(value)


def _of_collection(collection: Any, series: str) -> Iterator[tuple[str, str, float, float, float]]:
    if isinstance(collection, PathCollection):
        for x, y in _filled(collection.get_offsets()):
            yield "point", series, float(x), float(y), np.nan
    elif isinstance(collection, LineCollection):
        for segment in collection.get_segments():
            for x, y in segment:
                yield "segment", series, float(x), float(y), np.nan
    elif isinstance(collection, QuadMesh):
        corners = np.asarray(collection.get_coordinates(), dtype=float)
        centres = (corners[:-1, :-1] + corners[1:, 1:]) / 2
        values = _filled(collection.get_array()).reshape(centres.shape[:2])
        for (row, column), value in np.ndenumerate(values):
            x, y = centres[row, column]
            yield "map", series, float(x), float(y), float(value)


def _filled(values: Any) -> NDArray[np.float64]:
    """Return numbers with NaN where they are masked."""
    return np.asarray(np.ma.masked_array(values, dtype=float).filled(np.nan))


def _label(artist: Any) -> str:
    text = str(artist.get_label() or "")
    return "" if text.startswith("_") else text


def _names(axis: Any) -> list[tuple[float, str]]:
    """Return place and name of the ticks of an axis whose ticks were named."""
    if not isinstance(axis.get_major_locator(), FixedLocator):
        return []
    texts = [tick.get_text() for tick in axis.get_ticklabels()]
    return list(zip((float(place) for place in axis.get_majorticklocs()), texts, strict=False))


def _named(names: list[tuple[float, str]], place: float) -> str:
    near = [(abs(at - place), name) for at, name in names if abs(at - place) <= 0.5]
    return min(near)[1] if near else ""
