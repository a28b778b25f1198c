"""Audits: verdicts by hand-made records, and a checkpoint of which nothing is told."""

import copy

import pandas as pd
import pytest
import torch
from record_samples import record
from toys import small_trials

from labelleak_lib.audit import blind, method
from labelleak_lib.models import classifier
from labelleak_lib.models.checkpoints import save_checkpoint
from labelleak_lib.models.classifier import ModelSpec
from labelleak_lib.trials.originals import original_model
from labelleak_lib.trials.specification import TrialSpec


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    with small_trials(tmp_path_factory.mktemp("audit")) as path:
        yield TrialSpec.from_parameters(dataset=path, forgotten=(1,), device="cpu")


def judged(auc, placebo_auc, accuracy, placebo_accuracy, flags=""):
    shared = {"attack": "direct_probe", "criterion": "two_means", "protocol": "attacker"}
    rows = [record(auc=auc, balanced_accuracy=accuracy, flags=flags, **shared)]
    rows += [record(auc=placebo_auc, balanced_accuracy=placebo_accuracy, control="placebo", **shared)]
    (line,) = method.verdicts(pd.DataFrame(rows)).itertuples()
    return line


@pytest.mark.parametrize(
    ("numbers", "verdict"),
    [
        ((1.0, 0.5, 1.0, 0.5), "leaks"),
        ((1.0, 1.0, 0.9, 0.9), "nothing found"),
        ((1.0, 0.9, 0.8, 0.8), "leaks in part"),
        ((0.8, 0.6, 1.0, 0.5), "leaks in part"),
        ((0.6, 0.6, 1.0, 0.5), "nothing found"),
        ((0.4, 0.1, 1.0, 0.5), "nothing found"),
    ],
)
def test_a_leak_ranks_the_forgotten_first_and_beats_the_placebo(numbers, verdict):
    assert judged(*numbers).verdict == verdict


def test_verdicts_are_shown_in_percent_beside_their_placebo() -> None:
    found = {"row": "direct probe", "verdict": "leaks", "auc": 1.0, "auc_placebo": 0.25, "balanced_accuracy": 0.9}
    found |= {"balanced_accuracy_placebo": 0.5, "flags": "odd"}
    head, _, line = method.verdict_table(pd.DataFrame([found])).splitlines()
    assert "AUC % | placebo % | balanced accuracy % | its placebo %" in " ".join(head.split())
    assert " ".join(line.split()) == "| direct probe | leaks | 100 | 25 | 90 | 50 | odd |"


def test_a_verdict_carries_the_flags_of_the_target_once():
    line = judged(1.0, 0.5, 1.0, 0.5, "not forgotten; no better than on M_o")
    assert line.flags == "no better than on M_o; not forgotten"
    assert line.row == "direct probe"


def silenced(spec, c):
    """Return the trial's original model with class c silenced in the head: the truth of the blind audit."""
    model = copy.deepcopy(original_model(spec))
    with torch.no_grad():
        model.head.weight[c], model.head.bias[c] = 0, -30
    return model


@pytest.mark.parametrize("c", [0, 3])
def test_a_blind_audit_names_the_silenced_class_and_does_not_read_the_trial_s(spec, c):
    named = blind.blind_audit(spec, silenced(spec, c)).set_index(["attack", "criterion"]).named
    assert named["direct_probe", "above_half"] == (c,)
    assert not {"youden", "decision_tree"} & set(named.index.get_level_values("criterion"))
    assert not {"trivial", "random"} & set(named.index.get_level_values("attack"))
    votes = blind.votes(named.reset_index(), spec.data.class_names)
    assert votes.share.idxmax() == c


def test_criteria_that_need_labels_run_once_a_class_is_known(spec):
    named = blind.blind_audit(spec, silenced(spec, 0), frozenset({2, 3}))
    assert {"youden", "decision_tree"} <= set(named.criterion)
    # a class known to be retained may still be accused: the audit reports, it does not correct
    assert set().union(*named.named) <= set(range(spec.data.classes))


def test_an_attack_has_one_vote_however_many_criteria():
    named = pd.DataFrame({
        "attack": ["a", "a", "b"], "criterion": ["x", "y", "z"], "row": ["ax", "ay", "bz"],
        "named": [(0,), (0, 1), (1,)],
    })  # fmt: skip
    votes = blind.votes(named, ["red", "green", "blue"])
    assert votes.votes.tolist() == [1.0, 1.5, 0.0]
    assert votes.share.tolist() == [0.5, 0.75, 0.0]
    text = blind.names_table(named, ["red", "green", "blue"], name="tbl-x")
    assert "| ay" in text and "red, green" in text and ":name: tbl-x" in text


def test_a_checkpoint_comes_back_as_it_was_saved(spec, tmp_path):
    model = original_model(spec)
    save_checkpoint(model, tmp_path / "m.safetensors")
    read = blind.load_for(spec, tmp_path / "m.safetensors", [0, 2])
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), read.state_dict().values(), strict=True))


@pytest.mark.parametrize(
    ("model_spec", "known", "words"),
    [
        (ModelSpec("small", 5, 1), None, ["checkpoint is", "5 classes", "must be of a model with 4 classes"]),
        (ModelSpec("small", 4, 3), None, ["checkpoint is", "(3, 8, 8)", "(1, 8, 8)"]),
        (ModelSpec("small", 4, 1), [4], ["known class is 4", "from 0 to 3"]),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_one_sentence(spec, tmp_path, model_spec, known, words):
    path = tmp_path / "m.safetensors"
    save_checkpoint(classifier.build(model_spec, seed=0), path)
    with pytest.raises(ValueError) as error:
        blind.load_for(spec, path, known)
    assert all(word in str(error.value) for word in words), error.value


def test_the_stand_in_is_the_retrained_model(spec):
    named = blind.blind_audit(spec, blind.stand_in(spec)).set_index(["attack", "criterion"]).named
    assert named["direct_probe", "above_half"] == spec.forgotten
