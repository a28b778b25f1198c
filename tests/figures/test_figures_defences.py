"""Chapter 10's figures draw what the tables of defences say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from defended_samples import cost, leak
from matplotlib.patches import Rectangle
from record_samples import well_formed

from labelleak_lib.figures import defences as drawn
from labelleak_lib.registry import DEFENCES
from labelleak_lib.results import defended
from labelleak_lib.results.defences import ACCESSES, NONE, defence_title

TITLES = {name: defence_title(name) for name in (NONE, *DEFENCES)}
COLUMNS = {access: access for access in ACCESSES.values()}
TABLE = pd.DataFrame([
    leak("none", 4, 5), leak("none", 5, 5, attack="gradient_reach"), leak("mask", 1, 5) | {"ranks": True},
    leak("mean_row", 0, 5), leak("mean_row", 1, 5, attack="gradient_reach"),
    leak("mean_row", 3, 5, attack="row_distance"), leak("trew", 2, 5, unlearning="alone"),
])  # fmt: skip


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_the_map_has_a_panel_a_method_a_number_a_cell_and_frames_what_knows_the_defence():
    figure = drawn.heat_map(defended.by_access(TABLE), TITLES, COLUMNS)
    first, alone = [ax for ax in well_formed(figure) if ax.get_title()]
    assert [first.get_title(), alone.get_title()] == ["after RT (n = 5)", "handed the original model (n = 5)"]
    assert [t.get_text() for t in first.get_yticklabels()] == ["no defence", "mean row", "masked output"]
    shown = np.asarray(first.images[0].get_array().filled(np.nan))
    assert shown.shape == (3, len(COLUMNS))
    np.testing.assert_allclose(shown[:, 0], [80, 0, 20])
    np.testing.assert_allclose(shown[:, list(COLUMNS).index("parameters")], [100, 60, np.nan])
    assert sorted(t.get_text() for t in first.texts) == sorted(["80", "100", "0", "60", "20*"])
    (frame,) = [patch for patch in first.patches if isinstance(patch, Rectangle)]
    middle = frame.get_x() + frame.get_width() / 2, frame.get_y() + frame.get_height() / 2
    assert middle == pytest.approx((list(COLUMNS).index("parameters"), 1))


def test_every_number_on_the_map_is_legible_at_half_its_width():
    figure = drawn.heat_map(defended.by_access(TABLE), TITLES, COLUMNS)
    figure.canvas.draw()
    size = figure.dpi / 72 * 400 / (figure.get_figwidth() * figure.dpi)
    texts = [t for ax in figure.axes[:-1] for t in (*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels())]
    assert min(t.get_fontsize() * size for t in texts if t.get_text()) > 8, "pixels, at a width of 400"


def test_prices_stand_against_leaks_and_the_defences_that_matter_are_named():
    worst = defended.worst(TABLE)
    points = defended.cost_and_leak(worst, cost(TABLE, mask=0.2, mean_row=3.0))
    (ax,) = well_formed(drawn.price_and_leak(points, TITLES))
    dots = {
        line.get_label(): line.get_xydata()
        for line in ax.lines
        if len(line.get_xdata()) and "_" not in line.get_label()
    }
    assert set(dots) == {"after RT", "handed the original model"}
    np.testing.assert_allclose(dots["after RT"], [[0, 100], [3, 60], [0.2, 20]], atol=1.6)
    assert {t.get_text() for t in ax.texts} == {"mean row", "masked output", "TREW"}
    (chance,) = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert chance.get_ydata()[0] == pytest.approx(10)


def test_names_of_defences_that_leak_alike_after_two_methods_stand_apart():
    nearly = {"defence": "mask", "both": 0.45, "chance": 0.1, "n": 4}
    plain = nearly | {"defence": "none", "both": 1.0, "n": 9, "unlearning": "NG"}
    points = pd.DataFrame([
        nearly | {"unlearning": "RT", "points": 0.1}, nearly | {"unlearning": "NG", "points": -0.5, "both": 0.5},
        *(plain | {"points": x} for x in (-2.4, 2.2)),
    ])  # fmt: skip
    (ax,) = well_formed(drawn.price_and_leak(points, TITLES))
    assert [t.get_text() for t in ax.texts].count("masked output") == 2
    assert ax.figure.legends[0].get_title().get_text() == "targets a mark: n = 4 to 9"


@pytest.mark.parametrize(
    "draw", [lambda t: drawn.heat_map(t, TITLES, COLUMNS), lambda t: drawn.price_and_leak(t, TITLES)]
)
def test_a_figure_of_nothing_says_that_nothing_is_stored(draw):
    (text,) = draw(defended.by_access(TABLE).iloc[:0]).axes[0].texts
    assert text.get_text() == "No defences are stored for these trials."
