"""What the overview, comparison, class-count and control chapters compute and draw."""

import math
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from record_samples import evidence_of, full_records, record
from sklearn.metrics import balanced_accuracy_score
from toys import blobs, trained

from labelleak_lib import models, published
from labelleak_lib.figures import class_count, comparison, controls, overview
from labelleak_lib.figures.success import success_frame
from labelleak_lib.settings import PAPER_ROWS
from labelleak_lib.summary import CONTROL_ROWS, UNITS, judged_both_ways


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def well_formed(figure):
    """Check what every figure owes its readers: labelled axes, a legible size, and a rendering."""
    assert figure.get_figwidth() <= 8
    shown = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    assert any(ax.get_ylabel() or [t.get_text() for t in ax.get_yticklabels()] for ax in shown)
    assert any(ax.get_xlabel() or [t.get_text() for t in ax.get_xticklabels()] for ax in shown)
    figure.canvas.draw()
    sizes = [text.get_fontsize() for ax in shown for text in (ax.xaxis.label, ax.yaxis.label, ax.title)]
    assert min(sizes) >= 9
    return shown


# Overview


def test_table_i_says_who_can_see_what():
    table = overview.access_table()
    # the paper's Table I: the parameter attacks need samples and parameters, white boxes parameters, black ones neither
    assert table["a few samples of every class"].tolist() == ["yes"] * 3 + ["no"] * 4
    assert table["parameters"].tolist() == ["yes"] * 5 + ["no"] * 2
    assert table["answers to queries"].tolist() == ["yes"] * 7


def test_mean_answers_are_the_class_means_of_softmax():
    model, samples = trained(), blobs(per_class=7, seed=3)
    found = overview.mean_answers(model, samples)
    with torch.no_grad():
        one = torch.softmax(model(models.to_input(samples.images[samples.labels == 2])), 1)
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
    assert {(90.0,), (40.0,)} <= drawn
    assert 86.17 in left.lines[0].get_xdata()
    segments = [s for c in right.collections for s in c.get_segments()]
    assert {s[0, 0] for s in segments if s[0, 1] != s[1, 1]} == {50.0}


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
        (85, 95, 78.5, "above"), (85, 95, 90, "around"), (85, 95, 85, "around"), (85, 95, 99, "below"),
        (math.nan, math.nan, 50, "no interval"),
    ],
)  # fmt: skip
def test_a_verdict_says_where_the_whole_interval_lies(low, high, printed, verdict):
    (found,) = comparison.with_verdicts(lines_of(low=float(low), high=float(high), published=printed)).verdict
    assert found == verdict


def test_a_cell_without_a_published_value_takes_no_part():
    lines = pd.concat([lines_of(), lines_of(unlearning="FT", published=math.nan)])
    judged = comparison.with_verdicts(lines)
    assert judged.unlearning.tolist() == ["RT"]
    (counted,) = comparison.verdict_counts(judged).to_dict("records")
    assert (counted["above"], counted["around"], counted["below"]) == (1, 0, 0)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, ["above for RT", "below the 90%", "placebo stays below it, at 70%"]),
        ({"placebo": 80.0}, ["the placebo passes what is published as well"]),
        ({"baseline": 50.0}, ["above for RT; the placebo stays below it"]),
        ({"published": 99.0, "auc": 0.6}, ["below for RT", "AUC 0.60"]),
        ({"published": 99.0}, ["ranks forgotten classes first"]),
        ({"published": 99.0, "unlearned": 0.8}, ["do not count as unlearned for RT"]),
    ],
)
def test_a_cell_outside_the_interval_is_explained(columns, words):
    (sentence,) = comparison.explanations(comparison.with_verdicts(lines_of(**columns)))
    assert sentence.startswith("digits, k = 1, black-box inversion, threshold: ")
    assert all(word in sentence for word in words), sentence


def test_a_cell_around_the_published_value_needs_no_explanation():
    assert comparison.explanations(comparison.with_verdicts(lines_of(published=90.0))) == []


def test_everything_at_a_glance_has_a_panel_a_row_and_k_and_a_colour_a_data_set():
    records = pd.concat([full_records(), full_records("mnist", target=0.8), full_records(k=3, target=0.7)])
    figure = comparison.at_a_glance(success_frame(records, PAPER_ROWS, ("paper",)))
    shown = well_formed(figure)
    assert len(shown) == 14
    titles = [ax.get_title() for ax in shown]
    assert titles[:2] == ["dot product, Youden, k = 1", "dot product, Youden, k = 3"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[:2] == ["digits, measured", "mnist, measured"]


# Class count


def perfect(classes, low=0.2, high=0.99, methods=("RT",), trials=2):
    """Return records and evidence of a sweep whose inversions succeed for retained classes only."""
    rows, arrays = [], []
    for code in methods:
        for trial in range(trials):
            for k in range(1, classes):
                lost = ",".join(map(str, range(k)))
                rows.append(record("whitebox_inversion", "threshold", trial=trial, k=k, forgotten=lost, unlearning=code,
                                   classes=classes, protocol="attacker"))  # fmt: skip
                peak = np.where(np.arange(classes) < k, low, high)
                ipv = np.tile(((1 - peak) / (classes - 1))[:, None], (1, classes))
                ipv[np.arange(classes), np.arange(classes)] = peak
                arrays.append(ipv)
    records = pd.DataFrame(rows)
    return records, evidence_of(records, "ipv", arrays, "whitebox_inversion")


@pytest.mark.parametrize("classes", [4, 7, 10])
def test_perfect_inversions_collapse_exactly_where_predicted(classes):
    stored = class_count.stored_ipvs(*perfect(classes, low=0.6))
    swept = class_count.alpha_sweep(stored, [0.5, 0.9, 1.0, 1.3, 2.0])
    for row in swept.to_dict("records"):
        alpha = Fraction(row["alpha"]).limit_denominator(10)
        limit = Fraction(classes) / (1 + alpha**2)
        if row["k"] != limit:
            assert row["recall"] == float(row["k"] < limit), row
        assert row["limit"] == pytest.approx(float(limit))
    (line,) = class_count.agreement(swept).itertuples()
    assert (line.share, line.share_noisy) == (1.0, 1.0)


def test_stored_vectors_come_with_the_forgotten_classes_of_their_cell():
    records, evidence = perfect(5)
    placebo = evidence.assign(control="placebo")
    stored = class_count.stored_ipvs(records, pd.concat([evidence, placebo]))
    assert len(stored) == len(evidence)
    assert all(cell["forgotten"].sum() == cell["k"] for cell in stored.to_dict("records"))


def test_rules_without_mean_and_deviation_keep_finding_the_forgotten():
    records, evidence = perfect(10)
    probe = records.assign(attack="direct_probe", criterion="two_means", balanced_accuracy=0.75)
    judged = class_count.rules_by_k(class_count.stored_ipvs(records, evidence), pd.concat([records, probe]))
    table = judged.pivot_table("balanced_accuracy", "rule", "k")
    assert (table.loc[["two-means on maxima", "two-means on the class aimed at"]] == 1).all(axis=None)
    assert (table.loc["threshold", :4] == 1).all() and (table.loc["threshold", 6:] == 0.5).all()
    assert (table.loc["direct probe"] == 0.75).all()


def test_the_class_aimed_at_tells_apart_what_the_maximum_does_not():
    # one class is left, and takes nearly everything of every sample
    ipv = np.full((4, 4), 0.01)
    ipv[:, 3] = 0.97
    called = {rule: decide(ipv) for rule, decide in class_count.RULES.items()}
    truth = np.array([True, True, True, False])
    assert balanced_accuracy_score(truth, called["two-means on the class aimed at"]) == 1
    assert balanced_accuracy_score(truth, called["two-means on maxima"]) < 1


def test_intervals_are_over_trials_of_means_over_methods():
    values = {(0, "RT"): 1.0, (0, "RL"): 0.8, (1, "RT"): 0.6, (1, "RL"): 0.4, (2, "RT"): 0.5, (2, "RL"): 0.5}
    rows = pd.DataFrame([record(trial=t, unlearning=c, asr=v) for (t, c), v in values.items()])
    (line,) = class_count.over_trials(rows, ["attack", "k"], "asr").itertuples()
    assert (line.mean, line.n) == (pytest.approx(np.mean([0.9, 0.5, 0.5])), 3)
    few = class_count.over_trials(rows[rows.trial < 2], ["attack", "k"], "asr")
    assert few.low.isna().all()


@pytest.mark.parametrize(("classes", "trials"), [(3, 1), (10, 4)])
def test_figures_of_the_sweep_are_drawn_for_any_number_of_classes(classes, trials):
    records = pd.concat([full_records(trials=trials, k=k, classes=classes) for k in range(1, classes)])
    shown = well_formed(class_count.success_by_k(records, PAPER_ROWS))
    limit = [line for line in shown[2].lines if line.get_label() == "predicted collapse of the threshold"]
    assert limit[0].get_xdata()[0] == pytest.approx(classes / 2)
    stored = class_count.stored_ipvs(*perfect(classes, trials=trials))
    swept = class_count.alpha_sweep(stored, np.arange(0.4, 2.5, 0.3))
    (panel,) = (ax for ax in well_formed(class_count.collapse_map(swept)) if ax.get_title())
    curve = next(line for line in panel.lines if line.get_label().startswith("predicted"))
    np.testing.assert_allclose(curve.get_xdata(), classes / (1 + curve.get_ydata() ** 2))
    well_formed(class_count.rules(class_count.rules_by_k(stored, records)))


# Controls


def test_granularity_counts_agree_with_exact_arithmetic():
    table = controls.granularity_table().set_index(["group", "denominator"])
    printed = published.attack_success_rate().query("unlearning != 'mean' and attack == 'dot_product'")

    def fits(percent, n):
        value, unit = Fraction(round(percent * 100), 100), Fraction(100, 4 * n)
        below = value // unit * unit
        return min(value - below, below + unit - value) < Fraction(1, 100)

    for n in (400, 80, 200):
        line = table.loc[("dot product", n)]
        assert line.fit == sum(fits(p, n) for p in printed.asr_percent)
        cents = range(round(100 * printed.asr_percent.min()), round(100 * printed.asr_percent.max()) + 1)
        share = sum(fits(c / 100, n) for c in cents) / len(cents)
        assert line.any_number == pytest.approx(share)
        tail = sum(math.comb(20, i) * share**i * (1 - share) ** (20 - i) for i in range(int(line.fit), 21))
        assert line.chance == pytest.approx(tail, rel=1e-6)


def test_three_black_box_entries_of_rt_fit_no_count_out_of_200():
    found = controls.misfits()
    assert found.asr_percent.tolist() == [71.42, 77.08, 71.42]
    assert set(found.unlearning) == {"RT"} and set(found.attack) == {"blackbox_inversion"}
    # 5/7 = 71.428... cut to two decimals, and 37/48 = 77.083...: 28 and 48 decisions over four data sets
    assert found.smallest.tolist() == [7, 12, 7]


def test_accuracy_on_unseen_classes_stands_beside_the_published_one():
    rows = [record(dataset="mnist", trial=t, forget_acc_after=0.02 * t, criterion=c) for t in range(3) for c in "ab"]
    rows += [record(dataset="mnist", unlearning="FT", forget_acc_after=0.9)]
    (line,) = controls.unseen_accuracy(pd.DataFrame(rows)).itertuples()
    assert (line.dataset, line.k, line.trials, line.published) == ("mnist", 1, 3, 28.30)
    assert (line.measured, line.highest) == (pytest.approx(2.0), pytest.approx(4.0))


def probes():
    """Return records of two cells and what their models answered to 10 and 100 random inputs, three classes."""
    records = pd.DataFrame([record(trial=t, forgotten="2", classes=3) for t in (0, 1)])
    low = [10, -1.0, -2.0, -9.0, 0.9, 0.8, 0.1, 6, 4, 0]
    high = [100, -1.0, -2.0, -1.5, 0.9, 0.8, 0.85, 50, 40, 10]
    return records, evidence_of(records, "probe", [np.array([low, high])] * 2, "random_inputs")


def test_random_answers_are_read_back_by_class_and_number_of_inputs():
    answers = controls.random_answers(*probes())
    assert len(answers) == 2 * 2 * 3
    forgotten = answers[(answers["class"] == 2) & (answers.inputs == 10) & (answers.trial == 0)].iloc[0]
    assert (forgotten.kind, forgotten.mean_log, forgotten.answered) == ("forgotten", -9.0, 0.0)
    assert forgotten.highest == pytest.approx(0.1)
    assert answers[answers["class"] == 0].answered.tolist() == [0.6, 0.5, 0.6, 0.5]


def test_aucs_of_random_answers_count_pairs():
    table = controls.answer_aucs(controls.random_answers(*probes())).set_index("inputs")
    # of the pairs (retained, forgotten), the share in which the forgotten class has the lower value
    assert table.loc[10, ["mean_log", "highest", "answered"]].tolist() == [1.0, 1.0, 1.0]
    assert table.loc[100, ["mean_log", "highest", "answered"]].tolist() == [0.5, 0.5, 1.0]


def test_readings_are_turned_back_into_what_was_read():
    records = pd.DataFrame([record(forgotten="1", classes=3)])
    parts = [evidence_of(records, "score", [[0.5, 2.0, -1.0]], "head_bias")]
    parts += [evidence_of(records, "score", [[0.5, 1.5, 0.25]], "head_row_sum")]
    parts += [evidence_of(records, "score", [[0.0, 1.0, 0.25]], "direct_probe")]
    scores = controls.zero_query_scores(pd.concat(parts), records)
    by_attack = scores.groupby("attack").value.apply(list)
    assert by_attack["head_bias"] == [-0.5, -2.0, 1.0]
    assert by_attack["direct_probe"] == [1.0, 0.0, 0.75]
    assert scores[scores.kind == "forgotten"]["class"].unique().tolist() == [1]
    assert [ax.get_title() for ax in well_formed(controls.readings(scores))][2] == "accuracy on the pool"


def test_random_inputs_are_drawn_beside_the_search():
    answers = controls.random_answers(*probes())
    searched = pd.DataFrame({"kind": ["forgotten", "retained"], "control": "none", "peak": [0.3, 1.0]})
    (panel,) = well_formed(controls.highest_probabilities(answers, searched))
    assert [t.get_text() for t in panel.get_xticklabels()] == ["10", "100", "search"]
    heights = sorted(y for line in panel.lines for y in line.get_ydata())
    assert heights.count(0.3) == 1
