"""Summaries over methods, trials and data sets against numbers worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from record_samples import record
from scipy import stats

from labelleak_lib.results import intervals, summary, worth


def frame(*rows):
    return pd.DataFrame(list(rows))


def trial(number, unlearning, asr, placebo, dataset="mnist"):
    shared = {"trial": number, "unlearning": unlearning, "dataset": dataset, "forgotten": str(number)}
    return [record(asr=asr, **shared), record(asr=placebo, control="placebo", **shared)]


def test_a_trial_counts_with_its_mean_over_methods_and_the_excess_is_paired():
    rows = [*trial(0, "RT", 1.0, 0.6), *trial(0, "NG", 0.8, 0.5), *trial(1, "RT", 0.7, 0.1), *trial(2, "RT", 0.5, 0.4)]
    rows += [*trial(3, "RT", 0.9, 0.5), *trial(4, "RT", 0.6, 0.4)]
    (line,) = summary.compare(frame(*rows), "asr", "paper", [("dot_product", "youden")]).itertuples()
    assert line.measured == pytest.approx(100 * np.mean([0.9, 0.7, 0.5, 0.9, 0.6]))
    assert line.placebo == pytest.approx(100 * np.mean([0.55, 0.1, 0.4, 0.5, 0.4]))
    assert line.excess == pytest.approx(100 * np.mean([0.35, 0.6, 0.1, 0.4, 0.2]))
    assert line.measured - line.low == pytest.approx(line.high - line.measured)
    assert line.published == 86.17
    assert line.chance == 50


def test_data_sets_count_alike_whatever_their_trials():
    rows = [row for t in range(6) for row in trial(t, "RT", 0.9, 0.5)]
    rows += [row for t in range(2) for row in trial(t, "RT", 0.5 + 0.1 * t, 0.5, "svhn")]
    (line,) = summary.compare(frame(*rows), "asr", "paper", [("dot_product", "youden")]).itertuples()
    assert line.measured == pytest.approx(100 * np.mean([0.9, 0.55]))


def test_published_is_the_chosen_method_s_and_only_for_success_rates():
    rows = frame(*trial(0, "RT", 1.0, 0.6))
    row = [("dot_product", "youden")]
    assert summary.compare(rows, "asr", "paper", row, "RT").published[0] == 90.75
    assert math.isnan(summary.compare(rows, "balanced_accuracy", "paper", row, "RT").published[0])
    assert summary.compare(rows, "asr", "attacker", row).empty


def test_no_published_rate_stands_beside_a_data_set_that_the_paper_does_not_have():
    rows = [*trial(0, "RT", 1.0, 0.6), *trial(0, "RT", 0.8, 0.6, "digits")]
    assert math.isnan(summary.compare(frame(*rows), "asr", "paper", [("dot_product", "youden")]).published[0])
    kept = summary.of_the_paper(frame(*rows))
    assert kept.dataset.unique().tolist() == ["mnist"]
    (line,) = summary.compare(kept, "asr", "paper", [("dot_product", "youden")]).itertuples()
    assert (line.measured, line.published) == (100, 86.17)


def test_what_fails_the_gate_is_left_out_and_stands_beside_it():
    rows = frame(*trial(0, "RT", 1.0, 0.6), *trial(0, "NG", 0.4, 0.9))
    failed = rows.assign(unlearned=rows.unlearning != "NG")
    (line,) = summary.compare(failed, "asr", "paper", [("dot_product", "youden")]).itertuples()
    assert (line.measured, line.ungated, line.placebo) == (100, pytest.approx(70), pytest.approx(60))
    (none,) = summary.compare(rows.assign(unlearned=False), "asr", "paper", [("dot_product", "youden")]).itertuples()
    assert math.isnan(none.measured) and none.ungated == pytest.approx(70)


def test_classes_have_the_floor_of_an_answer_that_looks_at_nothing():
    shared = {"k": 3, "classes": 12, "forgotten": "0,1,2"}
    rows = [record(a, c, control=control, protocol=p, **shared)
            for a, c in (("dot_product", "youden"), ("blackbox_inversion", "threshold"))
            for control in ("none", "placebo") for p in ("paper", "attacker")]  # fmt: skip
    panels = worth.judged_both_ways(frame(*rows))
    assert panels["judged as published"].chance.tolist() == [50, 75]
    by_head, by_class = panels["judged as published"].placebo
    assert by_head == 100 and math.isnan(by_class), "by class the placebo is arithmetic"
    assert panels["exact and silent"].measured.tolist() == [100, 100]


def test_one_data_set_has_scipys_t_interval_and_two_that_of_welch():
    rng = np.random.default_rng(1)
    first, second = (pd.Series(rng.normal(mean, spread, n)) for mean, spread, n in ((0.2, 0.05, 6), (0.8, 0.2, 9)))
    alone = stats.ttest_1samp(first, 0).confidence_interval()
    assert intervals.over_datasets([first])[1:3] == pytest.approx(tuple(alone))
    # the mean of two means is half the difference of one and the other's negative
    welch = stats.ttest_ind(first, -second, equal_var=False).confidence_interval()
    assert intervals.over_datasets([first, second])[1:3] == pytest.approx((welch.low / 2, welch.high / 2))


def test_the_interval_over_data_sets_draws_within_each():
    rng = np.random.default_rng(1)
    groups = [pd.Series(rng.normal(mean, 0.05, n)) for mean, n in ((0.2, 30), (0.8, 60))]
    found = intervals.over_datasets(groups)
    assert found.mean == pytest.approx(np.mean([group.mean() for group in groups]))
    # the spread between the data sets takes no part: the error of the mean of two means
    error = 0.5 * math.sqrt(sum(group.var(ddof=0) / len(group) for group in groups))
    assert found.low == pytest.approx(found.mean - 1.96 * error, abs=0.3 * error)
    assert found.high == pytest.approx(found.mean + 1.96 * error, abs=0.3 * error)


@pytest.mark.parametrize(
    "groups", [[[0.5, 0.7]], [[0.4, 0.6, 0.7], [0.9]], [[1.0], [1.0]]], ids=["few", "a group of one", "few and equal"]
)
def test_where_too_few_trials_stand_there_is_a_mean_and_no_interval(groups):
    found = intervals.over_datasets([pd.Series(values) for values in groups])
    assert found.mean == pytest.approx(np.mean([np.mean(values) for values in groups]))
    assert math.isnan(found.low) and math.isnan(found.high)
