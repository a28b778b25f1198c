"""Audits of a checkpoint of which nothing is told."""

import copy

import pandas as pd
import pytest
import torch
from toys import small_trials

from labelleak_lib.audit import blind
from labelleak_lib.models import classifier
from labelleak_lib.models.checkpoints import save_checkpoint
from labelleak_lib.models.classifier import ModelSpec
from labelleak_lib.trials.originals import original_model
from labelleak_lib.trials.specification import TrialSpec


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    with small_trials(tmp_path_factory.mktemp("audit")) as path:
        yield TrialSpec.from_parameters(dataset=path, forgotten=(1,), device="cpu")


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
