"""On a device without float64, where no tensor of the CPU may join in: every method, attack, defence, and an audit."""

import copy
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from other_device import OTHER, OnOther, other_device
from toys import SMALL_SETTINGS, small_trials, trained

import labelleak_lib
from labelleak_lib.data.samples import split_classes
from labelleak_lib.models.checkpoints import save_checkpoint
from labelleak_lib.models.devices import has_float64, with_float64
from labelleak_lib.registry import DEFENCES, METHODS
from labelleak_lib.trials import defended
from labelleak_lib.trials.cells import original_facts
from labelleak_lib.trials.grants import gather
from labelleak_lib.trials.originals import original_and_unlearned, original_model, weights_digest
from labelleak_lib.trials.seeds import make_generator
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.unlearning import apply_method


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    with small_trials(tmp_path_factory.mktemp("device")) as path:
        yield path


@pytest.fixture
def device(toy, monkeypatch):
    with other_device(monkeypatch):
        yield OTHER


@pytest.fixture
def spec(device, toy):
    return TrialSpec.from_parameters(dataset=toy, forgotten=[1], device="mps")


def brief(method, recipe):
    """Return a method that takes a few steps."""
    short = {"epochs": 1, "min_steps": 0, "steps": 2, "recipe": replace(recipe, epochs=1, min_steps=0)}
    own = {field.name for field in fields(method)}
    return replace(method, **{name: value for name, value in short.items() if name in own})


REFUSED = {
    "double": lambda x: x.double().cpu(),
    "to float64": lambda x: x.to(torch.float64),
    "made in float64": lambda x: torch.zeros(3, dtype=torch.float64, device=x.device),
    "sum in float64": lambda x: x.sum(dtype=torch.float64),
    "CPU added": lambda x: x + torch.ones(3),
    "CPU multiplied": lambda x: torch.ones(2, 2) @ x,
    "CPU compared": lambda x: x == torch.ones(2, 3),
    "CPU joined": lambda x: torch.cat([x, torch.ones(1, 3)]),
    "CPU written into": lambda x: torch.ones(2, 3).add_(x),
    "CPU generator": lambda x: torch.rand(3, generator=torch.Generator(), device=x.device),
    "CPU generator in place": lambda x: x.normal_(generator=torch.Generator()),
    "numpy": lambda x: x.numpy(),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_the_stand_in_refuses_what_such_devices_refuse(case, device):
    with pytest.raises((TypeError, RuntimeError)):
        REFUSED[case](torch.ones(2, 3).to(device))


def test_the_stand_in_computes_as_the_cpu_does(device):
    here = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Flatten(), torch.nn.Linear(108, 4)
    )
    there, images = copy.deepcopy(here).to(device), torch.rand(5, 1, 8, 8)
    for net in (here, there):
        place = next(net.parameters()).device
        step = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, fused=True)
        for _ in range(3):
            step.zero_grad()
            torch.nn.functional.cross_entropy(net(images.to(place)), torch.arange(5).remainder(4).to(place)).backward()
            step.step()
    assert isinstance(there[0].weight, OnOther) and there[0].weight.device == device
    for left, right in zip(here.state_dict().values(), there.state_dict().values(), strict=True):
        assert torch.equal(left, right.cpu())


def test_a_device_says_whether_it_has_float64_and_only_then_is_a_model_moved(device):
    assert has_float64(torch.device("cpu")) and not has_float64(device)
    model = trained()
    assert with_float64(model) is model
    moved = with_float64(copy.deepcopy(model).to(device))
    assert next(moved.parameters()).device.type == "cpu" and weights_digest(moved) == weights_digest(model)


# FF takes a step for every sample and class: many seconds
@pytest.mark.parametrize("code", [code for code in METHODS if code != "FF"])
def test_a_method_unlearns_there(code, spec):
    original, unlearned = original_and_unlearned(spec, code, brief(spec.method(code), spec.settings.recipe))
    assert {parameter.device for parameter in unlearned.parameters()} == {OTHER}
    assert weights_digest(original) != weights_digest(unlearned)


@pytest.mark.parametrize("code", ["IU", "CSP"])
def test_a_method_that_asks_for_float64_unlearns_what_it_unlearns_on_the_cpu(code, spec):
    (original, there), method = original_and_unlearned(spec, code), spec.method(code)
    retain, forget = split_classes(spec.part("train"), spec.forgotten)
    drawn = make_generator(spec.unlearn_seed, "unlearn", code)
    here = apply_method(method, copy.deepcopy(original).cpu(), retain, forget, generator=drawn)
    assert weights_digest(here) == weights_digest(there)


def test_a_type_error_of_a_methods_own_is_no_matter_of_the_device(spec):
    def broken(original, retain, forget, *, generator):
        raise TypeError("its own")

    retain, forget = split_classes(spec.part("train"), spec.forgotten)
    with pytest.raises(TypeError, match="its own"):
        apply_method(broken, trained(), retain, forget, generator=torch.Generator())
    with pytest.raises(TypeError, match="its own"):
        apply_method(broken, original_model(spec), retain, forget, generator=torch.Generator())


@pytest.mark.parametrize("name", list(SMALL_SETTINGS.attacks))
def test_an_attack_finds_there_what_it_finds_on_the_cpu(name, spec):
    attack, model = spec.settings.attacks[name], original_model(spec)
    protocol = "attacker" if attack.per_protocol else ""
    there, _ = gather(spec, model, name, attack, protocol)
    here, _ = gather(spec, copy.deepcopy(model).cpu(), name, attack, protocol)
    np.testing.assert_allclose(there.score, here.score, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["mean_row", "mask", "temperature", "label_only", "drop_rows", "rounded"])
def test_a_defence_is_measured_there(name, spec, monkeypatch):
    monkeypatch.setattr(defended, "READINGS", {"head_bias": "largest_gap", "random_inputs": "largest_gap"})
    monkeypatch.setattr(defended, "SLOW", {})
    monkeypatch.setattr(defended, "ADAPTIVE", {})
    monkeypatch.setattr(DEFENCES[name], "adaptive", (), raising=False)
    found = defended.measure(spec, "", name)
    assert found and all(np.isfinite(line["retain_acc_after"]) for line in found)


def test_facts_checkpoints_and_audits_work_there(spec, tmp_path):
    model = original_model(spec)
    assert original_facts(spec, spec.method("RT"), model)["weights"] == weights_digest(copy.deepcopy(model).cpu())
    save_checkpoint(copy.deepcopy(model).cpu(), tmp_path / "model.safetensors")
    here = labelleak_lib.audit(tmp_path / "model.safetensors", device="cpu", budget=900, progress=False)
    there = labelleak_lib.audit(tmp_path / "model.safetensors", device="mps", budget=900, progress=False)
    np.testing.assert_allclose(there.classes.reach, here.classes.reach, rtol=1e-5)
