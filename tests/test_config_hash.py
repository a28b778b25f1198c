"""The digest of everything that decides a cell: what changes it, and what does not."""

import dataclasses

import pytest
from toys import SMALL_SETTINGS, small_trials

from labelleak_lib.attacks.head_bias import HeadBias
from labelleak_lib.attacks.random_inputs import RandomInputs
from labelleak_lib.registry import METHODS
from labelleak_lib.trials import specification
from labelleak_lib.trials.cells import config_hash, run_cell
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.unlearning.finetune import FineTune


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    with small_trials(tmp_path_factory.mktemp("cells")) as path:
        yield path


@pytest.fixture(scope="module")
def spec(toy):
    return TrialSpec.from_parameters(dataset=toy, device="cpu", forgotten=(1,))


def bumped(thing):
    """Yield (path, copy) with one hyperparameter changed, for every hyperparameter, nested ones included."""
    for field in dataclasses.fields(thing):
        value = getattr(thing, field.name)
        if dataclasses.is_dataclass(value):
            for name, inner in bumped(value):
                yield f"{field.name}.{name}", dataclasses.replace(thing, **{field.name: inner})
        elif isinstance(value, str):
            other = {"one_cycle": "constant", "adam": "sgd", "default": "zero"}[value]
            yield field.name, dataclasses.replace(thing, **{field.name: other})
        else:
            yield (
                field.name,
                dataclasses.replace(thing, **{field.name: value + 1 if isinstance(value, int) else value * 0.9}),
            )


def test_the_hash_changes_with_every_hyperparameter(spec, monkeypatch):
    hashes = {"": config_hash(spec, "FT")}
    assert hashes[""] == config_hash(spec, "FT")
    for field, recipe in bumped(SMALL_SETTINGS.recipe):
        changed = dataclasses.replace(SMALL_SETTINGS, recipe=recipe)
        monkeypatch.setattr(specification, "settings", lambda profile, architecture, found=changed: found)
        hashes[f"training.{field}"] = config_hash(spec, "FT")
    for field, method in bumped(SMALL_SETTINGS.methods["FT"]):
        changed = dataclasses.replace(SMALL_SETTINGS, methods={**SMALL_SETTINGS.methods, "FT": method})
        monkeypatch.setattr(specification, "settings", lambda profile, architecture, found=changed: found)
        hashes[f"FT.{field}"] = config_hash(spec, "FT")
    for name, attack in SMALL_SETTINGS.attacks.items():
        for field, other in bumped(attack):
            changed = dataclasses.replace(SMALL_SETTINGS, attacks={**SMALL_SETTINGS.attacks, name: other})
            monkeypatch.setattr(specification, "settings", lambda profile, architecture, found=changed: found)
            hashes[f"{name}.{field}"] = config_hash(spec, "FT")
    assert len(hashes) > 30
    clashes = [name for name, value in hashes.items() if list(hashes.values()).count(value) > 1]
    assert not clashes


def test_the_hash_changes_with_the_method_the_trial_and_the_attacks(spec, toy):
    some = [config_hash(spec, code) for code in METHODS]
    changes = [{"seed": 1}, {"trial": 1}, {"forgotten": (2,)}, {"forgotten": (1, 2)}, {"profile": "paper"}]
    for change in changes:
        other = TrialSpec.from_parameters(**{"dataset": toy, "device": "cpu", "forgotten": (1,), **change})
        some.append(config_hash(other, "FT"))
    some.append(config_hash(spec, "FT", {"head_bias": HeadBias()}))
    assert len(set(some)) == len(some)


def test_the_hash_knows_neither_device_nor_folder(spec, toy, tmp_path):
    other = TrialSpec.from_parameters(dataset=toy, device="auto", forgotten=(1,), data_dir=str(tmp_path))
    assert other != spec and config_hash(other, "FT") == config_hash(spec, "FT")


def test_the_hash_of_a_given_method_changes_with_the_attacks(spec):
    few, more = ({"random_inputs": RandomInputs(inputs=n)} for n in (5, 6))
    method = FineTune(epochs=1, batch_size=12)
    digests = [run_cell(spec, "FT", method=method, attacks=a).config_hash for a in (few, more)]
    assert digests[0] != digests[1]


def test_the_hash_of_a_given_function_is_the_same_in_every_process(spec):
    def make():
        def unchanged(original, retain, forget, *, generator):
            return original

        return unchanged

    kept = [make(), make()]  # the same function at two addresses, as two processes have it
    digests = [run_cell(spec, "MINE", method=f, attacks={"head_bias": HeadBias()}).config_hash for f in kept]
    assert digests[0] == digests[1]


@pytest.mark.parametrize("way", ["default", "captured"])
def test_the_hash_of_a_given_function_changes_with_the_values_it_uses(spec, way):
    def make(by):
        def default(original, retain, forget, *, generator, by=by):
            return original if by else None

        def captured(original, retain, forget, *, generator):
            return original if by else None

        return {"default": default, "captured": captured}[way]

    assert config_hash(spec, "MINE", {}, make(1)) != config_hash(spec, "MINE", {}, make(2))


def test_the_hash_of_a_given_function_changes_with_its_body(spec):
    def first(original, retain, forget, *, generator):
        return original

    def second(original, retain, forget, *, generator):
        return original.train()

    second.__qualname__ = first.__qualname__
    assert config_hash(spec, "MINE", {}, first) != config_hash(spec, "MINE", {}, second)
