"""Checkpoints: what is saved comes back, and what is none is refused."""

import math
import os
import pickle

import pytest
import torch
from safetensors.torch import save_file
from toys import rng, same_state, snapshot, trained

from labelleak_lib.models import classifier
from labelleak_lib.models.checkpoints import load_checkpoint, save_checkpoint
from labelleak_lib.models.classifier import ModelSpec


@pytest.mark.parametrize("spec", [ModelSpec("small", 4, 3), ModelSpec("lenet", 10, 1), ModelSpec("resnet18", 3, 1)])
def test_a_checkpoint_brings_back_the_same_model(spec, tmp_path):
    model = classifier.build(spec, seed=5)
    model(torch.rand((3, *spec.shape), generator=rng()))  # moves the running averages, where there are any
    save_checkpoint(model, tmp_path / "deep" / "model.safetensors")
    loaded = load_checkpoint(tmp_path / "deep" / "model.safetensors")
    assert loaded.spec == spec and not loaded.training
    assert same_state(snapshot(model), loaded.state_dict())
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["model.safetensors"]


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def spoilt_files(folder):
    """Yield paths of what is no checkpoint, each named by what is wrong with it."""
    state = {name: value.contiguous() for name, value in snapshot(trained()).items()}
    yield folder / "missing"
    yield folder
    (folder / "pickle").write_bytes(pickle.dumps(Bomb()))
    torch.save(state, folder / "torch")
    (folder / "garbage").write_bytes(bytes(range(256)) * 20)
    (folder / "empty").touch()
    save_file(state, folder / "unspecified")
    save_file(state, folder / "words", metadata={"spec": "not json"})
    save_file(state, folder / "other", metadata={"spec": '{"architecture": "small", "classes": 7, "channels": 1}'})
    save_file({}, folder / "bare", metadata={"spec": '{"architecture": "small", "classes": 4, "channels": 1}'})
    save_file(state, folder / "unknown", metadata={"spec": '{"architecture": "vgg", "classes": 4, "channels": 1}'})
    save_checkpoint(trained(), folder / "whole")
    (folder / "cut").write_bytes((folder / "whole").read_bytes()[:-100])
    for name in [
        "pickle",
        "torch",
        "garbage",
        "empty",
        "unspecified",
        "words",
        "other",
        "bare",
        "unknown",
        "surplus",
        "cut",
    ]:
        yield folder / name


def test_what_is_no_checkpoint_is_refused_by_its_path_and_never_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in spoilt_files(tmp_path):
        with pytest.raises(ValueError, match=r"^checkpoint is '.*safetensors") as caught:
            load_checkpoint(path)
        assert str(path) in str(caught.value)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_refused_by_the_path(value, tmp_path):
    model = classifier.build(ModelSpec("small", 4, 1), seed=0)
    with torch.no_grad():
        model.head.weight[1, 2] = value
    save_checkpoint(model, tmp_path / "spoilt")
    with pytest.raises(ValueError, match="finite") as caught:
        load_checkpoint(tmp_path / "spoilt")
    assert str(tmp_path / "spoilt") in str(caught.value)


def test_running_averages_that_are_not_finite_are_refused(tmp_path):
    model = classifier.build(ModelSpec("resnet18", 3, 1), seed=0)
    model.features[1].bn1.running_mean[0] = math.nan
    save_checkpoint(model, tmp_path / "spoilt")
    with pytest.raises(ValueError, match="finite"):
        load_checkpoint(tmp_path / "spoilt")


def test_an_interrupted_save_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    save_checkpoint(trained(), path)
    old = path.read_bytes()

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(classifier.build(ModelSpec("small", 4, 1), seed=9), path)
    assert path.read_bytes() == old
