"""Criteria on auxiliary heads against brute force and scikit-learn, and what an attacker's fit must not know."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier
from toys import head_evidence, ipv_evidence

from labelleak_lib.attacks.difference import Difference
from labelleak_lib.criteria.arithmetic import youden_threshold
from labelleak_lib.criteria.calibrated import Calibrated
from labelleak_lib.criteria.heads import DecisionTree, KMeansSplit, Youden
from labelleak_lib.criteria.inversion import EntropyArgmax, EntropyCriterion, Threshold
from labelleak_lib.criteria.reach import Reach
from labelleak_lib.criteria.scores import AboveHalf, Clusters, Deviations, LargestGap, TwoMeans
from labelleak_lib.evidence import Evidence, HeadEvidence
from labelleak_lib.trials.judging import criteria_for

numbers = st.floats(-100, 100, allow_nan=False).map(lambda x: round(x, 3))


def fitted_evidence(criterion, source, label, vectors, classes, protocol="attacker", seed=0):
    """Return evidence of heads with features (m, p): a tree's shares of them, or the first one."""
    source, label, vectors = np.asarray(source), np.asarray(label), np.asarray(vectors, float)
    values = vectors.reshape(len(source), -1)[:, 0]
    if isinstance(criterion, DecisionTree):
        unread = HeadEvidence(source, label, np.full(len(source), np.nan), np.zeros(len(source)))
        values = Difference().tree_shares(unread, vectors.reshape(len(source), -1), classes, protocol, seed)
    return head_evidence(source, label, values, classes, protocol)


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
    pairs = found.leave_class_out(evidence.classes)
    for (fit, judged), (i, j) in zip(pairs, folds_by_hand(found.source, found.label, evidence.classes), strict=True):
        assert np.flatnonzero(fit).tolist() == i and np.flatnonzero(judged).tolist() == j
        assert not (fit & judged).any()


@settings(max_examples=50, deadline=None)
@given(heads)
def test_an_attackers_threshold_is_fitted_without_the_judged_class(drawn):
    evidence = attackers(drawn)
    found, labels = evidence.heads, Youden().label_heads(evidence)
    degree = -found.value
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
    usual = criterion.label_heads(fitted_evidence(criterion, source, label, vectors, 4))
    own = source == c
    for other in (0, 1, -1):
        changed = fitted_evidence(criterion, source, np.where(own, other, label), vectors, 4)
        found = criterion.label_heads(changed)
        np.testing.assert_array_equal(found.called[own], usual.called[own])
        np.testing.assert_array_equal(found.degree[own], usual.degree[own])
        known = other == 0  # whoever is told that a class is retained does not accuse it
        assert (c in criterion.decide(changed)) == (usual.called[own].mean() > 0.5 and not known)


@pytest.mark.parametrize("criterion", [Youden(), DecisionTree()], ids=lambda c: c.name)
def test_the_labels_of_other_classes_do_reach_it(criterion):
    draw = np.random.default_rng(0)
    source, label = np.repeat([-1, 0, 1, 2], 12), np.repeat([1, 0, 0, -1], 12)
    vectors = draw.normal(size=(48, 2))
    usual = criterion.label_heads(fitted_evidence(criterion, source, label, vectors, 3)).called
    other = np.where(label >= 0, 1 - label, -1)
    flipped = criterion.label_heads(fitted_evidence(criterion, source, other, vectors, 3)).called
    assert (usual[source == 2] != flipped[source == 2]).any()


@pytest.mark.parametrize("known", range(3))
@pytest.mark.parametrize("criterion", [Youden(), DecisionTree()], ids=lambda c: c.name)
def test_a_class_known_to_be_retained_is_not_called_forgotten_for_want_of_other_labels(criterion, known):
    source = np.repeat([-1, 0, 1, 2], 6)
    label = np.where(source == -1, 1, np.where(source == known, 0, -1))
    vectors = np.random.default_rng(0).normal(size=24) + 3 * (source >= 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert known not in criterion.decide(fitted_evidence(criterion, source, label, vectors, 3))


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
    evidence = fitted_evidence(DecisionTree(), np.where(label, 2, 0), label, vectors, 3, protocol="paper", seed=5)
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
    evidence = fitted_evidence(DecisionTree(), source, label, vectors, 3)
    degree = DecisionTree().label_heads(evidence).degree
    np.testing.assert_allclose(DecisionTree().score(evidence), [degree[source == c].mean() for c in range(3)])


def test_a_tree_says_nothing_of_heads_that_it_did_not_judge_and_scores_their_class_zero():
    source, shares = np.repeat([-1, 0, 1, 2], 3), np.array([1, 1, 1, 0.2, np.nan, 0.9, 0.6, 0.7, 0.2] + [np.nan] * 3)
    evidence = head_evidence(source, np.full(12, -1), shares, 3)
    labels = DecisionTree().label_heads(evidence)
    np.testing.assert_array_equal(labels.judged, [False] * 3 + [True, False, True, True, True, True] + [False] * 3)
    assert labels.called.tolist() == [False] * 5 + [True, True, True] + [False] * 4
    np.testing.assert_allclose(DecisionTree().score(evidence), [0.55, 0.5, 0.0])
    assert DecisionTree().decide(evidence) == {1}, "half of class 0, none of class 2"


def test_too_few_heads_for_a_tree_are_refused():
    with pytest.raises(ValueError, match="heads is 4; it must be at least 3 heads a side"):
        fitted_evidence(DecisionTree(), [0, 0, 1, 1], [0, 0, 1, 1], np.eye(4), 2, protocol="paper")


@pytest.mark.parametrize("criterion", [Youden(), KMeansSplit(), DecisionTree()], ids=lambda c: c.name)
def test_criteria_on_heads_refuse_evidence_without_them(criterion):
    with pytest.raises(ValueError, match=f"'whitebox_inversion'; criterion '{criterion.name}' needs .*heads"):
        criterion.decide(ipv_evidence(np.eye(3)))


def test_an_attack_is_judged_by_the_criteria_that_it_lists_and_by_those_for_every_score():
    heads, ipv, score = head_evidence([0, 1], [0, 1], [1.0, 2.0], 3), ipv_evidence(np.eye(3)), np.zeros(3)
    every = [TwoMeans(), Clusters(), Deviations(), LargestGap(), Calibrated()]

    def judged_by(attack, evidence):
        return sorted(map(repr, criteria_for(attack, evidence)))

    assert judged_by("dot_product", heads) == sorted(map(repr, [Youden(), KMeansSplit(), *every]))
    assert judged_by("difference", heads) == sorted(map(repr, [DecisionTree(), *every]))
    inversions = [Threshold(), EntropyCriterion(), EntropyArgmax(), Reach(), *every]
    for attack in ("whitebox_inversion", "blackbox_inversion"):
        assert judged_by(attack, ipv) == sorted(map(repr, inversions))
    assert judged_by("direct_probe", Evidence("direct_probe", 3, score)) == sorted(map(repr, [AboveHalf(), *every]))
    assert judged_by("query_reach", Evidence("query_reach", 3, score, reach=score)) == sorted(
        map(repr, [Reach(), *every])
    )
    assert judged_by("an attack of another version", heads) == sorted(map(repr, every))
