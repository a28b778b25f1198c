"""The data of a figure, read back from what was drawn, are what went in."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from labelleak_lib.figures.drawn import COLUMNS, drawn
from labelleak_lib.figures.layout import grid


@pytest.fixture
def ax():
    figure, [[ax]] = grid(1, 1, (4, 3))
    yield ax
    plt.close(figure)


def points(ax, kind):
    found = drawn(ax.figure)
    assert list(found) == COLUMNS
    own = found[found.kind == kind]
    return own, own[["x", "y"]].to_numpy().tolist()


def test_a_line_with_intervals_keeps_its_name_and_its_ends(ax):
    ax.errorbar([1, 2], [10.0, 20.0], [[1, 2], [3, 4]], label="labels alone", capsize=2)
    own, places = points(ax, "line")
    assert places == [[1, 10], [2, 20]] and set(own.series) == {"labels alone"}
    own, places = points(ax, "segment")
    assert places == [[1, 9], [1, 13], [2, 18], [2, 24]] and set(own.series) == {"labels alone"}


def test_bars_stand_at_their_middle_and_end_at_their_top(ax):
    ax.bar([0, 1], [3.0, 4.0], width=0.8, bottom=[0, 1], label="seen")
    ax.set_xticks([0, 1], ["RT", "FT"])
    own, places = points(ax, "bar")
    assert places == [[0, 3], [1, 5]] and own.x_label.tolist() == ["RT", "FT"] and set(own.series) == {"seen"}


def test_scattered_points_and_lines_of_a_level(ax):
    ax.scatter([1, np.nan], [2, 3], label="dots")
    ax.hlines([5], 0, 4, label="placebo")
    own, places = points(ax, "point")
    assert places[0] == [1, 2] and np.isnan(places[1][0])
    own, places = points(ax, "segment")
    assert places == [[0, 5], [4, 5]] and own.series.tolist() == ["placebo"] * 2


@pytest.mark.parametrize("draw", ["imshow", "pcolormesh"])
def test_a_map_gives_the_value_of_every_cell(ax, draw):
    values = np.array([[0.1, 0.2, 0.3], [0.4, np.nan, 0.6]])
    if draw == "imshow":
        ax.imshow(values)
    else:
        ax.pcolormesh([0, 1, 2], [0, 1], values, shading="nearest")
    own, places = points(ax, "map")
    assert places == [[x, y] for y in (0, 1) for x in (0, 1, 2)]
    np.testing.assert_array_equal(own.value, values.ravel())


def test_pictures_have_no_data_and_panels_are_told_apart():
    figure, [[left, right]] = grid(1, 2, (6, 3))
    left.imshow(np.zeros((4, 4, 3)))
    left.set_title("inputs")
    right.plot([1], [2])
    found = drawn(figure)
    assert found.panel.tolist() == ["1"] and len(found) == 1
    plt.close(figure)
