"""A line holds what is measured on the models of a trial, and what is stored is not measured again."""

import dataclasses
import json

import pandas as pd
import pytest
from toys import SMALL_SETTINGS, small_trials

from labelleak_lib.trials import forgetting
from labelleak_lib.trials.specification import TrialSpec


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    with small_trials(tmp_path_factory.mktemp("forgetting")) as path:
        yield path


def test_a_line_holds_what_is_measured_on_the_models_of_the_trial(path):
    spec = TrialSpec.from_parameters(dataset=path, given=SMALL_SETTINGS, device="cpu")
    first, again = (forgetting.measure(spec, "RT") for _ in range(2))
    assert json.dumps(first) == json.dumps(again)
    assert first["forget_acc_after"] <= 0.05 < first["probe_after"] <= 1
    assert first["model"] == spec.unlearned_id("RT", spec.method("RT"))
    assert forgetting.key_of(dataclasses.replace(spec, unlearn_seed=5), "RT") != forgetting.key_of(spec, "RT")


def test_what_is_missing_is_measured_once(path, tmp_path, monkeypatch):
    told = ["--datasets", path, "--methods", "NG", "RT", "--store", str(tmp_path)]
    assert forgetting.main(told) == 0
    held = forgetting.stored(tmp_path)
    assert sorted(held.unlearning) == ["NG", "RT"] and held.model.is_unique
    monkeypatch.setattr(forgetting, "measure", lambda *_: pytest.fail("it is stored"))
    assert forgetting.main(told) == 0
    pd.testing.assert_frame_equal(forgetting.stored(tmp_path), held)
    assert forgetting.main([*told, "--trials", "0"]) == 2
