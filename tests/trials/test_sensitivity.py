"""Other readings of the paper: each changes one thing, and changes it."""

import dataclasses

import pytest
import torch

from labelleak_lib.attacks.gradient_inversion import GradientInversion
from labelleak_lib.models import classifier
from labelleak_lib.models.access import WhiteBox
from labelleak_lib.models.classifier import ModelSpec
from labelleak_lib.names import AS_RUN
from labelleak_lib.trials import sensitivity
from labelleak_lib.trials.sensitivity import TRAINING_SAMPLES, ClippedInversion, cells, main, readings
from labelleak_lib.trials.store import Store


def test_every_reading_differs_from_ours_in_one_place():
    every = readings("lenet")
    ours = every[AS_RUN]
    for name, given in every.items():
        changed = [attack for attack, used in given.attacks.items() if used != ours.attacks[attack]]
        methods = [code for code, used in given.methods.items() if used != ours.methods[code]]
        if name in (AS_RUN, TRAINING_SAMPLES):
            assert not changed and not methods
        elif methods:
            assert methods == ["NG"] and not changed
        else:
            assert changed == list(given.attacks), f"{name} runs an attack that it does not touch"


def test_clipping_keeps_the_images_in_the_box_that_they_leave_without():
    model = classifier.build(ModelSpec("small", 10, 1), seed=0)
    found = {
        kind: kind(steps=20, starts=2).evidence(WhiteBox(model), generator=torch.Generator().manual_seed(0)).inverted
        for kind in (GradientInversion, ClippedInversion)
    }
    assert found[GradientInversion].min() < 0 and found[GradientInversion].max() > 1
    assert found[ClippedInversion].min() >= 0 and found[ClippedInversion].max() <= 1


def test_the_attacker_with_training_samples_holds_the_training_data():
    (cell, *_) = cells(TRAINING_SAMPLES, readings("small")[TRAINING_SAMPLES], "digits", 0)
    (plain, *_) = cells(AS_RUN, readings("small")[AS_RUN], "digits", 0)
    assert torch.equal(cell.spec.part("pool").images, plain.spec.part("train").images)
    assert not torch.equal(cell.spec.part("pool").images[:50], plain.spec.part("pool").images[:50])
    assert cell.model == plain.model, "the target is the same model"


def test_unbounded_ascent_is_without_every_bound():
    method = readings("small")["unbounded NG"].methods["NG"]
    assert dataclasses.asdict(method)["keep"] == 0 and method.ceiling > 1e5 and method.margin == 1


@pytest.fixture
def one_reading(monkeypatch):
    def only(architecture):
        given = readings(architecture)["10 steps a head"]
        return {"10 steps a head": dataclasses.replace(given, methods={"RT": given.methods["RT"]})}

    monkeypatch.setattr(sensitivity, "readings", only)


def test_a_run_stores_each_reading_apart_and_is_not_run_twice(one_reading, tmp_path, monkeypatch):
    assert main(["--dataset", "digits", "--trials", "1", "--store", str(tmp_path)]) == 0
    stored = Store(tmp_path / "10_steps_a_head").read("digits")
    assert set(stored.evidence.attack) == {"dot_product", "difference"} and set(stored.models.unlearning) == {"", "RT"}

    def unwanted(*_):
        raise AssertionError("a cell ran twice")

    monkeypatch.setattr("labelleak_lib.trials.engine.original_and_unlearned", unwanted)
    assert main(["--dataset", "digits", "--trials", "1", "--store", str(tmp_path)]) == 0
