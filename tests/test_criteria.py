"""Criteria against brute force, scikit-learn and scipy, and what an attacker's fit must not know."""

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_curve
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier
from toys import head_evidence, ipv_evidence

from labelleak_lib.criteria import (
    DecisionTree,
    KMeansSplit,
    Youden,
    criterion_for,
    leave_class_out,
    lower_cluster,
    youden_threshold,
)

numbers = st.floats(-100, 100, allow_nan=False).map(lambda x: round(x, 3))


labelled = st.lists(st.tuples(st.integers(0, 1), st.one_of(numbers, st.integers(-3, 3).map(float))), min_size=2)


def youden_index(label, degree, threshold):
    called = degree >= threshold
    return called[label == 1].mean() - called[label == 0].mean()


@given(labelled)
def test_youdens_threshold_is_the_best_there_is(pairs):
    label, degree = (np.array(column) for column in zip(*pairs, strict=True))
    assume(0 < label.sum() < len(label))
    found = youden_threshold(label, degree)
    everywhere = [degree.min() - 1, degree.max() + 1, *degree]
    best = max(youden_index(label, degree, t) for t in everywhere)
    assert youden_index(label, degree, found) == pytest.approx(best, abs=1e-12)


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


def test_heads_are_called_by_the_threshold_fitted_in_sample_under_paper():
    vectors = np.array([5.0, 4.0, 1.0, 2.0, -1.0, 0.5])
    evidence = head_evidence([0, 0, 1, 1, 2, 2], [0, 0, 0, 0, 1, 1], vectors, 3, protocol="paper")
    labels = Youden().label_heads(evidence)
    assert labels.judged.all()
    np.testing.assert_array_equal(labels.called, vectors < 0.75)
    assert Youden().decide(evidence) == {2}


def folds_by_hand(source, label, classes):
    for c in range(classes):
        fit = [i for i in range(len(source)) if label[i] >= 0 and source[i] != c]
        yield fit, [i for i in range(len(source)) if source[i] == c]


heads = st.integers(3, 6).flatmap(
    lambda classes: st.tuples(
        st.just(classes),
        st.lists(st.tuples(st.integers(-1, classes - 1), numbers), min_size=3, max_size=30),
        st.sets(st.integers(0, classes - 1), min_size=2),
    )
)


def attackers(drawn):
    """Return the evidence of heads, with the labels that an attacker knows."""
    classes, pairs, known = drawn
    source = np.array([c for c, _ in pairs] + [-1, *sorted(known)])
    vectors = np.array([x for _, x in pairs] + [0.0] * (1 + len(known)))
    label = np.where(source == -1, 1, np.where(np.isin(source, list(known)), 0, -1))
    return head_evidence(source, label, vectors, classes)


@settings(max_examples=50, deadline=None)
@given(heads)
def test_an_attackers_folds_hold_labelled_heads_of_other_classes(drawn):
    evidence = attackers(drawn)
    found = evidence.heads
    pairs = leave_class_out(found, evidence.classes)
    for (fit, judged), (i, j) in zip(pairs, folds_by_hand(found.source, found.label, evidence.classes), strict=True):
        assert np.flatnonzero(fit).tolist() == i and np.flatnonzero(judged).tolist() == j
        assert not (fit & judged).any()


@settings(max_examples=50, deadline=None)
@given(heads)
def test_an_attackers_threshold_is_fitted_without_the_judged_class(drawn):
    evidence = attackers(drawn)
    found, labels = evidence.heads, Youden().label_heads(evidence)
    degree = -found.vectors[:, 0]
    assert (labels.judged == (found.source >= 0)).all()
    for fit, judged in folds_by_hand(found.source, found.label, evidence.classes):
        threshold = youden_threshold(found.label[fit], degree[fit])
        np.testing.assert_array_equal(labels.called[judged], degree[judged] >= threshold)


@pytest.mark.parametrize("criterion", [Youden(), DecisionTree()], ids=lambda c: c.name)
@pytest.mark.parametrize("c", range(4))
def test_the_label_of_a_classs_own_heads_does_not_reach_its_decision(criterion, c):
    draw = np.random.default_rng(c)
    source = np.repeat([-1, 0, 1, 2, 3], 12)
    label = np.repeat([1, 0, 0, 0, -1], 12)
    vectors = draw.normal(size=(60, 3)) + (source == 2)[:, None] * 0.8
    usual = criterion.label_heads(head_evidence(source, label, vectors, 4))
    own = source == c
    for other in (0, 1, -1):
        changed = np.where(own, other, label)
        found = criterion.label_heads(head_evidence(source, changed, vectors, 4))
        np.testing.assert_array_equal(found.called[own], usual.called[own])
        np.testing.assert_array_equal(found.degree[own], usual.degree[own])
        assert (c in criterion.decide(head_evidence(source, changed, vectors, 4))) == (usual.called[own].mean() > 0.5)


@pytest.mark.parametrize("criterion", [Youden(), DecisionTree()], ids=lambda c: c.name)
def test_the_labels_of_other_classes_do_reach_it(criterion):
    draw = np.random.default_rng(0)
    source, label = np.repeat([-1, 0, 1, 2], 12), np.repeat([1, 0, 0, -1], 12)
    vectors = draw.normal(size=(48, 2))
    usual = criterion.label_heads(head_evidence(source, label, vectors, 3)).called
    flipped = criterion.label_heads(head_evidence(source, np.where(label >= 0, 1 - label, -1), vectors, 3)).called
    assert (usual[source == 2] != flipped[source == 2]).any()


@pytest.mark.parametrize("known", range(3))
@pytest.mark.parametrize("criterion", [Youden(), DecisionTree()], ids=lambda c: c.name)
def test_a_class_known_to_be_retained_is_not_called_forgotten_for_want_of_other_labels(criterion, known):
    source = np.repeat([-1, 0, 1, 2], 6)
    label = np.where(source == -1, 1, np.where(source == known, 0, -1))
    vectors = np.random.default_rng(0).normal(size=24) + 3 * (source >= 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert known not in criterion.decide(head_evidence(source, label, vectors, 3))


def two_means_by_brute_force(values):
    """Return the mask of the lower part in the split of `values` with the lowest sum of squares."""
    ordered = np.sort(values)
    cost = {i: ordered[:i].var() * i + ordered[i:].var() * (len(ordered) - i) for i in range(1, len(ordered))}
    return np.argsort(np.argsort(values)) < min(cost, key=cost.__getitem__)


@settings(max_examples=80, deadline=None)
@given(st.lists(numbers, min_size=2, max_size=25), st.integers(0, 1000))
def test_the_lower_of_two_means_lies_below_a_cut(values, seed):
    values = np.array(values)
    assume(np.ptp(values) > 0.01)
    low = lower_cluster(values[:, None], seed)
    assert 0 < low.sum() < len(values) and values[low].max() < values[~low].min()


def test_two_means_are_the_optimal_cut_of_values_without_clusters_nearly_always():
    excess = []
    for seed in range(30):
        draw = np.random.default_rng(seed)
        values = draw.standard_t(3, size=draw.integers(2, 40))
        found, best = lower_cluster(values[:, None], seed), two_means_by_brute_force(values)
        cost, least = (values[m].var() * m.sum() + values[~m].var() * (~m).sum() for m in (found, best))
        excess.append(cost - least if len(values) == 2 else cost / least - 1)
    assert max(excess) < 0.1, "a local optimum of Lloyd's algorithm, at worst, and one as good as the best"
    assert np.mean(np.array(excess) < 1e-9) > 0.9


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_two_means_find_the_optimal_cut_of_separated_values(seed, share):
    draw = np.random.default_rng(seed)
    values = np.concatenate([draw.normal(0, 1, int(100 * share)), draw.normal(6, 1, 100 - int(100 * share))])
    np.testing.assert_array_equal(lower_cluster(values[:, None], seed), two_means_by_brute_force(values))


def test_equal_values_have_no_lower_cluster():
    assert not lower_cluster(np.full((5, 1), 0.3), 0).any()


def test_k_means_calls_the_lower_cluster_and_leaves_unrelated_heads_out():
    source = np.array([0, 0, 1, 1, 2, 2, -1, -1])
    vectors = np.array([5.0, 5.2, 4.9, 5.1, -3.0, -2.9, -1000.0, 1000.0])
    evidence = head_evidence(source, np.full(8, -1), vectors, 3)
    labels = KMeansSplit().label_heads(evidence)
    assert labels.called.tolist() == [False] * 4 + [True] * 2 + [False] * 2
    assert labels.judged.tolist() == [True] * 6 + [False] * 2
    assert KMeansSplit().decide(evidence) == {2}


def test_a_class_is_forgotten_when_most_of_its_heads_are():
    source = np.repeat([0, 1, 2], 4)
    vectors = np.array([9, 9, 9, 0, 9, 9, 0, 0, 9, 0, 0, 0.0])
    assert KMeansSplit().decide(head_evidence(source, np.full(12, -1), vectors, 3)) == {2}, "half is not most"


def test_a_tree_under_paper_learns_on_a_stratified_four_fifths_and_labels_the_rest():
    draw = np.random.default_rng(1)
    label = np.repeat([0, 1], 50)
    vectors = draw.normal(size=(100, 4)) + 0.7 * label[:, None]
    evidence = head_evidence(np.where(label, 2, 0), label, vectors, 3, protocol="paper", seed=5)
    labels = DecisionTree().label_heads(evidence)
    assert labels.judged.sum() == 20 and label[labels.judged].sum() == 10
    fit, test = train_test_split(np.arange(100), test_size=0.2, random_state=5, stratify=label)
    assert set(np.flatnonzero(labels.judged)) == set(test)
    tree = DecisionTreeClassifier(random_state=5).fit(vectors[fit], label[fit])
    np.testing.assert_array_equal(labels.called[test], tree.predict(vectors[test]) == 1)
    assert (labels.called == label)[test].mean() < 1, "the labels are not those it learnt from"


def test_a_trees_score_is_the_mean_probability_of_a_classs_judged_heads():
    source, label = np.repeat([-1, 0, 1, 2], 10), np.repeat([1, 0, 0, -1], 10)
    vectors = np.random.default_rng(3).normal(size=(40, 3))
    evidence = head_evidence(source, label, vectors, 3)
    degree = DecisionTree().label_heads(evidence).degree
    np.testing.assert_allclose(DecisionTree().score(evidence), [degree[source == c].mean() for c in range(3)])


@pytest.mark.parametrize("criterion", [Youden(), KMeansSplit(), DecisionTree()], ids=lambda c: c.name)
def test_criteria_on_heads_refuse_evidence_without_them(criterion):
    with pytest.raises(ValueError, match=f"'whitebox_inversion'; criterion '{criterion.name}' needs .*heads"):
        criterion.decide(ipv_evidence(np.eye(3)))


def test_an_attack_offers_its_own_criteria_alone():
    assert criterion_for(("youden", "kmeans"), "kmeans") == KMeansSplit()
    with pytest.raises(ValueError, match="criterion is 'threshold'; it must be one of youden, kmeans"):
        criterion_for(("youden", "kmeans"), "threshold")
