"""The rules for every per-class score: what each names, when each is silent, and the levels of calibrated ones."""

from statistics import fmean, pstdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelleak_lib.criteria.calibrated import Calibrated, against_references, limit, statistic
from labelleak_lib.criteria.reach import Reach, reached
from labelleak_lib.criteria.scores import Clusters, Deviations, LargestGap
from labelleak_lib.evidence import Evidence

SCORES = st.lists(st.floats(-100, 100), min_size=3, max_size=20)


def scored(score, reach=None, attack="query_reach"):
    reach = None if reach is None else np.array(reach, float)
    return Evidence(attack, len(score), np.array(score, float), reach=reach)


SILENT = [Clusters(), LargestGap(), Calibrated(limit=3.0)]


@pytest.mark.parametrize("rule", [*SILENT, Deviations(alpha=2.0)], ids=repr)
def test_a_rule_is_silent_on_scores_that_are_spread_evenly(rule):
    assert rule.decide(scored(np.linspace(0, 1, 10))) == frozenset()
    assert rule.decide(scored(np.zeros(10))) == frozenset()


@pytest.mark.parametrize("rule", SILENT, ids=repr)
@pytest.mark.parametrize("forgotten", [{3}, {1, 4, 7}, set(range(9))])
def test_a_rule_names_exactly_the_classes_that_stand_apart(rule, forgotten):
    score = np.random.default_rng(0).normal(0, 0.1, 10)
    score[list(forgotten)] += 5
    assert rule.decide(scored(score)) == forgotten


@given(SCORES, st.floats(0.1, 50), st.floats(-50, 50))
@settings(deadline=None)
def test_a_rule_does_not_depend_on_unit_and_origin_of_a_score(score, unit, origin):
    score = np.round(score, 3)
    moved = score * unit + origin
    for rule in (*SILENT, Deviations()):
        if np.ptp(score) == 0 or _close_call(rule, score):
            continue
        assert rule.decide(scored(score)) == rule.decide(scored(moved))


def _close_call(rule, score):
    """Say whether a change in the last digits may turn the rule's decision."""
    shaken = [score * (1 + 1e-9 * np.sin(np.arange(len(score)) + i)) for i in range(3)]
    return len({rule.decide(scored(s)) for s in [score, *shaken]}) > 1


def test_deviations_are_counted_as_numpy_counts_them():
    score = np.array([0.0, 1.0, 2.0, 9.0])
    edge = (9 - score.mean()) / score.std()
    assert Deviations(alpha=edge - 1e-6).decide(scored(score)) == {3}
    assert Deviations(alpha=edge + 1e-6).decide(scored(score)) == frozenset()


def test_reach_is_judged_at_the_threshold_of_the_attack_or_at_the_one_given():
    reach = [8.0, 2.0, -1.0, 8.0, 8.0]
    assert Reach().decide(scored(-np.array(reach), reach)) == {2}, "a query's threshold is zero"
    assert Reach().decide(scored(-np.array(reach), reach, "gradient_reach")) == {1, 2}
    assert Reach(threshold=0.3).decide(scored(-np.array(reach), reach)) == {1, 2}
    assert Reach().decide(scored([1.0, 1.0], [-1.0, -2.0])) == frozenset(), "where nothing is reached nothing is said"


def test_the_reach_of_an_inversion_is_the_margin_of_the_class_it_aims_at():
    ipv = np.array([[0.5, 0.25, 0.25], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]])
    evidence = Evidence("blackbox_inversion", 3, -ipv.max(1), ipv=ipv)
    np.testing.assert_allclose(reached(evidence), np.log([2.0, 0.5, 8.0]))
    assert Reach().decide(evidence) == {1}
    with pytest.raises(ValueError, match="evidence is of 'head_bias'"):
        reached(scored([0.0, 1.0], attack="head_bias"))


@pytest.mark.parametrize(("n", "level"), [(19, 0.05), (39, 0.05), (99, 0.1), (500, 0.05)])
def test_a_limit_is_passed_as_often_as_its_level_says(n, level):
    draw = np.random.default_rng(n)
    alarms = np.mean([draw.normal() > limit(draw.normal(size=n), level) for _ in range(4000)])
    assert alarms <= level + 4 * np.sqrt(level * (1 - level) / 4000)
    assert alarms >= level / 2, "and it is not far below"


def test_a_limit_of_too_few_values_is_infinite():
    assert limit(np.zeros(18)) == np.inf and limit(np.zeros(19)) == 0


def test_a_calibrated_rule_is_silent_at_its_limit_and_names_what_lies_beyond():
    reach = np.array([8.0, 8.0, 8.0, 4.0])
    evidence = scored(-reach, reach)
    assert statistic(evidence) == -0.5
    assert Calibrated(limit=-0.5).decide(evidence) == frozenset()
    assert Calibrated(limit=-0.51).decide(evidence) == {3}
    assert Calibrated().decide(scored([0.0, 1.0, 5.0], attack="nobody's")) == frozenset()


def test_of_twenty_models_alike_one_in_twenty_is_called_out_whichever_class_varies_most():
    draw = np.random.default_rng(0)
    spread = np.exp(draw.normal(size=10))
    called = 0
    for _ in range(600):
        values = draw.normal(size=(20, 10)) * spread + np.arange(10)
        called += bool(against_references(values[0], values[1:]).named)
    assert called / 600 == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / 600))


def test_a_class_beyond_all_references_is_named_and_its_p_value_is_the_least_possible():
    draw = np.random.default_rng(1)
    references, target = draw.normal(size=(19, 10)), draw.normal(size=10)
    target[[2, 5]] += 30
    found = against_references(target, references)
    assert found.named == {2, 5} and found.p_value == pytest.approx(1 / 20)
    assert against_references(references[0], references[1:]).p_value > 0.05
    with pytest.raises(ValueError, match="number of references is 2; it must be at least 3"):
        against_references(target, references[:2])


def test_a_class_that_is_never_answered_lies_at_the_threshold_and_is_named():
    counts = [120.0, 0.0, 3.0, 80.0]
    assert Reach().decide(scored(-np.array(counts), counts, "passive_answers")) == {1}


def test_a_calibrated_rule_is_silent_at_its_limit_on_scores_without_reach():
    score = [0.0, 1.0, 3.0, 9.0]  # gaps of 1, 2 and 6
    assert statistic(scored(score, attack="head_bias")) == 3.0
    assert Calibrated(limit=3.0).decide(scored(score, attack="head_bias")) == frozenset()
    assert Calibrated(limit=2.9).decide(scored(score, attack="head_bias")) == {3}


def test_the_p_value_is_that_of_models_each_standardised_by_the_others_alone():
    values = np.random.default_rng(2).normal(size=(6, 4)) * [1, 5, 0.1, 2]
    largest = []
    for i, row in enumerate(values):
        others = [other for j, other in enumerate(values) if j != i]
        by_class = zip(row, zip(*others, strict=True), strict=True)
        largest.append(max((x - fmean(held)) / pstdev(held) for x, held in by_class))
    expected = sum(other >= largest[0] for other in largest) / 6
    assert against_references(values[0], values[1:]).p_value == pytest.approx(expected)
    lonely = np.vstack([np.zeros((4, 3)) + np.arange(4)[:, None] * 0.01, [0, 0, 9]])
    assert against_references(lonely[4], lonely[:4], level=0.2).named == {2}
