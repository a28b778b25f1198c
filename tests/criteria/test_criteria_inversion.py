"""Criteria on inverted prediction vectors against the definitions, scipy and brute force."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from toys import head_evidence, ipv_evidence

from labelleak_lib.criteria.inversion import EntropyArgmax, EntropyCriterion, Threshold


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.05, 1), min_size=3, max_size=12), st.floats(0, 3))
def test_the_threshold_is_the_mean_less_alpha_deviations(peaks, alpha):
    classes = len(peaks)
    ipv = np.zeros((classes, classes))
    ipv[np.arange(classes), np.arange(classes)[::-1]] = peaks  # the peak may stand at any class
    mean = sum(peaks) / classes
    deviation = (sum((p - mean) ** 2 for p in peaks) / classes) ** 0.5
    tau = mean - alpha * deviation
    assume(all(abs(p - tau) > 1e-9 for p in peaks))
    assert Threshold(alpha).decide(ipv_evidence(ipv)) == {c for c in range(classes) if peaks[c] < tau}


@pytest.mark.parametrize("alpha", [0.45, 0.95, 1.05, 1.21, 2.1])
@pytest.mark.parametrize("k", range(1, 10))
def test_the_threshold_collapses_on_perfect_evidence_where_algebra_says(alpha, k):
    q = k / 10
    ipv = np.diag([0.0] * k + [1.0] * (10 - k))
    expected = set(range(k)) if q < 1 / (1 + alpha**2) else set()
    assert Threshold(alpha).decide(ipv_evidence(ipv)) == expected


def random_ipv(classes, vague, seed):
    """Draw peaked vectors, and vague ones for the classes in `vague`."""
    draw = np.random.default_rng(seed)
    ipv = draw.dirichlet(np.full(classes, 0.05), classes) * 0.05 + 0.95 * np.eye(classes)
    for c in vague:
        ipv[c] = draw.dirichlet(np.full(classes, 20))
    return ipv


def entropy_clusters(ipv):
    """Return the split of the rows into two that has the lowest sum of squares of their sorted entries."""
    ordered, n = np.sort(ipv, axis=1), len(ipv)

    def cost(part):
        inside = np.isin(np.arange(n), part)
        return sum(((ordered[m] - ordered[m].mean(0)) ** 2).sum() for m in (inside, ~inside))

    parts = (p for size in range(1, n // 2 + 1) for p in itertools.combinations(range(n), size))
    first = set(min(parts, key=cost))
    sides = [first, set(range(n)) - first]
    nats = scipy.stats.entropy(ipv, axis=1)
    return max(sides, key=lambda side: nats[list(side)].mean())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("classes", "vague"), [(4, {2}), (6, {0, 5}), (8, {1, 3, 4}), (3, {0, 1}), (8, {2})])
def test_the_entropy_criterion_is_the_optimal_split_of_sorted_vectors(classes, vague, seed):
    ipv = random_ipv(classes, vague, seed)
    found = EntropyCriterion().decide(ipv_evidence(ipv))
    assert found == entropy_clusters(ipv) == vague
    assert EntropyArgmax().decide(ipv_evidence(ipv)) == {int(ipv[c].argmax()) for c in vague}


@given(st.integers(2, 8), st.integers(0, 100))
def test_the_entropy_score_agrees_with_scipy_and_the_definition(classes, seed):
    ipv = np.random.default_rng(seed).dirichlet(np.full(classes, 0.3), classes)
    ipv[0] = np.eye(classes)[0]
    score = EntropyCriterion().score(ipv_evidence(ipv))
    np.testing.assert_allclose(score, scipy.stats.entropy(ipv, axis=1))
    np.testing.assert_allclose(score, [-sum(p * np.log(p) for p in row if p > 0) for row in ipv], atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_many_classes_are_told_apart_as_few_are(seed):
    vague = {3, 17, 29}
    assert EntropyCriterion().decide(ipv_evidence(random_ipv(40, vague, seed))) == vague


def test_entropy_tells_nothing_from_equal_vectors():
    ipv = np.eye(4)
    assert EntropyCriterion().decide(ipv_evidence(ipv)) == frozenset() == EntropyArgmax().decide(ipv_evidence(ipv))


def test_where_an_inversion_fails_the_published_reading_names_the_class_it_fell_for():
    ipv = np.eye(4)
    ipv[2] = [0.55, 0.15, 0.15, 0.15]
    evidence = ipv_evidence(ipv)
    assert EntropyCriterion().decide(evidence) == {2} and EntropyArgmax().decide(evidence) == {0}


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(5)))
def test_renaming_the_classes_renames_the_decision(order):
    ipv, order = random_ipv(5, {1, 4}, 0), np.array(order)
    renamed = ipv[order][:, order]
    for criterion in (Threshold(0.5), EntropyCriterion(), EntropyArgmax()):
        usual = criterion.decide(ipv_evidence(ipv))
        assert {int(order[c]) for c in criterion.decide(ipv_evidence(renamed))} == usual


@pytest.mark.parametrize("criterion", [Threshold(), EntropyCriterion(), EntropyArgmax()], ids=lambda c: c.name)
def test_criteria_on_vectors_refuse_evidence_without_them(criterion):
    with pytest.raises(ValueError, match=f"'dot_product'; criterion '{criterion.name}' needs .*vectors"):
        criterion.decide(replace(head_evidence([0], [0], [1.0], 3), ipv=None))


def test_the_argmax_reading_scores_the_classes_that_vectors_peak_at():
    ipv = np.array([[0.9, 0.1, 0.0], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
    first, last = (-sum(p * math.log(p) for p in row) for row in (ipv[1], ipv[2]))
    np.testing.assert_allclose(EntropyArgmax().score(ipv_evidence(ipv)), [first, 0.0, last])
