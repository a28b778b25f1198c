"""How a cell is judged: scores, the gate, the flags, and the digits that evidence keeps."""

import copy
import dataclasses
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score
from toys import head_evidence, ipv_evidence

from labelleak_lib.criteria.heads import Youden
from labelleak_lib.registry import CRITERIA
from labelleak_lib.trials.gate import is_kept, is_unlearned
from labelleak_lib.trials.judging import _add_flags, decide, metrics_of
from labelleak_lib.trials.schema import unpack
from labelleak_lib.trials.store import _short


def judge(evidence, name, protocol, forgotten):
    decision = decide(CRITERIA[name](), evidence)
    return metrics_of(decision, evidence, protocol, forgotten), decision.named


def cell(accuracies, dataset="toy", code="FT", k=1):
    return {"dataset": dataset, "unlearning": code, "forgotten": ",".join(map(str, range(k))), **accuracies}


def _rounded(array):
    row = {"kind": "score", "shape": list(array.shape), "values": array.astype("<f8").tobytes()}
    return unpack({**row, "values": _short(row)})


def test_under_paper_heads_are_scored_one_by_one_and_under_attacker_classes():
    draw = np.random.default_rng(0)
    source, label = np.repeat([0, 1, 2, 3], 10), np.repeat([0, 0, 1, 1], 10)
    vectors = draw.normal(size=40) - label
    evidence = head_evidence(source, label, vectors, 4, protocol="paper")
    evidence = dataclasses.replace(evidence, score=np.array([1.0, 2.0, 4.0, 3.0]))
    found, decided = judge(evidence, "youden", "paper", frozenset({2, 3}))
    labels = Youden().label_heads(evidence)
    assert found.asr == pytest.approx(accuracy_score(label == 1, labels.called))
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(label == 1, labels.called))
    assert found.auc == pytest.approx(roc_auc_score(label, -vectors))
    assert found.exact_match == (decided == {2, 3})
    known = np.array([1] * 10 + [0] * 20 + [-1] * 20)
    attackers = head_evidence(np.append([-1] * 10, source), known, np.append(draw.normal(size=10) - 1, vectors), 4)
    attackers = dataclasses.replace(attackers, score=evidence.score)
    found, decided = judge(attackers, "youden", "attacker", frozenset({2, 3}))
    assert found.asr == np.mean([(c in decided) == (c >= 2) for c in range(4)])
    assert found.auc == 1.0, "the scores put both forgotten classes on top"


@pytest.mark.parametrize("protocol", ["paper", "attacker"])
def test_inversions_are_scored_class_by_class(protocol):
    ipv = np.eye(5)
    ipv[[1, 3]] = 0.2
    for name in ("threshold", "entropy"):
        found, decided = judge(ipv_evidence(ipv), name, protocol, frozenset({1, 4}))
        assert decided == {1, 3} and found.asr == pytest.approx(3 / 5) and found.exact_match == 0


FINE = {"forget_acc_before": 0.99, "forget_acc_after": 0.0, "retain_acc_before": 0.97, "retain_acc_after": 0.97}


@pytest.mark.parametrize(
    ("change", "passes"),
    [
        ({}, True),
        ({"forget_acc_after": 0.05}, True),
        ({"forget_acc_after": 0.06}, False),
        ({"retain_acc_after": 0.951}, True),
        ({"retain_acc_after": 0.94}, False),
        ({"retain_acc_after": 0.99}, True),
        ({"forget_acc_before": 0.0}, False),  # nothing was known, so nothing was forgotten
    ],
)
@pytest.mark.parametrize(("dataset", "code", "k"), [("toy", "FT", 1), ("mnist", "RT", 1), ("svhn", "NG", 3)])
def test_the_gate_is_one_for_all_data_sets_methods_and_class_counts(dataset, code, k, change, passes):
    assert is_unlearned(cell(FINE | change, dataset, code, k)) is passes


def flags_of(rows, placebo=0.5, asr=0.2, named="", gate=True, kept=True):
    whole = [
        {"criterion": "threshold", "protocol": "paper", "asr": 1.0, "flags": [], "predicted": "1", **row}
        for row in rows
    ]
    placebo = [{**row, "asr": asr, "balanced_accuracy": placebo, "predicted": named} for row in copy.deepcopy(whole)]
    accuracies = FINE | {"forget_acc_after": 0.0 if gate or not kept else 0.9}
    accuracies |= {"retain_acc_after": FINE["retain_acc_before"] if kept else 0.5}
    _add_flags(whole, placebo, cell(accuracies))
    return [row["flags"] for row in whole]


ONE = {"attack": "dot_product", "balanced_accuracy": 1.0}


def test_a_clean_row_has_no_flag_and_keeps_those_of_its_evidence():
    assert flags_of([ONE]) == [[]]
    assert flags_of([{**ONE, "flags": ["zero gradient"]}]) == [["zero gradient"]]


@pytest.mark.parametrize(("placebo", "flag"), [(1.0, True), (0.96, True), (0.94, False), (0.5, False)])
def test_a_row_that_does_as_well_on_the_original_model_is_flagged(placebo, flag):
    assert flags_of([ONE | {"criterion": "youden"}], placebo=placebo) == [["no better than on M_o"] * flag]
    # of classes the difference is arithmetic (see `judged_by_head`)
    assert flags_of([ONE | {"criterion": "youden", "protocol": "attacker"}, ONE], placebo=placebo) == [[], []]


def test_naming_the_same_classes_on_the_original_model_is_flagged():
    assert flags_of([ONE | {"predicted": "3"}], named="3") == [["accuses M_o", "same set on M_o"]]
    assert flags_of([ONE | {"predicted": "3"}], named="3,4") == [["accuses M_o"]]


def test_a_perfect_row_among_many_classes_is_not_flagged_where_it_is_silent_on_the_original_model():
    """Silence labels 39 of 40 classes rightly, which is no success."""
    assert flags_of([{**ONE, "asr": 1.0}], placebo=0.5, asr=39 / 40) == [[]]


def test_naming_any_class_of_the_original_model_is_flagged():
    assert flags_of([ONE], named="3") == [["accuses M_o"]]


def test_failing_the_gate_is_flagged_by_its_reason():
    assert flags_of([ONE], gate=False) == [["not forgotten"]]
    assert flags_of([ONE], gate=False, kept=False) == [["retained classes lost"]]


@pytest.mark.parametrize("code", ["FT", "MINE", "NG"])
def test_the_gate_and_the_flag_measure_with_the_same_margin(code):
    accuracies = FINE | {"retain_acc_after": FINE["retain_acc_before"] - 0.03}
    assert not is_kept(cell(accuracies, code=code)) and not is_unlearned(cell(accuracies, code=code))


def test_inversions_are_compared_with_each_other_and_with_random_inputs():
    white, black = (
        {"attack": f"{c}box_inversion", "balanced_accuracy": b} for c, b in (("white", 0.6), ("black", 0.8))
    )
    noise = {"attack": "random_inputs", "balanced_accuracy": 0.7}
    assert flags_of([white, black, noise]) == [["black box beats white box", "loses to random inputs"], [], []]
    assert flags_of([{**white, "balanced_accuracy": 0.76}, black, noise]) == [[], [], []]
    assert flags_of([white, {**black, "protocol": "attacker"}]) == [[], []], "within a protocol only"


usual = st.floats(-1e30, 1e30).filter(lambda x: x == 0 or abs(x) > 1e-30)


@settings(deadline=None)
@given(st.lists(st.one_of(usual, st.floats(1e-30, 1e-10))))
def test_evidence_is_kept_to_one_in_four_thousand(values):
    found = _rounded(np.array(values))
    np.testing.assert_allclose(found, values, rtol=1 / 4000)


@given(st.lists(st.one_of(st.integers(-4096, 4096).map(float), st.sampled_from([0.0, 0.5, math.nan, math.inf]))))
def test_classes_labels_counts_and_what_is_no_number_are_kept_as_they_are(values):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(_rounded(np.array(values)), np.float32(values))


def test_rounding_keeps_the_shape():
    assert _rounded(np.zeros((2, 3, 4))).shape == (2, 3, 4)
