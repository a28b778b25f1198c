"""Metrics against scikit-learn and brute force; intervals against scipy, closed forms and their own promise."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score, roc_curve

from labelleak_lib.metrics import scores
from labelleak_lib.results.intervals import (
    clopper_pearson,
    excess_over_placebo,
    holm,
    mean_interval,
    of_clusters,
    summarise,
)

cases = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.one_of(st.integers(-3, 3).map(float), st.floats(-5, 5))), min_size=1
)


def tpr_by_brute_force(truth, degree, limit=0.05):
    """Return the highest true positive rate of any threshold whose false positive rate keeps to the limit."""
    rates = []
    for threshold in [*degree, math.inf]:
        called = degree >= threshold
        if called[~truth].mean() <= limit:
            rates.append(called[truth].mean())
    return max(rates)


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(deadline=None)
@given(cases, st.booleans())
def test_scores_agree_with_scikit_learn_and_brute_force(case, exact):
    truth, called, degree = (np.array(column) for column in zip(*case, strict=True))
    found = scores(truth, called, degree, exact)
    assert found.asr == pytest.approx(accuracy_score(truth, called))
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(truth, called))
    assert found.exact_match == float(exact)
    if 0 < truth.sum() < len(truth):
        assert found.auc == pytest.approx(roc_auc_score(truth, degree))
        assert found.tpr == pytest.approx(tpr_by_brute_force(truth, degree))
    else:
        assert math.isnan(found.auc) and math.isnan(found.tpr)


@settings(deadline=None)
@example(n=46, seed=292, levels=5)
@given(n=st.integers(20, 60), seed=st.integers(0, 1000), levels=st.integers(1, 6))
def test_the_true_positive_rate_counts_ties_at_their_worst(n, seed, levels):
    draw = np.random.default_rng(seed)
    truth, degree = np.arange(n) % 2 == 0, draw.integers(0, levels * 5, n).astype(float)
    assert scores(truth, truth, degree, True).tpr == pytest.approx(tpr_by_brute_force(truth, degree))


@settings(deadline=None)
@given(cases, st.booleans())
def test_scores_lie_on_scikit_learns_curve(case, exact):
    truth, called, degree = (np.array(column) for column in zip(*case, strict=True))
    assume(0 < truth.sum() < len(truth))
    false_positive, true_positive, _ = roc_curve(truth, degree, drop_intermediate=False)
    found = scores(truth, called, degree, exact)
    assert found.tpr == pytest.approx(true_positive[false_positive <= 0.05 + 1e-12].max())
    assert found.auc == pytest.approx(np.trapezoid(true_positive, false_positive))
    mirrored = scores(truth, ~called, -degree, exact)
    assert mirrored.auc == pytest.approx(1 - found.auc)
    assert mirrored.balanced_accuracy == pytest.approx(1 - found.balanced_accuracy)


@pytest.mark.parametrize("retained", [19, 20, 39, 40, 60, 100, 140])
def test_one_retained_class_in_twenty_may_stand_above_the_threshold(retained):
    degree = np.arange(retained + 1.0)
    allowed = retained // 20
    for above in range(5):  # so many retained ones stand above the one that is forgotten
        truth = np.arange(retained + 1) == retained - above
        assert scores(truth, truth, degree, True).tpr == (above <= allowed)


@pytest.mark.parametrize("side", [True, False])
def test_where_one_kind_alone_is_present_balanced_accuracy_is_its_recall(side):
    found = scores([side] * 4, [True, True, True, False], [0.0, 1.0, 2.0, 3.0], False)
    assert found.balanced_accuracy == found.asr == (0.75 if side else 0.25)
    assert math.isnan(found.auc) and math.isnan(found.tpr)


@pytest.mark.parametrize("accused", [0, 1, 4])
def test_over_all_truths_a_fixed_accusation_has_half_of_the_balanced_accuracy(accused):
    # what a rule says of M_o does not depend on which class is called forgotten
    called, classes = np.arange(10) < accused, np.arange(10)
    found = [scores(classes == c, called, called.astype(float), False) for c in classes]
    assert np.mean([one.balanced_accuracy for one in found]) == pytest.approx(0.5)
    assert np.mean([one.asr for one in found]) == pytest.approx((90 - 8 * accused) / 100)


def test_a_case_by_hand():
    truth = [1, 1, 0, 0, 0, 0]
    found = scores(truth, [1, 0, 1, 0, 0, 0], [9, 1, 8, 0, 0, 0], False)
    assert found.asr == pytest.approx(4 / 6)
    assert found.balanced_accuracy == pytest.approx((1 / 2 + 3 / 4) / 2)
    assert found.auc == pytest.approx((4 + 3) / 8)
    assert found.tpr == pytest.approx(1 / 2)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_degree_that_is_not_finite_has_no_auc(bad):
    found = scores([1, 0, 0], [1, 0, 0], [1.0, bad, 0.0], True)
    assert found.asr == 1 and math.isnan(found.auc) and math.isnan(found.tpr)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=5, max_size=30))
def test_the_interval_is_scipys_t_interval_whatever_the_values(values):
    assume(np.ptp(values) > 1e-6)
    found = mean_interval(values)
    peer = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx(tuple(peer), abs=1e-9)
    assert found.mean == pytest.approx(np.mean(values)) and found.n == len(values)


@pytest.mark.parametrize("rest", [0.9998, 1 - 1e-9, 1.0])
def test_bounds_do_not_jump_where_all_trials_come_to_agree(rest):
    found = mean_interval([1.0] * 19 + [rest])
    assert found.high - found.low == pytest.approx(2 * stats.t.ppf(0.975, 19) * (1 - rest) / 20, abs=1e-12)


def test_undefined_intervals_are_not_made_up():
    nothing = mean_interval([])
    assert nothing.n == 0 and math.isnan(nothing.mean) and math.isnan(nothing.low)
    for values in ([0.4], [0.4, 0.5, 0.6, 0.4]):
        found = mean_interval(values)
        assert found.mean == pytest.approx(np.mean(values)) and math.isnan(found.low) and math.isnan(found.high)


def test_missing_values_are_left_out():
    assert mean_interval([0.2, math.nan, 0.4, math.nan, 0.9, 0.8, 0.1]) == mean_interval([0.2, 0.4, 0.9, 0.8, 0.1])
    assert mean_interval([None, 1.0, 1.0]).n == 2


@pytest.mark.parametrize("n", [5, 8, 20])
def test_ninety_five_in_a_hundred_intervals_hold_the_truth(n):
    rng = np.random.default_rng(n)
    drawn = [rng.normal(0.7, 0.1, n) for _ in range(2000)]
    held = np.mean([found.low <= 0.7 <= found.high for found in map(mean_interval, drawn)])
    assert 0.935 <= held <= 0.965


def coverage_of_clusters(sizes, rates, alike, draws=800):
    """Return how often the interval holds the mean rate; targets of a cluster agree `alike`, from 0 to 1."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(draws):
        groups = []
        for n, rate in zip(sizes, rates, strict=True):
            if alike in (0, 1):
                own = np.full(n, rate) if alike == 0 else (rng.random(n) < rate).astype(float)
            else:
                own = rng.beta(rate * (1 / alike - 1), (1 - rate) * (1 / alike - 1), n)
            groups.append(pd.Series(rng.binomial(5, own) / 5))
        low, high = of_clusters(groups)
        held += low <= np.mean(rates) <= high
    return held / draws


@pytest.mark.parametrize("alike", [0, 0.3, 1])
@pytest.mark.parametrize(
    ("sizes", "rates"), [((20,), (0.5,)), ((20,), (0.95,)), ((20, 20, 10, 5), (0.9, 0.9, 0.9, 0.9)),
                         ((20, 20, 10, 5), (0.99, 0.95, 0.9, 0.5))]
)  # fmt: skip
def test_the_interval_of_clusters_holds_the_truth_however_alike_their_targets_are(sizes, rates, alike):
    assert coverage_of_clusters(sizes, rates, alike) >= 0.93


def test_outcomes_counted_as_if_they_were_independent_would_not_hold_it():
    rng = np.random.default_rng(0)
    hits = [5 * int(rng.binomial(20, 0.8)) for _ in range(500)]
    bounds = [clopper_pearson(hit, 100) for hit in hits]
    assert np.mean([low <= 0.8 <= high for low, high in bounds]) < 0.8


@given(st.integers(1, 60), st.data())
def test_counts_have_scipys_exact_interval(n, data):
    hits = data.draw(st.integers(0, n))
    peer = stats.binomtest(hits, n).proportion_ci(method="exact")
    assert clopper_pearson(hits, n) == pytest.approx((peer.low, peer.high), abs=1e-9)
    assert of_clusters([pd.Series([1.0] * hits + [0.0] * (n - hits))]) == pytest.approx((peer.low, peer.high), abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_its_steps_reject(values):
    # Holm (1979): go up from the smallest, stop at the first that is not below level / hypotheses left
    level, rejected = 0.05, set()
    for left, i in zip(range(len(values), 0, -1), np.argsort(values, kind="stable"), strict=True):
        if values[i] * left >= level:
            break
        rejected.add(int(i))
    assert set(np.flatnonzero(holm(values) < level).tolist()) == rejected


def test_a_summary_is_the_interval_of_each_group_over_trials_with_enough_of_them():
    rows = [("x", 1, 0, 0.2), ("x", 1, 1, 0.6), ("x", 1, 2, 0.9), ("x", 1, 2, 0.5), ("x", 1, 3, 0.1), ("x", 1, 4, 0.3)]
    rows += [("y", 2, 0, 0.5), ("y", 2, 1, 1.0)]
    found = summarise(pd.DataFrame(rows, columns=["a", "b", "trial", "asr"]), ["a", "b"], "asr")
    assert found.columns.tolist() == ["a", "b", "mean", "low", "high", "n"]
    assert found[["a", "b", "n"]].values.tolist() == [["x", 1, 5], ["y", 2, 2]]
    expected = mean_interval([0.2, 0.6, 0.7, 0.1, 0.3])
    assert tuple(found.loc[0, ["mean", "low", "high"]]) == (expected.mean, expected.low, expected.high)
    assert found["mean"][1] == pytest.approx(0.75) and math.isnan(found.low[1])


def records(trials=3):
    """Make one row a trial, criterion and control, with known excesses."""
    rows = []
    for trial in range(trials):
        for criterion in ("youden", "kmeans"):
            for control in ("placebo", "none"):
                common = {"dataset": "toy", "profile": "quick", "seed": 0, "forgotten": "1", "unlearning": "RT"}
                cell = {"attack": "dot_product", "criterion": criterion, "protocol": "paper", "control": control}
                asr = 0.5 + 0.01 * trial if control == "placebo" else 0.9 - 0.1 * (criterion == "kmeans")
                rows.append({**common, **cell, "trial": trial, "asr": asr, "auc": asr / 2})
    return pd.DataFrame(rows)


def test_the_excess_is_paired_with_the_placebo_of_the_same_trial():
    frame = records().sample(frac=1, random_state=0)
    found = excess_over_placebo(frame)
    assert len(found) == 6 and (found.control == "none").all()
    expected = 0.9 - 0.1 * (found.criterion == "kmeans") - 0.5 - 0.01 * found.trial
    np.testing.assert_allclose(found.excess, expected)
    np.testing.assert_allclose(excess_over_placebo(frame, "auc").excess, expected / 2)


@pytest.mark.parametrize("gone", range(6))
def test_a_record_without_its_placebo_is_an_error(gone):
    frame = records()
    placebo = frame.index[frame.control == "placebo"][gone]
    with pytest.raises(
        ValueError, match=r"1 records have no placebo beside them; the first: .*'attack': 'dot_product'"
    ):
        excess_over_placebo(frame.drop(placebo))


def test_two_placebos_for_one_record_are_an_error():
    frame = records()
    with pytest.raises(ValueError, match="not a one-to-one merge"):
        excess_over_placebo(pd.concat([frame, frame[frame.control == "placebo"].iloc[:1]]))


def test_a_placebo_without_a_value_is_not_a_missing_placebo():
    frame = records()
    frame.loc[frame.control == "placebo", "auc"] = math.nan
    assert excess_over_placebo(frame, "auc").excess.isna().all()
