"""What the overview and comparison chapters compute and draw."""

import math
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from record_samples import full_records, well_formed
from scipy import stats
from toys import blobs, trained

from labelleak_lib.data.samples import to_input
from labelleak_lib.figures import overview, success
from labelleak_lib.names import PAPER_ROWS, row_name
from labelleak_lib.results import against_paper, inverted, summary
from labelleak_lib.results.leakage import success_frame
from labelleak_lib.results.summary import CONTROL_ROWS
from labelleak_lib.results.worth import UNITS, judged_both_ways


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


# Overview


def test_table_i_says_who_can_see_what():
    table = summary.access_table()
    # the paper's Table I: the parameter attacks need samples and parameters, white boxes parameters, black ones neither
    assert table["a few samples of every class"].tolist() == ["yes"] * 3 + ["no"] * 4
    assert table["parameters"].tolist() == ["yes"] * 5 + ["no"] * 2
    assert table["answers to queries"].tolist() == ["yes"] * 7


def test_mean_answers_are_the_class_means_of_softmax():
    model, samples = trained(), blobs(per_class=7, seed=3)
    found = inverted.mean_answers(model, samples)
    with torch.no_grad():
        one = torch.softmax(model(to_input(samples.images[samples.labels == 2])), 1)
    np.testing.assert_allclose(found[2], one.mean(0).numpy(), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize(("classes", "named"), [(4, True), (25, False)])
def test_probability_maps_show_the_matrices_and_point_at_the_forgotten(classes, named):
    maps = {title: np.eye(classes) * scale for title, scale in (("a", 1.0), ("b", 0.5), ("c", 0.2))}
    figure = overview.probability_maps(maps, [f"class {c}" for c in range(classes)], [1, 3])
    shown = well_formed(figure)
    np.testing.assert_array_equal(shown[1].images[0].get_array(), maps["b"])
    assert [line.get_ydata()[0] for line in shown[0].lines] == [1, 3]
    assert ("class 2" in [t.get_text() for t in shown[0].get_yticklabels()]) == named


def test_attack_rows_draw_measured_placebo_published_and_chance():
    records = full_records(target=0.9, placebo=0.4)
    left, right = well_formed(overview.attack_rows(judged_both_ways(records, extra=CONTROL_ROWS), UNITS))
    assert [t.get_text() for t in left.get_yticklabels()][:1] == ["dot product, Youden"]
    assert len(left.get_yticklabels()) == len(PAPER_ROWS) + len(CONTROL_ROWS)
    drawn = {tuple(np.unique(np.round(line.get_xdata(), 6))) for line in right.lines if len(line.get_xdata()) > 2}
    assert {(90.0,), (100.0,)} <= drawn, "exact and silent, and silent"
    assert 86.17 in left.lines[0].get_xdata()
    segments = [s for c in left.collections for s in c.get_segments() if len(s)]
    assert {s[0, 0] for s in segments if s[0, 1] != s[1, 1]} == {50.0, 90.0}


# Comparison


def lines_of(**columns):
    defaults = {
        "dataset": "digits", "k": 1, "attack": "blackbox_inversion", "criterion": "threshold", "unlearning": "RT",
        "trials": 5, "measured": 90.0, "low": 85.0, "high": 95.0, "published": 78.5, "placebo": 70.0, "baseline": 90.0,
        "auc": 1.0, "unlearned": 1.0,
    }  # fmt: skip
    return pd.DataFrame([defaults | columns])


@pytest.mark.parametrize(
    ("low", "high", "printed", "verdict"),
    [
        (85, 95, 78.5, "above"), (85, 95, 90, "not told apart"), (85, 95, 85.01, "not told apart"),
        (85, 95, 99, "below"),
        (90, 90, 89, "all trials equal"), (90, 90, 20, "above"),
        (math.nan, math.nan, 50, "no interval"),
    ],
)  # fmt: skip
def test_a_single_verdict_says_where_the_whole_interval_lies(low, high, printed, verdict):
    (found,) = against_paper.with_verdicts(lines_of(low=float(low), high=float(high), published=printed)).verdict
    assert found == verdict


@pytest.mark.parametrize(("trials", "published"), [(5, 99.8), (5, 40.0), (20, 82.0), (20, 90.0)])
def test_trials_that_all_agree_are_tested_as_so_many_outcomes(trials, published):
    agreed = {"measured": 100.0, "low": 100.0, "high": 100.0, "trials": trials, "published": published}
    (line,) = against_paper.with_verdicts(lines_of(**agreed)).to_dict("records")
    peer = min(1.0, 2 * stats.binomtest(trials, trials, published / 100, alternative="greater").pvalue)
    assert line["p"] == pytest.approx(peer)
    assert line["verdict"] == ("above" if peer < 0.05 else "all trials equal")


def test_what_rounding_leaves_of_an_interval_is_no_deviation_to_test_by():
    rate = 1400 / 15
    width = {"low": rate - 1e-13, "high": rate + 1e-13}
    lines = lines_of(measured=rate, **width, trials=20, published=93.0)
    assert against_paper.with_verdicts(lines).verdict.tolist() == ["all trials equal"]


def test_a_cell_that_is_not_tested_has_no_value_of_a_test():
    untested = lines_of(measured=100.0, low=math.nan, high=math.nan, trials=3, published=50.0)
    (line,) = against_paper.with_verdicts(pd.concat([untested, lines_of()]))[:1].to_dict("records")
    assert math.isnan(line["p"]) and line["verdict"] == "no interval"


def test_a_cell_without_a_published_value_takes_no_part():
    lines = pd.concat([lines_of(), lines_of(unlearning="FT", published=math.nan)])
    judged = against_paper.with_verdicts(lines)
    assert judged.unlearning.tolist() == ["RT"]
    (counted,) = against_paper.verdict_counts(judged).to_dict("records")
    assert (counted["above"], counted["not told apart"], counted["below"]) == (1, 0, 0)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, ["above for RT", "below the 90%", "placebo stays below it, at 70%"]),
        ({"placebo": math.nan}, ["above for RT; what is published lies below the 90% of an answer"]),
        ({"placebo": math.nan, "baseline": 70.0}, ["what is published is 78.5%, the 70% of an answer"]),
        ({"placebo": 80.0}, ["the placebo passes what is published as well"]),
        ({"baseline": 50.0}, ["above for RT; the placebo stays below it"]),
        ({"published": 99.0, "auc": 0.6}, ["below for RT", "AUC 0.60"]),
        ({"published": 99.0}, ["ranks forgotten classes first"]),
    ],
)
def test_a_cell_outside_the_interval_is_explained(columns, words):
    (sentence,) = against_paper.misses(against_paper.with_verdicts(lines_of(**columns)))
    assert sentence.startswith("digits, k = 1, black-box inversion, threshold: ")
    assert all(word in sentence for word in words), sentence


def test_a_cell_that_is_not_told_apart_needs_no_explanation():
    assert against_paper.misses(against_paper.with_verdicts(lines_of(published=90.0))) == []


def test_many_cells_asked_at_once_need_more_than_their_own_interval():
    alone = against_paper.with_verdicts(lines_of(published=84.0))
    assert alone.verdict.tolist() == ["above"]
    many = against_paper.with_verdicts(pd.concat([lines_of(published=84.0), *[lines_of(published=90.0)] * 9]))
    assert many.verdict.tolist() == ["not told apart"] * 10
    peer = stats.ttest_1samp(90 + np.array([-2, -1, 0, 1, 2]), 84).pvalue
    interval = stats.ttest_1samp(90 + np.array([-2, -1, 0, 1, 2]), 0).confidence_interval()
    tested = against_paper.with_verdicts(lines_of(low=interval.low, high=interval.high, published=84.0))
    assert tested.p.tolist() == [pytest.approx(peer)]


@pytest.mark.parametrize(
    ("target", "named", "words"),
    [(1.0, "", "a leak: mostly exact"), (1.0, "3", "accuses where nothing was forgotten"), (0.0, "", "mostly misses")],
)
def test_a_row_is_worth_how_often_it_is_exact_and_silent(target, named, words):
    records = full_records(target=target, placebo=0.4)
    accused = records.assign(predicted=records.predicted.mask(records.control == "placebo", named))
    found = against_paper.conclusions(accused)
    assert found["row"].tolist() == [row_name(*row) for row in PAPER_ROWS]
    assert found.reading.str.contains(words).all()
    assert found["placebo %"].tolist() == ["40.0"] * 3 + [""] * 4, "of rows judged head by head alone"
    assert found["published %"][0] == "86.17"
    assert "published %" not in against_paper.conclusions(records.assign(dataset="digits"))


def test_what_rows_are_worth_has_a_numbered_table_a_data_set_with_its_targets():
    mine = full_records("my images", target=1.0)
    text = against_paper.conclusions_by_set(pd.concat([mine, full_records("mnist", target=1.0)]), "tbl-x")
    n = len(mine[mine.control == "none"].drop_duplicates("config_hash"))
    captions = re.findall(r"^:::\{table\} .*; (.*)\n:name: (.*)$", text, re.M)
    assert captions == [(f"{name}, k = 1, targets a row: {n}", f"tbl-x-{place}")
                        for place, name in enumerate(("my images", "mnist"), 1)]  # fmt: skip
    assert text.count("{tab-item}") == 2


def test_everything_at_a_glance_has_a_panel_a_row_and_k_and_a_colour_a_data_set():
    records = pd.concat([full_records(d, k=k, target=0.8) for d, k in (("digits", 1), ("mnist", 1), ("digits", 3))])
    figure = success.at_a_glance(success_frame(records, PAPER_ROWS, ("paper",)))
    shown = well_formed(figure)
    assert len(shown) == 14
    titles = [ax.get_title() for ax in shown]
    assert titles[:2] == ["dot product, Youden, k = 1", "dot product, Youden, k = 3"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[:2] == ["digits, n = 3", "mnist, n = 3"]


@pytest.mark.parametrize(
    "names", [["mnist"], ["mnist", "svhn"], ["digits", "mnist", "fashion_mnist", "svhn", "cifar10"]]
)
def test_no_two_marks_at_a_glance_share_a_place(names):
    # rates that all agree, so that nothing but their places tells the marks apart
    records = pd.concat([full_records(d, k=k, target=0.9, placebo=0.9) for d in names for k in (1, 3)])
    figure = success.at_a_glance(success_frame(records, PAPER_ROWS, ("paper",)))
    for ax in well_formed(figure):
        marks = [line for line in ax.lines if line.get_marker() in ("o", "s", "D")]
        points = sorted(
            (ax.transData.transform((x, y))[0], line.get_markersize() * figure.dpi / 72)
            for line in marks for x, y in zip(*line.get_data(), strict=True) if np.isfinite(y)
        )  # fmt: skip
        places, sizes = np.transpose(points)
        heads = "inversion" not in ax.get_title()
        assert len(places) == 5 * (len(names) * (1 + heads) + 1)
        # beside each other, each with the half of its width towards the other
        assert (np.diff(places) > 0.97 * (sizes[1:] + sizes[:-1]) / 2).all()
