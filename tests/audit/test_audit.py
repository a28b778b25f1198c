"""The audit of chapter 09: of a file, and of a model of which the page pretends to know nothing."""

import copy

import pytest
import torch
from toys import small_trials

from labelleak_lib.audit import blind
from labelleak_lib.models.checkpoints import save_checkpoint
from labelleak_lib.trials.originals import original_model
from labelleak_lib.trials.specification import TrialSpec


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    with small_trials(tmp_path_factory.mktemp("audit")) as path:
        yield TrialSpec.from_parameters(dataset=path, forgotten=(1,), device="cpu")


@pytest.fixture(scope="module")
def digits():
    return TrialSpec.from_parameters(dataset="digits", forgotten=(3,), device="cpu")


def test_the_stand_in_betrays_its_class_and_the_original_none(digits, tmp_path):
    assert blind.blind_audit(digits).forgotten == {3}
    save_checkpoint(original_model(digits), tmp_path / "original.safetensors")
    assert blind.blind_audit(digits, str(tmp_path / "original.safetensors")).forgotten == frozenset()


def test_a_file_is_judged_by_itself_and_the_trial_is_not_read(spec, tmp_path):
    model = copy.deepcopy(original_model(spec))
    with torch.no_grad():
        model.head.weight[0], model.head.bias[0] = 0, -30
    save_checkpoint(model, tmp_path / "m.safetensors")
    report = blind.blind_audit(spec, str(tmp_path / "m.safetensors"), shape="1,8,8", labels_only=True, budget=900)
    assert report.classes.answered[0] == 0 and (report.classes.answered[1:] > 0).all()
    assert report.labels_only and report.queries <= 900


@pytest.mark.parametrize("shape", ["1,8,x", "", [1, 8, "y"], 3.5, "3x8x8", [[1, 8], [8]]])
def test_a_shape_that_is_none_is_one_sentence(spec, shape):
    with pytest.raises(ValueError, match=r"shape is .* must be lengths like 3,32,32"):
        blind.blind_audit(spec, shape=shape)


@pytest.mark.parametrize("shape", [6, "6", [6], (6,), "(6,)"])
def test_the_length_of_a_vector_is_a_shape(spec, shape, monkeypatch):
    seen = []
    monkeypatch.setattr(blind, "audit", lambda target, space, **_: seen.append(space))
    blind.blind_audit(spec, "model.pt", shape=shape)
    assert seen[0].shape == (6,)
