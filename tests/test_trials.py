"""Trials: which classes are forgotten, which seeds enter where, what is cached, what an attacker is granted."""

import dataclasses
import itertools
import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import RECIPE, SMALL_SETTINGS, same_state, small_trials, snapshot

from labelleak_lib.attacks.heads import HeadRecipe
from labelleak_lib.attacks.random_guess import RandomGuess
from labelleak_lib.data.samples import split_classes
from labelleak_lib.models import classifier
from labelleak_lib.models.evaluation import accuracy
from labelleak_lib.models.training import train
from labelleak_lib.registry import METHODS
from labelleak_lib.trials import originals, specification
from labelleak_lib.trials.grants import gather
from labelleak_lib.trials.identity import content_hash, describe
from labelleak_lib.trials.originals import original_and_unlearned, original_model, unlearned_model
from labelleak_lib.trials.seeds import draw_forgotten, make_generator
from labelleak_lib.trials.specification import TrialSpec, fingerprint
from labelleak_lib.unlearning.finetune import FineTune


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    with small_trials(tmp_path_factory.mktemp("trials")) as path:
        yield path


def spec_of(toy, **change):
    return TrialSpec.from_parameters(**{"dataset": toy, "device": "cpu", "forgotten": (1,), **change})


@given(classes=st.integers(2, 12), seed=st.integers(0, 10**6), trial=st.integers(0, 200))
def test_the_classes_of_k_are_among_those_of_one_more(classes, seed, trial):
    drawn = [draw_forgotten(classes, k, seed=seed, trial=trial) for k in range(1, classes)]
    assert [len(d) for d in drawn] == list(range(1, classes))
    assert all(d == tuple(sorted(set(d))) and set(d) <= set(range(classes)) for d in drawn)
    assert all(set(few) < set(more) for few, more in itertools.pairwise(drawn))


@settings(max_examples=40, deadline=None)
@given(classes=st.integers(2, 12), seed=st.integers(0, 10**6), block=st.integers(0, 5), k=st.integers(1, 11))
def test_every_class_is_forgotten_equally_often(classes, seed, block, k):
    k = min(k, classes - 1)
    some = range(block * classes, (block + 1) * classes)
    counts = Counter(c for trial in some for c in draw_forgotten(classes, k, seed=seed, trial=trial))
    assert counts == dict.fromkeys(range(classes), k)


def test_draws_differ_between_seeds_and_blocks():
    drawn = [[draw_forgotten(10, 3, seed=s, trial=t) for t in range(10)] for s in range(3)]
    assert drawn[0] != drawn[1] != drawn[2]
    later = [draw_forgotten(10, 3, seed=0, trial=t) for t in range(10, 20)]
    assert later != drawn[0] and drawn[0] == [draw_forgotten(10, 3, seed=0, trial=t) for t in range(10)]


@pytest.mark.parametrize("k", [0, 4, -1, 1.0, True, None])
def test_a_number_of_classes_that_cannot_be_forgotten_is_refused(k):
    with pytest.raises(ValueError, match=f"^k is {k}; it must be an integer from 1 to 3$"):
        draw_forgotten(4, k, seed=0, trial=0)


def test_generators_of_different_seeds_and_roles_draw_apart():
    roles = [(0,), (1,), (0, "a"), (0, "b"), (0, "a", "b"), (0, "ab"), (0, "a", 1), (0, "a", 11)]
    first = [make_generator(seed, *role).initial_seed() for seed, *role in roles]
    assert len(set(first)) == len(roles)
    assert first == [make_generator(seed, *role).initial_seed() for seed, *role in roles]
    values = torch.rand(3, generator=make_generator(0, "a"))
    assert torch.equal(values, torch.rand(3, generator=make_generator(0, "a")))


def test_draws_and_digests_are_the_same_in_another_process():
    script = (
        "from labelleak_lib.trials.identity import content_hash; "
        "from labelleak_lib.trials.seeds import draw_forgotten, make_generator; "
        "print(draw_forgotten(10, 3, seed=5, trial=7), make_generator(3, 'attack', 'x').initial_seed(), "
        "content_hash({'b': 1, 'a': [0.1, None]}))"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    here = draw_forgotten(10, 3, seed=5, trial=7), make_generator(3, "attack", "x").initial_seed()
    assert found.strip() == f"{here[0]} {here[1]} {content_hash({'a': [0.1, None], 'b': 1})}"


def test_the_defaults_are_the_bundled_digits_in_the_quick_profile():
    spec = TrialSpec.from_parameters()
    assert (spec.dataset, spec.profile, spec.seed, spec.trial) == ("digits", "quick", 0, 0)
    assert spec.forgotten == draw_forgotten(10, 1, seed=0, trial=0)
    assert spec.model_spec == classifier.ModelSpec("small", 10, 1)


def test_named_classes_are_sorted_and_stand_for_k(toy):
    assert spec_of(toy, forgotten=[2, 0, 2], k=1).forgotten == (0, 2)


def test_an_identity_is_json_and_knows_neither_device_nor_folder(toy, tmp_path):
    spec = spec_of(toy)
    assert json.loads(json.dumps(spec.identity())) == spec.identity()
    elsewhere = spec_of(toy, device="auto", data_dir=str(tmp_path))
    assert elsewhere != spec and elsewhere.identity() == spec.identity()


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"trial": 1}, {"forgotten": (2,)}, {"forgotten": (1, 2)}, {"profile": "paper"}], ids=str
)
def test_everything_else_is_in_the_identity(toy, change):
    assert spec_of(toy, **change).identity() != spec_of(toy).identity()


def test_the_fingerprint_changes_with_a_single_pixel_or_label(toy, tmp_path):
    with np.load(toy) as file:
        images, labels = file["images"], file["labels"]
    prints = {fingerprint(toy, None)}
    for name, i, j in (("same", 0, 0), ("pixel", 1, 0), ("label", 0, 1)):
        changed, moved = images.copy(), labels.copy()
        changed[0, 0, 0] ^= i
        moved[[0, -1]] = moved[[-1, 0]] if j else moved[[0, -1]]
        np.savez(tmp_path / f"{name}.npz", images=changed, labels=moved)
        prints.add(fingerprint(str(tmp_path / f"{name}.npz"), None))
    assert len(prints) == 3, "the equal copy has the same print, the two others have their own"


def test_the_parts_are_those_of_the_data_set(toy):
    spec = spec_of(toy)
    for name in ("train", "pool", "test"):
        part = spec.part(name)
        assert part.images is getattr(spec.data, f"{name}_images")
        assert len(part.images) == len(part)


def test_a_description_names_the_class_and_every_hyperparameter():
    found = describe(FineTune(epochs=4))
    assert found["class"] == "FineTune" and found["epochs"] == 4
    assert set(found) == {"class", *(field.name for field in dataclasses.fields(FineTune))}
    assert describe(SMALL_SETTINGS.attacks["difference"])["recipe"] == dataclasses.asdict(
        HeadRecipe(heads=10, samples=5, steps=10)
    )


def test_the_original_model_is_trained_once_as_its_recipe_says_and_read_back(toy, monkeypatch):
    spec, runs = spec_of(toy, seed=11), []
    monkeypatch.setattr(originals, "train", lambda *a, **k: runs.append(1) or train(*a, **k))
    first, second = original_model(spec), original_model(spec)
    assert len(runs) == 1 and same_state(first.state_dict(), second.state_dict())
    peer = classifier.build(spec.model_spec, seed=11)
    train(peer, spec.part("train"), RECIPE, generator=make_generator(11, "train"))
    assert same_state(first.state_dict(), peer.state_dict())
    assert accuracy(first, spec.part("test")) > 0.9 and not first.training


def test_the_original_model_depends_on_its_own_seed_and_recipe_alone(toy, monkeypatch):
    base = snapshot(original_model(spec_of(toy)))
    assert same_state(base, original_model(spec_of(toy, forgotten=(2, 3))).state_dict())
    assert not same_state(base, original_model(spec_of(toy, trial=1)).state_dict())
    longer = dataclasses.replace(SMALL_SETTINGS, recipe=dataclasses.replace(RECIPE, epochs=9))
    monkeypatch.setattr(specification, "settings", lambda profile, architecture: longer)
    assert not same_state(base, original_model(spec_of(toy)).state_dict())


def test_methods_share_the_original_model_but_for_one_that_watches_its_training(toy):
    spec = spec_of(toy)
    usual = snapshot(original_model(spec))
    for code in METHODS:
        original, unlearned = original_and_unlearned(spec, code)
        assert same_state(usual, original.state_dict()) == (code != "AU")
        assert not same_state(original.state_dict(), unlearned.state_dict())
        assert not original.training and not unlearned.training


def test_a_method_of_the_readers_own_sees_the_trials_sets(toy):
    spec, seen = spec_of(toy, forgotten=(0, 3)), {}

    def method(original, retain, forget, *, generator):
        seen.update(retain=retain, forget=forget, generator=generator)
        return original

    original, unlearned = original_and_unlearned(spec, "MINE", method)
    assert unlearned is original
    retain, forget = split_classes(spec.part("train"), (0, 3))
    assert set(seen["forget"].labels.tolist()) == {0, 3} and set(seen["retain"].labels.tolist()) == {1, 2}
    assert torch.equal(seen["forget"].images, forget.images) and len(seen["retain"]) == len(retain)
    assert seen["generator"].initial_seed() == make_generator(0, "unlearn", "MINE").initial_seed()


def test_an_unknown_method_is_an_error_that_lists_the_known_ones(toy):
    with pytest.raises(ValueError, match=r"unknown unlearning method 'XX'; known: .*FT"):
        original_and_unlearned(spec_of(toy), "XX")


def test_an_unlearned_model_is_kept_for_the_process(toy):
    spec = spec_of(toy)
    found = unlearned_model(spec, "FT")
    assert unlearned_model(spec, "FT") is found
    assert same_state(found.state_dict(), original_and_unlearned(spec, "FT")[1].state_dict())


def with_seed(spec, monkeypatch, name, value):
    monkeypatch.setattr(TrialSpec, name, property(lambda self: value))
    evidence = [found for _, _, found, _ in gather(spec, original_model(spec), {"random": RandomGuess()})]
    return snapshot(original_model(spec)), snapshot(original_and_unlearned(spec, "FT")[1]), evidence[0].score


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("train_seed", (True, True, False)),
        ("unlearn_seed", (False, True, False)),
        ("attack_seed", (False, False, True)),
    ],
)
def test_the_three_seeds_enter_training_unlearning_and_attacks_independently(toy, monkeypatch, name, changes):
    spec = spec_of(toy)
    before = with_seed(spec, monkeypatch, name, 0)
    after = with_seed(spec, monkeypatch, name, 1)
    found = (
        not same_state(before[0], after[0]),
        not same_state(before[1], after[1]),
        not np.array_equal(before[2], after[2]),
    )
    assert found == changes
