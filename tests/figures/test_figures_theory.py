"""Figures of the theory chapter: as wide as a page, legends beside what they name, and a caption for each."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from labelleak_lib.figures import theory

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.py"))


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_figure_has_a_caption_and_a_name_of_its_own(path):
    cells = [cell for cell in re.split(r"(?m)^# %%", path.read_text(encoding="utf-8")) if "plt.show()" in cell]
    heads = [cell.splitlines()[0] for cell in cells]
    assert all('"caption": "' in head and '"alt": "' in head for head in heads)
    names = [re.search(r'"name": "(fig-[\w-]+)"', head)[1] for head in heads]
    assert len(set(names)) == len(names)


def test_the_legend_of_dead_features_hides_nothing_of_the_bands():
    dial = np.arange(0, 16, 3)
    frame = pd.concat([
        pd.DataFrame({"dial": dial, "head": head, "mean": mean, "sd": dial / 10, "deviation": dial / 10})
        for head, mean in (("retained", 1.0), ("forgotten", 0.0))
    ])  # fmt: skip
    figure = theory.dead_feature_dial(frame)
    figure.canvas.draw()
    (legend,), (ax,) = figure.legends, figure.axes
    assert ax.get_legend() is None
    assert not legend.get_window_extent().overlaps(ax.get_window_extent())


def test_figures_are_no_wider_than_a_page():
    matrices = {"as they are": np.eye(4), "after": np.eye(4)}
    classes = pd.DataFrame(
        {"margin": [1.0, 2], "accuracy": [0.0, 1], "inner": [1.0, 2], "side": ["forgotten", "retained"], "method": "RT"}
    )
    drawn = [
        theory.cosines(matrices, list("abcd")),
        theory.same_question(classes),
        theory.two_clusters([0.1, 0.5, 0.9], 1, 1, np.array([1, 2])),
    ]
    assert max(figure.get_figwidth() for figure in drawn) <= 8
