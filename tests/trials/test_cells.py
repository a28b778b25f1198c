"""Cells: one trial under one method, with its placebo, its scores, its gate and its flags."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import accuracy_score, recall_score
from toys import SMALL_SETTINGS, head_evidence, ipv_evidence, same_evidence, small_trials

from labelleak_lib.attacks.head_readings import HeadBias
from labelleak_lib.attacks.random_inputs import RandomInputs
from labelleak_lib.criteria.inversion import Threshold
from labelleak_lib.models import classifier
from labelleak_lib.registry import ATTACKS, CRITERIA, METHODS
from labelleak_lib.trials.cells import evidence_on, measure_accuracies, run_cell
from labelleak_lib.trials.gate import is_unlearned
from labelleak_lib.trials.grants import gather
from labelleak_lib.trials.judging import COLUMNS, judge
from labelleak_lib.trials.originals import original_and_unlearned, original_model, weights_digest
from labelleak_lib.trials.schema import EVIDENCE, FACTS, MODELS, arrays_of, evidence_from, pack
from labelleak_lib.trials.specification import TrialSpec

CONTRACT = (  # what readers' commands rely on
    "dataset architecture profile seed trial forgotten k unlearning control attack criterion protocol asr "
    "balanced_accuracy exact_match auc tpr predicted queries seconds forget_acc_before forget_acc_after "
    "retain_acc_before retain_acc_after data_variant config_hash code_version"
)


WHEN = ("before", "after")


KEYS = ["control", "attack", "criterion", "protocol"]


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    with small_trials(tmp_path_factory.mktemp("cells")) as path:
        yield path


@pytest.fixture(scope="module")
def spec(toy):
    return TrialSpec.from_parameters(dataset=toy, device="cpu", forgotten=(1,))


@pytest.fixture(scope="module")
def cells(spec):
    return {code: run_cell(spec, code) for code in METHODS}


@pytest.mark.parametrize("code", ["RT", "FT", "RL", "AU", "NG"])
def test_a_cell_has_the_columns_of_the_contract(cells, code):
    rows = cells[code].rows
    assert set(rows.columns) >= set(CONTRACT.split()) and rows.columns.tolist() == list(COLUMNS)
    assert {"train_seed", "unlearn_seed", "attack_seed", "unlearned", "flags"} <= set(rows.columns)
    assert rows[[c for c in COLUMNS if c not in ("auc", "tpr")]].notna().all().all()
    assert (rows.config_hash == cells[code].models[1]["model"]).all() and (rows.unlearning == code).all()
    assert rows.forgotten.unique().tolist() == ["1"] and rows.k.unique().tolist() == [1]


@pytest.mark.parametrize("code", ["RT", "FT", "RL", "AU", "NG"])
def test_every_attack_criterion_protocol_and_control_has_one_row(cells, code):
    rows = cells[code].rows
    # a criterion that is for every attack stands beside those that an attack lists
    listed = rows.apply(lambda row: row.criterion in ATTACKS[row.attack].criteria, axis=1)
    assert all(CRITERIA[name].everywhere for name in rows.criterion[~listed])
    found = rows[listed][KEYS].apply(tuple, axis=1).tolist()
    expected = {
        (control, attack, criterion, protocol)
        for control in ("none", "placebo")
        for attack in SMALL_SETTINGS.attacks
        for criterion in ATTACKS[attack].criteria
        for protocol in ("paper", "attacker")
    }
    assert len(found) == len(set(found)) and set(found) == expected


@pytest.mark.parametrize("code", ["FT", "AU"])
def found_in(cell):
    """Return the evidence of a cell by identity."""
    return {line["evidence"]: line["found"] for line in cell.evidence}


@pytest.mark.parametrize("code", ["FT", "AU"])
def test_the_same_seed_gives_the_same_models_evidence_and_records(cells, code, toy, monkeypatch, tmp_path):
    monkeypatch.setenv("LABELLEAK_CACHE", str(tmp_path))  # nothing is read back from the first run
    torch.manual_seed(torch.seed())
    again = run_cell(TrialSpec.from_parameters(dataset=toy, device="cpu", forgotten=(1,)), code)
    assert again.models == cells[code].models
    first, second = found_in(cells[code]), found_in(again)
    assert first.keys() == second.keys()
    assert all(same_evidence(first[digest], second[digest]) for digest in first)
    rows = [cell.rows.drop(columns="seconds") for cell in (cells[code], again)]
    pd.testing.assert_frame_equal(*rows, check_exact=True)


def test_another_seed_gives_another_record(cells, toy):
    other = run_cell(TrialSpec.from_parameters(dataset=toy, device="cpu", forgotten=(1,), seed=5), "FT")
    assert {m["model"] for m in other.models}.isdisjoint(m["model"] for m in cells["FT"].models)
    assert {m["weights"] for m in other.models}.isdisjoint(m["weights"] for m in cells["FT"].models)
    assert found_in(other).keys().isdisjoint(found_in(cells["FT"]))
    pairs = [(a["found"], b["found"]) for a, b in zip(cells["FT"].evidence, other.evidence, strict=True)]
    assert any(not same_evidence(*pair) for pair in pairs)


def test_facts_and_evidence_have_the_columns_that_are_stored(cells):
    for code, cell in cells.items():
        original, unlearned = cell.models
        assert set(original) == set(unlearned) == set(MODELS)
        assert all(set(line) == {*FACTS, "found"} for line in cell.evidence)
        assert (original["original"], original["unlearning"], original["forgotten"]) == ("", "", "")
        assert (unlearned["original"], unlearned["unlearning"]) == (original["model"], code)
        assert unlearned["original_weights"] == original["weights"] != unlearned["weights"]
        assert {line["model"] for line in cell.evidence} == {original["model"], unlearned["model"]}
        held = {original["model"]: original["weights"], unlearned["model"]: unlearned["weights"]}
        assert all(line["weights"] == held[line["model"]] for line in cell.evidence)
        assert cell.stored.models.columns.tolist() == list(MODELS)
        assert cell.stored.evidence.columns.tolist() == list(EVIDENCE)


def test_the_stored_weights_are_those_of_the_models(cells, spec):
    for code, cell in cells.items():
        digests = [weights_digest(model) for model in original_and_unlearned(spec, code)]
        assert [line["weights"] for line in cell.models] == digests


def test_the_placebo_is_the_same_attack_on_the_original_model(spec, cells):
    rows = cells["RL"].rows
    placebo = rows[rows.control == "placebo"]
    assert (placebo.forget_acc_after == placebo.forget_acc_before).all()
    assert (placebo.retain_acc_after == placebo.retain_acc_before).all()
    attack = SMALL_SETTINGS.attacks["blackbox_inversion"]
    evidence, _ = gather(spec, original_model(spec), "blackbox_inversion", attack)
    decided = Threshold().decide(evidence)
    (row,) = placebo.query(
        "attack == 'blackbox_inversion' and criterion == 'threshold' and protocol == 'paper'"
    ).itertuples()
    assert row.predicted == ",".join(map(str, sorted(decided)))
    assert row.asr == np.mean([(c in decided) == (c == 1) for c in range(4)])


def test_the_placebo_of_a_method_that_watches_training_is_its_own_original(spec):
    original, _ = original_and_unlearned(spec, "AU")
    evidence, _ = gather(spec, original, "head_bias", HeadBias())
    cell = run_cell(spec, "AU", attacks={"head_bias": HeadBias()})
    assert same_evidence(cell.evidence[0]["found"], evidence)
    usual, _ = gather(spec, original_model(spec), "head_bias", HeadBias())
    assert not same_evidence(usual, evidence)


def test_accuracies_agree_with_scikit_learn(spec, cells):
    original, unlearned = original_and_unlearned(spec, "FT")
    found, test = measure_accuracies(spec, original, unlearned), spec.part("test")
    for when, model, facts in zip(WHEN, (original, unlearned), cells["FT"].models, strict=True):
        predicted = classifier.predict_proba(model, test.images).argmax(1)
        for side, mask in (("forget", test.labels == 1), ("retain", test.labels != 1)):
            assert found[f"{side}_acc_{when}"] == pytest.approx(accuracy_score(test.labels[mask], predicted[mask]))
        assert facts["accuracy"] == pytest.approx(recall_score(test.labels, predicted, average=None))
    row = cells["FT"].rows.iloc[0]
    assert {name: row[name] for name in found} == pytest.approx(found)
    assert row.forget_acc_before > 0.9


def test_a_readers_own_function_and_attacks_make_a_cell(spec):
    def lower(original, retain, forget, *, generator):
        model = copy.deepcopy(original)
        with torch.no_grad():
            model.head.bias[forget.labels.unique()] -= 100
        return model

    attacks = {"head_bias": HeadBias(), "random_inputs": RandomInputs(inputs=5)}
    cell = run_cell(spec, "MINE", method=lower, attacks=attacks)
    assert set(cell.rows.attack) == set(attacks) and set(cell.rows.unlearning) == {"MINE"}
    hit = cell.rows[(cell.rows.control == "none") & (cell.rows.attack == "head_bias")]
    assert (hit.asr == 1).all() and (hit.exact_match == 1).all() and (hit.predicted == "1").all()
    assert (cell.rows[cell.rows.control == "none"].unlearned).all()


def test_evidence_that_is_known_is_not_gathered_again(spec):
    attacks = {"head_bias": HeadBias(), "dot_product": SMALL_SETTINGS.attacks["dot_product"]}
    lines = evidence_on(spec, original_model(spec), "m", attacks)
    assert [(line["attack"], line["protocol"]) for line in lines] == [
        ("head_bias", ""), ("dot_product", "paper"), ("dot_product", "attacker"),
    ]  # fmt: skip
    known = {lines[0]["evidence"], lines[2]["evidence"]}
    (missing,) = evidence_on(spec, original_model(spec), "m", attacks, known)
    assert missing["evidence"] == lines[1]["evidence"]
    assert same_evidence(missing["found"], lines[1]["found"])


def test_queries_and_gradients_are_those_of_the_search(cells):
    black, white = (SMALL_SETTINGS.attacks[f"{kind}_inversion"] for kind in ("blackbox", "whitebox"))
    spent = 4 * (black.population + (black.generations - 1) * (black.population - black.elites))
    rows = cells["RT"].rows.set_index("attack")
    assert (rows.loc["blackbox_inversion", "queries"] == spent).all()
    assert (rows.loc["whitebox_inversion", "queries"] == 0).all()
    gradients = {line["attack"]: line["gradients"] for line in cells["RT"].evidence}
    assert gradients["blackbox_inversion"] == 0
    assert gradients["whitebox_inversion"] == 4 * white.starts * white.steps


def test_rows_carry_their_gate(cells, spec):
    for cell in cells.values():
        row, (_, facts) = cell.rows.iloc[0], cell.models
        assert {name: row[name] for name in facts if "_acc_" in name} == {n: facts[n] for n in facts if "_acc_" in n}
        assert (cell.rows.unlearned == is_unlearned(facts)).all()


def stored_again(evidence):
    """Return evidence as a store gives it back."""
    facts = dict.fromkeys(FACTS, "") | {"attack": evidence.attack, "queries": 0, "gradients": 0}
    return evidence_from([{**facts, "kind": kind, **pack(array)} for kind, array in arrays_of(evidence).items()])


def test_stored_vectors_lead_to_the_same_decisions():
    peaks = np.array([1 - 1e-9, 1 - 2e-9, 1 - 1e-5, 1 - 1e-9])
    ipv = np.diag(peaks - (1 - peaks) / 3) + (1 - peaks)[:, None] / 3
    evidence = ipv_evidence(ipv)
    again = stored_again(evidence)
    np.testing.assert_allclose(again.ipv, ipv, rtol=1e-12)
    assert Threshold().decide(evidence) == {2} == Threshold().decide(again)


def test_a_probability_of_zero_is_stored_as_next_to_nothing():
    np.testing.assert_allclose(stored_again(ipv_evidence(np.eye(3))).ipv, np.eye(3), atol=1e-200)


def test_evidence_of_every_attack_comes_back_from_its_arrays(cells):
    for line in cells["RT"].evidence:
        found = line["found"]
        again = stored_again(found)
        for name in ("score", "ipv", "probe", "history"):
            kept, back = getattr(found, name), getattr(again, name)
            assert (kept is None) == (back is None)
            if kept is not None:
                np.testing.assert_allclose(back, kept, rtol=1e-13, atol=1e-250)
        assert (found.heads is None) == (again.heads is None)
        if found.heads is not None:
            for name in ("source", "label", "value", "absolute_sum"):
                np.testing.assert_array_equal(getattr(again.heads, name), getattr(found.heads, name))
        assert found.inverted is None or torch.equal(again.inverted.float(), found.inverted)


def test_single_heads_come_back_exactly():
    heads = stored_again(head_evidence([0, 1, -1], [0, 1, -1], [1 / 3, -2.5, np.nan], 2)).heads
    assert heads.source.tolist() == [0, 1, -1] and heads.label.tolist() == [0, 1, -1]
    np.testing.assert_array_equal(heads.value, [1 / 3, -2.5, np.nan])


def test_arrays_are_named_and_hold_what_each_attack_found(cells):
    cell = cells["RT"]
    evidence, sides = cell.stored.evidence, [line["model"] for line in cell.models]
    assert set(zip(evidence.model, evidence.attack, strict=True)) == {
        (model, attack) for model in sides for attack in SMALL_SETTINGS.attacks
    }
    kinds = evidence.groupby("attack").kind.agg(set)
    heads = {"score", "source", "label", "value", "absolute_sum"}
    assert kinds["dot_product"] == kinds["difference"] == heads, "whole vectors would be too large"
    assert kinds["whitebox_inversion"] == {"score", "ipv", "history", "inverted"}
    assert kinds["random_inputs"] == {"score", "probe"}
    assert set(evidence[evidence.attack == "dot_product"].protocol) == {"paper", "attacker"}
    assert set(evidence[evidence.attack == "random_inputs"].protocol) == {""}


def test_the_records_are_what_is_decided_on_the_stored_cell(cells):
    pd.testing.assert_frame_equal(cells["NG"].rows, judge(*cells["NG"].stored))


def test_every_criterion_on_record_is_registered(cells):
    assert set(cells["RT"].rows.criterion) <= set(CRITERIA)
