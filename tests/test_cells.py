"""Cells: one trial under one method, with its placebo, its scores, its gate and its flags."""

import copy
import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import accuracy_score
from toys import SMALL_SETTINGS, ipv_evidence, small_trials

from labelleak_lib.attacks.head_bias import HeadBias
from labelleak_lib.attacks.random_inputs import RandomInputs
from labelleak_lib.criteria import Threshold
from labelleak_lib.models import classifier
from labelleak_lib.registry import ATTACKS, CRITERIA, METHODS
from labelleak_lib.trials.cells import evidence_arrays, measure_accuracies, run_cell
from labelleak_lib.trials.gate import is_unlearned
from labelleak_lib.trials.grants import gather
from labelleak_lib.trials.originals import original_and_unlearned, original_model
from labelleak_lib.trials.records import COLUMNS, Cell, RecordStore, unpack
from labelleak_lib.trials.specification import TrialSpec

CONTRACT = (  # what readers' commands rely on
    "dataset architecture profile seed trial forgotten k unlearning control attack criterion protocol asr "
    "balanced_accuracy exact_match auc tpr_at_5fpr predicted queries seconds forget_acc_before forget_acc_after "
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
    assert rows[[c for c in COLUMNS if c not in ("auc", "tpr_at_5fpr")]].notna().all().all()
    assert (rows.config_hash == cells[code].config_hash).all() and (rows.unlearning == code).all()
    assert rows.forgotten.unique().tolist() == ["1"] and rows.k.unique().tolist() == [1]


@pytest.mark.parametrize("code", ["RT", "FT", "RL", "AU", "NG"])
def test_every_attack_criterion_protocol_and_control_has_one_row(cells, code):
    found = cells[code].rows[KEYS].apply(tuple, axis=1).tolist()
    expected = {
        (control, attack, criterion, protocol)
        for control in ("none", "placebo")
        for attack in SMALL_SETTINGS.attacks
        for criterion in ATTACKS[attack].criteria
        for protocol in ("paper", "attacker")
    }
    assert len(found) == len(set(found)) and set(found) == expected


@pytest.mark.parametrize("code", ["FT", "AU"])
def test_the_same_seed_gives_the_same_record(cells, code, toy, monkeypatch, tmp_path):
    monkeypatch.setenv("LABELLEAK_CACHE", str(tmp_path))  # nothing is read back from the first run
    torch.manual_seed(torch.seed())
    again = run_cell(TrialSpec.from_parameters(dataset=toy, device="cpu", forgotten=(1,)), code)
    first = cells[code].rows.drop(columns="seconds")
    pd.testing.assert_frame_equal(first, again.rows.drop(columns="seconds"), check_exact=True)
    assert cells[code].arrays.keys() == again.arrays.keys()
    for name, array in cells[code].arrays.items():
        np.testing.assert_array_equal(array, again.arrays[name])


def test_another_seed_gives_another_record(cells, toy):
    other = run_cell(TrialSpec.from_parameters(dataset=toy, device="cpu", forgotten=(1,), seed=5), "FT")
    assert other.config_hash != cells["FT"].config_hash
    assert any(not np.array_equal(a, other.arrays[name]) for name, a in cells["FT"].arrays.items())


def test_the_placebo_is_the_same_attack_on_the_original_model(spec, cells):
    rows = cells["RL"].rows
    placebo = rows[rows.control == "placebo"]
    assert (placebo.forget_acc_after == placebo.forget_acc_before).all()
    assert (placebo.retain_acc_after == placebo.retain_acc_before).all()
    attack = {"blackbox_inversion": SMALL_SETTINGS.attacks["blackbox_inversion"]}
    ((_, _, evidence, _),) = gather(spec, original_model(spec), attack)
    decided = Threshold().decide(evidence)
    (row,) = placebo.query(
        "attack == 'blackbox_inversion' and criterion == 'threshold' and protocol == 'paper'"
    ).itertuples()
    assert row.predicted == ",".join(map(str, sorted(decided)))
    assert row.asr == np.mean([(c in decided) == (c == 1) for c in range(4)])


def test_the_placebo_of_a_method_that_watches_training_is_its_own_original(spec, cells):
    original, _ = original_and_unlearned(spec, "AU")
    ((_, _, evidence, _),) = gather(spec, original, {"head_bias": HeadBias()})
    cell = run_cell(spec, "AU", attacks={"head_bias": HeadBias()})
    np.testing.assert_allclose(cell.arrays["placebo/head_bias/paper,attacker/score"], evidence.score, rtol=1e-3)


def test_accuracies_agree_with_scikit_learn(spec, cells):
    original, unlearned = original_and_unlearned(spec, "FT")
    found, test = measure_accuracies(spec, original, unlearned), spec.part("test")
    for when, model in (("before", original), ("after", unlearned)):
        predicted = classifier.predict_proba(model, test.images).argmax(1)
        for side, mask in (("forget", test.labels == 1), ("retain", test.labels != 1)):
            assert found[f"{side}_acc_{when}"] == pytest.approx(accuracy_score(test.labels[mask], predicted[mask]))
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


def test_the_placebos_evidence_can_be_given(spec):
    seen, attacks = [], {"head_bias": HeadBias()}

    def remember(original):
        seen.append(original)
        return list(gather(spec, original, attacks))

    shared = run_cell(spec, "FT", attacks=attacks, on_original=remember)
    pd.testing.assert_frame_equal(
        shared.rows.drop(columns="seconds"), run_cell(spec, "FT", attacks=attacks).rows.drop(columns="seconds")
    )
    assert len(seen) == 1


def test_queries_are_those_of_the_search(cells):
    attack = SMALL_SETTINGS.attacks["blackbox_inversion"]
    spent = 4 * (attack.population + (attack.generations - 1) * (attack.population - attack.elites))
    rows = cells["RT"].rows.set_index("attack")
    assert (rows.loc["blackbox_inversion", "queries"] == spent).all()
    assert (rows.loc["whitebox_inversion", "queries"] == 0).all()


def test_rows_carry_their_gate(cells, spec):
    for code, cell in cells.items():
        row = cell.rows.iloc[0]
        accuracies = {f"{side}_acc_{when}": row[f"{side}_acc_{when}"] for side in ("forget", "retain") for when in WHEN}
        assert (cell.rows.unlearned == is_unlearned(spec.data.name, code, 1, accuracies)).all()


def test_stored_vectors_lead_to_the_same_decisions(spec, tmp_path):
    peaks = np.array([1 - 1e-9, 1 - 2e-9, 1 - 1e-5, 1 - 1e-9])
    ipv = np.diag(peaks - (1 - peaks) / 3) + (1 - peaks)[:, None] / 3
    evidence, store = ipv_evidence(ipv), RecordStore(tmp_path)
    arrays = evidence_arrays(spec, [("x", "paper,attacker", evidence, 0.0)], "none")
    store.write("toy", Cell("aaaa", pd.DataFrame(columns=COLUMNS), arrays))
    (row,) = (row for _, row in store.evidence("toy").iterrows() if row["kind"] == "ipv")
    stored = unpack(row)
    np.testing.assert_allclose(stored, ipv, rtol=1e-5)
    assert Threshold().decide(evidence) == {2} == Threshold().decide(ipv_evidence(stored))


def test_a_probability_of_zero_is_stored_as_next_to_nothing(spec):
    arrays = evidence_arrays(spec, [("x", "paper,attacker", ipv_evidence(np.eye(3)), 0.0)], "none")
    row = {"values": arrays["none/x/paper,attacker/ipv"].astype("<f4").tobytes(), "shape": [3, 3], "kind": "ipv"}
    np.testing.assert_allclose(unpack(row), np.eye(3), atol=1e-200)


def test_arrays_are_named_and_hold_what_each_attack_found(cells):
    arrays = cells["RT"].arrays
    parts = {tuple(name.split("/")) for name in arrays}
    assert all(len(part) == 4 for part in parts)
    assert {(control, attack) for control, attack, _, _ in parts} == {
        (control, attack) for control in ("none", "placebo") for attack in SMALL_SETTINGS.attacks
    }
    kinds = {attack: {kind for _, a, _, kind in parts if a == attack} for attack in SMALL_SETTINGS.attacks}
    assert kinds["dot_product"] == {"score", "source", "label", "dot"}
    assert kinds["difference"] == {"score", "source", "label", "absolute_sum"}, "whole vectors would be too large"
    assert kinds["whitebox_inversion"] >= {"score", "ipv", "history", "history_step", "inverted"}
    assert {p for _, a, p, _ in parts if a == "dot_product"} == {"paper", "attacker"}


def test_histories_are_kept_at_some_steps_first_and_last_among_them(spec):
    attack = {"whitebox_inversion": SMALL_SETTINGS.attacks["whitebox_inversion"]}
    found = list(gather(spec, original_model(spec), attack))
    arrays, prefix = evidence_arrays(spec, found, "none"), "none/whitebox_inversion/paper,attacker"
    steps, history = arrays[f"{prefix}/history_step"].astype(int), found[0][2].history
    np.testing.assert_allclose(arrays[f"{prefix}/history"], history[steps], rtol=1e-3)
    assert steps[0] == 0 and steps[-1] == len(history) - 1
    np.testing.assert_allclose(arrays[f"{prefix}/inverted"], found[0][2].inverted, atol=0.006)


@pytest.mark.parametrize(
    ("change", "heads", "images"),
    [
        ({}, True, True),
        ({"trial": 1}, True, False),
        ({"trial": 3}, False, False),
        ({"forgotten": (1, 2)}, False, False),
    ],
    ids=str,
)
def test_single_heads_and_images_are_kept_of_the_first_trials_alone(spec, change, heads, images):
    attacks = {name: SMALL_SETTINGS.attacks[name] for name in ("dot_product", "blackbox_inversion")}
    found = list(gather(spec, original_model(spec), attacks))
    kinds = {name.split("/")[-1] for name in evidence_arrays(dataclasses.replace(spec, **change), found, "none")}
    assert kinds >= {"score", "ipv"}
    assert ("dot" in kinds) == ("source" in kinds) == heads
    assert ("inverted" in kinds) == ("history" in kinds) == images


def test_every_criterion_on_record_is_registered(cells):
    assert set(cells["RT"].rows.criterion) <= set(CRITERIA)
