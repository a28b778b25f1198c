"""The criteria's arithmetic against brute force in exact fractions, and against scikit-learn."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.metrics import roc_curve

from labelleak_lib.criteria.arithmetic import (
    EXACT_ROWS,
    below_threshold,
    lower_cluster,
    two_clusters,
    two_means_split,
    youden_threshold,
)

numbers = st.floats(-100, 100, allow_nan=False).map(lambda x: round(x, 3))
tied = st.lists(st.one_of(numbers, st.integers(-3, 3).map(float)), min_size=2, max_size=25)


def cost(values, side):
    """Return the sum of squares within two sides of numbers, as an exact fraction."""
    parts = [[Fraction(float(v)) for v, s in zip(values, side, strict=True) if s == which] for which in (True, False)]
    return sum(sum(v * v for v in part) - sum(part) ** 2 / len(part) for part in parts if part)


def least_cost(values):
    """Return the least cost of any cut of the sorted numbers."""
    ordered = np.sort(values)
    return min(cost(ordered, np.arange(len(ordered)) < i) for i in range(1, len(ordered)))


@settings(max_examples=150, deadline=None)
@given(tied, st.sampled_from([0.0, 1e9, -1e9]), st.sampled_from([1.0, 1e-6, 1e6]))
def test_two_means_of_numbers_are_the_cut_of_the_least_sum_of_squares(values, offset, scale):
    values = np.array(values) * scale + offset
    assume(np.ptp(values) > 0)
    ordered, split = np.sort(values), two_means_split(values)
    assert cost(ordered, np.arange(len(ordered)) < split) <= least_cost(values) * (1 + Fraction(1, 10**9))
    low = lower_cluster(values)
    assert 0 < low.sum() < len(values) and values[low].max() < values[~low].min(), "equal numbers stay together"
    assert cost(values, low) <= least_cost(values) * (1 + Fraction(1, 10**9))


@settings(max_examples=100, deadline=None)
@example(steps=[0, 0, 1, 1, 1], start=1e9)
@given(steps=st.lists(st.integers(0, 3), min_size=2, max_size=20), start=st.sampled_from([1.0, 1e9, -7e5]))
def test_numbers_that_differ_by_their_last_digit_are_split_all_the_same(steps, start):
    assume(len(set(steps)) > 1)
    values = start + np.array(steps) * np.spacing(abs(start))
    low = lower_cluster(values)
    assert 0 < low.sum() < len(values)
    assert cost(steps, low) <= least_cost(np.array(steps, float)) * (1 + Fraction(1, 10**9))


@settings(deadline=None)
@given(tied, st.randoms(use_true_random=False))
def test_the_order_of_the_numbers_has_no_say(values, random):
    order = list(range(len(values)))
    random.shuffle(order)
    values = np.array(values)
    np.testing.assert_array_equal(lower_cluster(values[order]), lower_cluster(values)[order])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_two_means_find_the_cut_of_separated_numbers(seed, share):
    draw = np.random.default_rng(seed)
    values = np.concatenate([draw.normal(0, 1, int(100 * share)), draw.normal(9, 1, 100 - int(100 * share))])
    np.testing.assert_array_equal(lower_cluster(values), np.arange(100) < int(100 * share))


@pytest.mark.parametrize("values", [[], [0.3], [0.3] * 5])
def test_nothing_one_number_and_equal_numbers_have_no_lower_cluster(values):
    assert lower_cluster(values).tolist() == [False] * len(values)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_fewer_than_two_cannot_be_split(values):
    with pytest.raises(ValueError, match=f"number of values is {len(values)}; it must be at least 2"):
        two_means_split(values)
    with pytest.raises(ValueError, match=f"number of rows is {len(values)}; it must be at least 2"):
        two_clusters(np.array(values).reshape(-1, 1))


def inertia(rows, side):
    return sum(((rows[part] - rows[part].mean(0)) ** 2).sum() for part in (side, ~side))


def every_split(n):
    for side in itertools.product([False, True], repeat=n - 1):
        if any(side):
            yield np.array([False, *side])


def same_parts(first, second):
    """Say whether two masks part the rows alike, whichever side they call True."""
    return np.array_equal(first, second) or np.array_equal(first, ~second)


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("n", [2, 3, 5, 8, EXACT_ROWS])
def test_few_rows_are_split_as_by_trying_every_split(n, offset):
    for seed in range(3):
        rows = np.random.default_rng(seed).normal(size=(n, 3)) + offset
        side = two_clusters(rows)
        assert 0 < side.sum() < n
        assert inertia(rows, side) <= min(inertia(rows, other) for other in every_split(n)) * (1 + 1e-9)


def vectors(kind, n, draw):
    """Draw rows without clusters, rows in two clusters, or sorted probability vectors as inversions give them."""
    if kind == "normal":
        return draw.normal(size=(n, 6))
    if kind == "clusters":
        return draw.normal(size=(n, 6)) + 4 * (draw.random(n) < 0.2)[:, None]
    return np.sort(draw.dirichlet(np.full(n, 0.1), n), axis=1)


@pytest.mark.parametrize(("kind", "excess"), [("clusters", 1e-9), ("probabilities", 1e-9), ("normal", 0.02)])
@pytest.mark.parametrize("n", [EXACT_ROWS + 1, 20, 60])
def test_many_rows_are_split_at_least_as_well_as_by_scikit_learn(kind, excess, n):
    # rows without any structure have many local optima almost as good as the best
    for seed in range(4):
        rows = vectors(kind, n, np.random.default_rng(seed))
        peer = KMeans(2, n_init=10, random_state=seed).fit(rows)
        assert inertia(rows, two_clusters(rows)) <= peer.inertia_ * (1 + excess)


@pytest.mark.parametrize("n", [6, EXACT_ROWS, 30])
def test_rows_in_another_order_are_parted_alike(n):
    for seed in range(5):
        draw = np.random.default_rng(seed)
        rows, order = vectors("probabilities", n, draw), draw.permutation(n)
        assert same_parts(two_clusters(rows[order]), two_clusters(rows)[order])
        assert np.array_equal(two_clusters(rows), two_clusters(rows)), "no seed enters"


@pytest.mark.parametrize("n", [2, EXACT_ROWS, EXACT_ROWS + 1, 30])
def test_even_equal_rows_are_put_on_two_sides(n):
    for rows in (np.ones((n, 3)), np.ones((n, 3)) + np.spacing(1.0) * (np.arange(n) == 1)[:, None]):
        assert 0 < two_clusters(rows).sum() < n


TEN = np.array([15.0, 0, 18, 5, -2, 0, -12, -4, -5, -23])


def test_a_split_of_ten_numbers_that_k_means_misses_is_found():
    missed = KMeans(2, n_init=10, random_state=0).fit(TEN[:, None])
    least = float(least_cost(TEN))
    assert missed.inertia_ > 1.01 * least, "all ten starts end in a local optimum"
    assert float(cost(TEN, lower_cluster(TEN))) == pytest.approx(least)
    assert inertia(TEN[:, None], two_clusters(TEN[:, None])) == pytest.approx(least)


labelled = st.lists(st.tuples(st.integers(0, 1), st.one_of(numbers, st.integers(-3, 3).map(float))), min_size=2)


def youden_index(label, degree, threshold):
    called = degree >= threshold
    return called[label == 1].mean() - called[label == 0].mean()


@settings(deadline=None)
@given(labelled)
def test_youdens_threshold_is_the_best_there_is(pairs):
    label, degree = (np.array(column) for column in zip(*pairs, strict=True))
    assume(0 < label.sum() < len(label))
    found = youden_threshold(label, degree)
    everywhere = [degree.min() - 1, degree.max() + 1, *degree]
    best = max(youden_index(label, degree, t) for t in everywhere)
    assert youden_index(label, degree, found) == pytest.approx(best, abs=1e-12)


@settings(deadline=None)
@given(labelled)
def test_youdens_threshold_agrees_with_scikit_learns_curve_and_lies_between_degrees(pairs):
    label, degree = (np.array(column) for column in zip(*pairs, strict=True))
    assume(0 < label.sum() < len(label))
    false_positive, true_positive, _ = roc_curve(label, degree)
    found = youden_threshold(label, degree)
    assert youden_index(label, degree, found) == pytest.approx((true_positive - false_positive).max())
    above, below = degree[degree >= found], degree[degree < found]
    if len(above) and len(below):
        assert found == pytest.approx((above.min() + below.max()) / 2)


@settings(deadline=None)
@given(labelled)
# 1/3 - 0 and 1 - 2/3 differ in the last bit
@example([(0, 0.0), (0, 0.0), (0, -1.0), (1, 0.0), (1, 0.0), (1, 1.0)])
def test_of_several_best_thresholds_youdens_is_the_highest(pairs):
    label, degree = (np.array(column) for column in zip(*pairs, strict=True))
    assume(0 < label.sum() < len(label))
    false_positive, true_positive, thresholds = roc_curve(label, degree, drop_intermediate=False)
    gain = true_positive - false_positive
    highest = thresholds[np.flatnonzero(gain >= gain.max() - 1e-12)[0]]
    found = youden_threshold(label, degree)
    np.testing.assert_array_equal(degree >= found, degree >= highest)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=1, max_size=5), st.floats(0, 3))
def test_below_threshold_takes_each_row_by_itself(rows, alpha):
    rows = np.array(rows)
    for row, found in zip(rows, below_threshold(rows, alpha), strict=True):
        tau = row.mean() - alpha * row.std()
        assume((np.abs(row - tau) > 1e-9).all())
        np.testing.assert_array_equal(found, row < tau)
        np.testing.assert_array_equal(found, below_threshold(row, alpha))
