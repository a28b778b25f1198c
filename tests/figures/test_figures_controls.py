"""Controls: the published numbers against exact arithmetic, and readings without a search."""

import math
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from record_samples import evidence_of, record, well_formed

from labelleak_lib.figures import controls
from labelleak_lib.paper import granularity, published
from labelleak_lib.results import readings


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_granularity_counts_agree_with_exact_arithmetic():
    table = granularity.granularity_table().set_index(["group", "denominator"])
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
    found = granularity.misfits()
    assert found.asr_percent.tolist() == [71.42, 77.08, 71.42]
    assert set(found.unlearning) == {"RT"} and set(found.attack) == {"blackbox_inversion"}
    # 5/7 = 71.428... cut to two decimals, and 37/48 = 77.083...: 28 and 48 decisions over four data sets
    assert found.smallest.tolist() == [7, 12, 7]


def test_accuracy_on_unseen_classes_stands_beside_the_published_one():
    rows = [record(dataset="mnist", trial=t, forget_acc_after=0.02 * t, criterion=c) for t in range(3) for c in "ab"]
    rows += [record(dataset="mnist", unlearning="FT", forget_acc_after=0.9)]
    (line,) = readings.unseen_accuracy(pd.DataFrame(rows)).itertuples()
    assert (line.dataset, line.k, line.trials, line.published) == ("mnist", 1, 3, 28.30)
    assert (line.measured, line.highest) == (pytest.approx(2.0), pytest.approx(4.0))


def test_a_model_of_two_profiles_counts_under_both():
    rows = [record(dataset="mnist", profile=profile, trial=t) for profile, n in (("quick", 1), ("paper", 3))
            for t in range(n)]  # fmt: skip
    frame = pd.DataFrame(rows).assign(config_hash=lambda x: x.trial.map("model {}".format))
    found = readings.unseen_accuracy(frame)
    assert dict(zip(found.profile, found.trials, strict=True)) == {"quick": 1, "paper": 3}


@pytest.mark.parametrize(("shift", "area", "turned"), [(5.0, "1.00", False), (-5.0, "0.00", True)])
def test_the_separation_of_sums_is_said_by_data_set_and_which_way_round_it_is(shift, area, turned):
    kinds = ["retained", "forgotten"] * 4
    parts = [
        pd.DataFrame({"dataset": name, "control": control, "kind": kinds, "value": np.arange(8.0)}).assign(
            value=lambda x, by=shift * moved: x.value // 2 + by * (x.kind == "forgotten")
        )
        for name, moved in (("digits", 0), ("mnist", 1))
        for control in ("none", "placebo")
    ]
    said = readings.separation(pd.concat(parts))
    assert f"digits 0.50 and 0.50; mnist {area} and {area}." in said
    assert ("Below one half, as on mnist, it is the smaller one" in said) == turned


def probes():
    """Return records of two cells and what their models answered to 10 and 100 random inputs, three classes."""
    records = pd.DataFrame([record(trial=t, forgotten="2", classes=3) for t in (0, 1)])
    low = [10, -1.0, -2.0, -9.0, 0.9, 0.8, 0.1, 6, 4, 0]
    high = [100, -1.0, -2.0, -1.5, 0.9, 0.8, 0.85, 50, 40, 10]
    return records, evidence_of(records, "probe", [np.array([low, high])] * 2, "random_inputs")


def test_looks_of_a_search_are_no_random_answers():
    records, evidence = probes()
    with_search = pd.concat([evidence, evidence.assign(attack="query_reach")])
    pd.testing.assert_frame_equal(
        readings.random_answers(records, with_search), readings.random_answers(records, evidence)
    )


def test_random_answers_are_read_back_by_class_and_number_of_inputs():
    answers = readings.random_answers(*probes())
    assert len(answers) == 2 * 2 * 3
    forgotten = answers[(answers["class"] == 2) & (answers.inputs == 10) & (answers.trial == 0)].iloc[0]
    assert (forgotten.kind, forgotten.mean_log, forgotten.answered) == ("forgotten", -9.0, 0.0)
    assert forgotten.highest == pytest.approx(0.1)
    assert answers[answers["class"] == 0].answered.tolist() == [0.6, 0.5, 0.6, 0.5]


def test_aucs_of_random_answers_count_pairs():
    table = readings.answer_aucs(readings.random_answers(*probes())).set_index("inputs")
    # of the pairs (retained, forgotten), the share in which the forgotten class has the lower value
    assert table.loc[10, ["mean_log", "highest", "answered"]].tolist() == [1.0, 1.0, 1.0]
    assert table.loc[100, ["mean_log", "highest", "answered"]].tolist() == [0.5, 0.5, 1.0]


def test_readings_are_turned_back_into_what_was_read():
    records = pd.DataFrame([record(forgotten="1", classes=3)])
    parts = [evidence_of(records, "score", [[0.5, 2.0, -1.0]], "head_bias")]
    parts += [evidence_of(records, "score", [[0.5, 1.5, 0.25]], "head_row_sum")]
    parts += [evidence_of(records, "score", [[0.0, 1.0, 0.25]], "direct_probe")]
    scores = readings.zero_query_scores(records, pd.concat(parts))
    by_attack = scores.groupby("attack").value.apply(list)
    assert by_attack["head_bias"] == [-0.5, -2.0, 1.0]
    assert by_attack["direct_probe"] == [1.0, 0.0, 0.75]
    assert scores[scores.kind == "forgotten"]["class"].unique().tolist() == [1]
    assert [ax.get_title() for ax in well_formed(controls.readings(scores))][2] == "accuracy on the pool"


def test_random_inputs_are_drawn_beside_the_search():
    answers = readings.random_answers(*probes())
    searched = pd.DataFrame({"kind": ["forgotten", "retained"], "control": "none", "peak": [0.3, 1.0]})
    (panel,) = well_formed(controls.highest_probabilities(answers, searched))
    assert [t.get_text() for t in panel.get_xticklabels()] == ["10", "100", "search"]
    heights = sorted(y for line in panel.lines for y in line.get_ydata())
    assert heights.count(0.3) == 1
