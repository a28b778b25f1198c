"""Class names of any script and punctuation in figures: letter by letter, or their index, and never a warning."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from labelleak_lib.figures import inversion, overview, theory
from labelleak_lib.figures.layout import class_labels

NAMES = [
    "cat", "$x$", "$", "a$b$c", "我们", "кот", "قطة", "two\nlines", "a_b^c", "\\alpha", "%", "#1", "1.20", "tab\t",
    "\U0001f9ff\U00020000",
    "$\\frac{$",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_drawn_as_it_is_written_or_as_its_index(name):
    label = class_labels([name, "other"], 12)[0]
    figure, ax = plt.subplots()
    text = ax.set_title(label)
    figure.canvas.draw()
    shown, mathematics = text._preprocess_math(text.get_text())
    assert not mathematics and shown in (name, "0")
    assert (shown == "0") == (name in ("我们", "two\nlines", "tab\t", NAMES[14]))
    plt.close(figure)


@pytest.mark.parametrize("names", [("abcdefghi 1", "abcdefghi 2"), ("x" * 30, "x" * 31)])
def test_names_that_begin_alike_are_told_apart_by_their_index(names):
    assert class_labels(names, 8) == ["0", "1"]


@pytest.mark.parametrize("start", range(0, 16, 4))
def test_figures_with_odd_names_are_drawn_without_a_warning(start):
    names = NAMES[start : start + 4]
    maps = {"a": np.eye(4), "b": np.eye(4)}
    images = {"row": np.random.default_rng(0).random((4, 1, 8, 8))}
    for figure in (
        overview.probability_maps(maps, names, [1]),
        inversion.image_grid(images, names, [1]),
        theory.cosines(maps, names),
    ):
        figure.canvas.draw()
        plt.close(figure)
