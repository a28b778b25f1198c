"""Summaries over methods, trials and data sets against numbers worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from record_samples import record

from labelleak_lib.results import intervals, summary


def frame(*rows):
    return pd.DataFrame(list(rows))


def trial(number, unlearning, asr, placebo, dataset="digits"):
    shared = {"trial": number, "unlearning": unlearning, "dataset": dataset, "forgotten": str(number)}
    return [record(asr=asr, **shared), record(asr=placebo, control="placebo", **shared)]


def test_a_trial_counts_with_its_mean_over_methods_and_the_excess_is_paired():
    rows = [*trial(0, "RT", 1.0, 0.6), *trial(0, "NG", 0.8, 0.5), *trial(1, "RT", 0.7, 0.1), *trial(2, "RT", 0.5, 0.4)]
    (line,) = summary.compare(frame(*rows), "asr", "paper", [("dot_product", "youden")]).itertuples()
    assert line.measured == pytest.approx(100 * np.mean([0.9, 0.7, 0.5]))
    assert line.placebo == pytest.approx(100 * np.mean([0.55, 0.1, 0.4]))
    assert line.excess == pytest.approx(100 * np.mean([0.35, 0.6, 0.1]))
    assert 50 <= line.low < line.measured < line.high <= 90
    assert line.published == 86.17
    assert line.chance == 50


def test_data_sets_count_alike_whatever_their_trials():
    rows = [row for t in range(6) for row in trial(t, "RT", 0.9, 0.5)]
    rows += [row for t in range(2) for row in trial(t, "RT", 0.5 + 0.1 * t, 0.5, "mnist")]
    (line,) = summary.compare(frame(*rows), "asr", "paper", [("dot_product", "youden")]).itertuples()
    assert line.measured == pytest.approx(100 * np.mean([0.9, 0.55]))


def test_published_is_the_chosen_method_s_and_only_for_success_rates():
    rows = frame(*trial(0, "RT", 1.0, 0.6))
    row = [("dot_product", "youden")]
    assert summary.compare(rows, "asr", "paper", row, "RT").published[0] == 90.75
    assert math.isnan(summary.compare(rows, "balanced_accuracy", "paper", row, "RT").published[0])
    assert summary.compare(rows, "asr", "attacker", row).empty


def test_classes_have_the_floor_of_an_answer_that_looks_at_nothing():
    shared = {"k": 3, "classes": 12, "forgotten": "0,1,2"}
    rows = [record(a, c, control=control, protocol=p, **shared)
            for a, c in (("dot_product", "youden"), ("blackbox_inversion", "threshold"))
            for control in ("none", "placebo") for p in ("paper", "attacker")]  # fmt: skip
    panels = summary.judged_both_ways(frame(*rows))
    assert panels["judged as published"].chance.tolist() == [50, 75]
    assert panels["judged as an attacker could"].chance.tolist() == [50, 50]


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


def test_equal_rates_get_wilson_s_interval_but_equal_differences_none():
    groups = [pd.Series([1.0, 1.0]), pd.Series([1.0, 1.0])]
    # Wilson (1927) at n of n: n / (n + z^2)
    assert intervals.over_datasets(groups).low == pytest.approx(4 / (4 + 1.959964**2), abs=1e-4)
    assert math.isnan(intervals.over_datasets(groups, plain=True).low)
