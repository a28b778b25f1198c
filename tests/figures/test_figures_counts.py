"""Figures say in the picture on how many trials, targets or models their marks rest, and hide none behind another."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from record_samples import full_records, well_formed

from labelleak_lib.figures import (
    controls,
    forgetting,
    inversion,
    layout,
    leak_cards,
    overview,
    parameter_attacks,
    reach,
)
from labelleak_lib.figures.drawn import drawn
from labelleak_lib.results.worth import UNITS, judged_both_ways


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def title(figure):
    """Return what stands above the legend below the panels."""
    return figure.legends[0].get_title().get_text()


def models(trials, **columns):
    """Return one row a class and target model, with their placebos."""
    rows = [
        {"dataset": "digits", "k": 1, "unlearning": code, "trial": t, "control": control, "class": c, "kind": kind}
        for code in ("RT", "NG") for t in range(trials) for control in ("none", "placebo")
        for c, kind in enumerate(("forgotten", "retained"))
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(**columns)


@pytest.mark.parametrize(
    ("numbers", "text"), [([5], "n = 5"), ([2, 9, 4], "n = 2 to 9"), ([0, 3], "n = 3"), ([0], "n = 0"), ([], "n = 0")]
)
def test_marks_that_rest_on_nothing_do_not_count(numbers, text):
    assert layout.counted(numbers) == text


def test_attack_rows_count_trials():
    left, right = well_formed(overview.attack_rows(judged_both_ways(full_records(trials=3)), UNITS))
    assert [ax.get_title().split("\n")[1] for ax in (left, right)] == ["(trials a row: n = 3)"] * 2


def test_figures_of_single_models_count_them():
    answers = models(3, attack="random_inputs", inputs=10, highest=0.5)
    figure = controls.highest_probabilities(answers, answers.assign(peak=0.5))
    assert figure.axes[0].get_title().endswith("(n = 6)") and title(figure).startswith("n: target models")
    parts = [models(3, attack=name, value=0.5) for name in ("head_bias", "head_row_sum", "direct_probe")]
    assert title(controls.readings(pd.concat(parts))) == "target models a method: n = 3; one dot a class"
    peaks = models(4, peak=0.5, mean=0.5)
    assert title(inversion.peaks(peaks, by="unlearning")) == "target models a group: n = 4; one dot a class"
    heads = models(4, value=np.linspace(0, 1, 32), source=0)
    figure = parameter_attacks.distributions(heads, "dot product")
    assert [ax.get_title() for ax in figure.axes[:2]] == [
        "RT (k = 1, n = 4): target $M_u$", "RT (k = 1, n = 4): placebo $M_o$"
    ]  # fmt: skip
    assert title(parameter_attacks.by_class(heads, "dot product")) == "target models: n = 8; one dot a head"


def test_searches_that_agree_on_rare_classes_lie_side_by_side():
    table = pd.DataFrame([
        {"dataset": "digits", "attack": f"a{i}", "criterion": "reach", "share": share, "n": n, "accused": 0.0,
         "low": 0.0, "high": 0.3}
        for i in range(5) for share, n in ((0.3, 10), (0.1, 10), (0.03, 12), (0.01, 10))
    ])  # fmt: skip
    figure = controls.dose(table)
    (ax,) = well_formed(figure)
    assert ax.get_title() == "digits (n = 10 to 12)"
    lines = [line for line in ax.lines if len(line.get_xdata()) == 4 and line.get_linestyle() == "-"]
    seen = [np.sort(line.get_transform().transform(line.get_xydata())[:, 0]) for line in lines]
    places = np.sort(np.ravel(seen))
    assert np.diff(places).min() > 0.8 * lines[0].get_markersize() * figure.dpi / 72
    assert len({line.get_linewidth() for line in lines}) == 5
    bars = [part for bars in ax.containers for part in bars.lines[2]]
    whiskers = np.sort([part.get_transform().transform(end[0])[0] for part in bars for end in part.get_segments()])
    assert len(whiskers) == 20 and np.diff(whiskers).min() > 6
    assert whiskers == pytest.approx(places), "the whiskers go with their marks"
    caps = [cap for bars in ax.containers for cap in bars.lines[1]]
    ends = {round(x, 3) for cap in caps for x in cap.get_transform().transform(cap.get_xydata())[:, 0]}
    assert sorted(ends) == pytest.approx(places, abs=1e-2)
    box = ax.get_window_extent()
    assert box.x0 < places.min() < places.max() < box.x1, "no mark is cut off"
    assert places.max() - places.min() > 0.7 * box.width, "and no room is left empty"
    # the marks of a share lie nearer to it than to the next one
    true = np.sort(ax.transData.transform([(share, 0) for share in (0.3, 0.1, 0.03, 0.01)])[:, 0])
    assert np.abs(np.array(seen) - true).max() < np.diff(true).min() / 2


def test_what_is_offered_of_the_dose_holds_the_true_shares():
    table = pd.DataFrame([
        {"dataset": "digits", "attack": f"a{i}", "criterion": "reach", "share": share, "n": 10, "accused": 0.1 * i,
         "low": 0.0, "high": 0.6}
        for i in range(5) for share in (0.3, 0.1)
    ])  # fmt: skip
    read = drawn(controls.dose(table))
    assert set(read.x) == {0.3, 0.1} and set(read.kind) == {"line", "segment"}


def test_thresholds_are_drawn_down_to_zero_and_models_counted():
    curve = pd.DataFrame({"threshold": [0, 0.5], "right": [0.9, 0.02], "n": 40})
    figure = controls.thresholds({"reach": curve})
    (ax,) = well_formed(figure)
    assert ax.get_ylim()[0] < 2 and title(figure) == "models a search: n = 40"


def test_methods_and_data_sets_say_how_many_trials_they_have():
    ranking = pd.DataFrame({
        "unlearning": ["RT", "NG"], "passed": [5, 2], "trials": [5, 6], "probe": 0.5, "untrained": 0.4, "leak": 1.0,
        "low": 0.5, "high": 1.0,
    })  # fmt: skip
    leak, _ = well_formed(leak_cards.ranked(ranking))
    assert [tick.get_text() for tick in leak.get_yticklabels()] == ["RT 5/5", "NG 2/6"]
    lines = pd.DataFrame({
        "dataset": "digits", "unlearning": ["RT"] * 3 + ["NG"] * 2, "unlearned": True, "limit": 100, "steps_half": 10.0,
        "probe_after": 0.5, "probe_before": 0.9, "probe_untrained": 0.2,
    })  # fmt: skip
    assert [ax.get_title() for ax in forgetting.left(lines).axes] == ["digits (n = 2 to 3)"] * 2
    curves = pd.DataFrame({
        "dataset": "digits", "attack": "joint_reach", "criterion": "reach", "queries": [10, 100], "exact": 1.0,
        "silent": 1.0, "n": 7,
    })  # fmt: skip
    assert reach.queries(curves).axes[0].get_title() == "digits (n = 7)"


def test_the_dose_of_a_class_is_labelled_on_both_sides_and_no_legend_covers_a_line():
    heads = pd.DataFrame({"samples": [0, 0, 30, 30], "time": [1, 10, 1, 10], "reach": [-1, -2, -0.5, 3.0]})
    networks = pd.DataFrame({"dataset": "digits", "share": [0.0, 0.1, 0.1], "reach": [-1, 2, 3.0]})
    figure = reach.dose(heads, networks)
    figure.canvas.draw()
    for ax in well_formed(figure):
        assert ax.get_ylabel() == "reach of the class"
        box, frame = ax.get_legend().get_window_extent(), ax.get_window_extent()
        assert not box.overlaps(frame) and box.width <= frame.width
    assert [text.get_text() for text in figure.axes[1].get_legend().get_texts()] == ["digits, n = 3"]
