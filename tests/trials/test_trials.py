"""Trials: which classes are forgotten, which seeds enter where, what is cached, what an attacker is granted."""

import dataclasses
import gc
import itertools
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import RECIPE, SMALL_SETTINGS, same_state, small_trials, snapshot

from labelleak_lib.attacks.unread import RandomGuess
from labelleak_lib.data.samples import split_classes
from labelleak_lib.models import classifier
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.evaluation import accuracy
from labelleak_lib.models.training import train
from labelleak_lib.registry import METHODS
from labelleak_lib.trials import originals
from labelleak_lib.trials.grants import gather
from labelleak_lib.trials.identity import content_hash
from labelleak_lib.trials.originals import original_and_unlearned, original_model, unlearned_model, weights_digest
from labelleak_lib.trials.seeds import draw_forgotten, make_generator
from labelleak_lib.trials.specification import TrialSpec, fingerprint


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


def test_the_original_model_is_trained_once_as_its_recipe_says_and_read_back(toy, monkeypatch):
    spec, runs = spec_of(toy, seed=11), []
    monkeypatch.setattr(originals, "train", lambda *a, **k: runs.append(1) or train(*a, **k))
    first, second = original_model(spec), original_model(spec)
    assert len(runs) == 1 and same_state(first.state_dict(), second.state_dict())
    peer = classifier.build(spec.model_spec, seed=11)
    train(peer, spec.part("train"), RECIPE, generator=make_generator(11, "train"))
    assert same_state(first.state_dict(), peer.state_dict())
    assert accuracy(first, spec.part("test")) > 0.9 and not first.training


def test_the_original_model_depends_on_its_own_seed_and_recipe_alone(toy):
    base = snapshot(original_model(spec_of(toy)))
    assert same_state(base, original_model(spec_of(toy, forgotten=(2, 3))).state_dict())
    assert not same_state(base, original_model(spec_of(toy, trial=1)).state_dict())
    longer = dataclasses.replace(SMALL_SETTINGS, recipe=dataclasses.replace(RECIPE, epochs=9))
    assert not same_state(base, original_model(spec_of(toy, given=longer)).state_dict())


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
    assert unlearned is not original and same_state(unlearned.state_dict(), original.state_dict())
    retain, forget = split_classes(spec.part("train"), (0, 3))
    assert set(seen["forget"].labels.tolist()) == {0, 3} and set(seen["retain"].labels.tolist()) == {1, 2}
    assert torch.equal(seen["forget"].images, forget.images) and len(seen["retain"]) == len(retain)
    assert seen["generator"].initial_seed() == make_generator(0, "unlearn", "MINE").initial_seed()


def test_a_method_that_works_in_place_leaves_the_original_as_it_was(toy):
    def in_place(model, retain, forget, *, generator):
        with torch.no_grad():
            model.head.bias[1] = -100
        return model

    original, unlearned = original_and_unlearned(spec_of(toy), "MINE", in_place)
    assert float(original.head.bias[1].detach()) > -1 and float(unlearned.head.bias[1].detach()) == -100
    assert same_state(original.state_dict(), original_model(spec_of(toy)).state_dict())


def test_an_unknown_method_is_an_error_that_lists_the_known_ones(toy):
    with pytest.raises(ValueError, match=r"^unknown unlearning method 'XX'; known: .*FT"):
        original_and_unlearned(spec_of(toy), "XX")


@pytest.fixture
def made(monkeypatch):
    """Count what is trained and unlearned."""
    calls = []
    apply, learn, watch = originals.unlearned_by, originals.train, type(SMALL_SETTINGS.methods["AU"]).watch_training
    monkeypatch.setattr(originals, "unlearned_by", lambda *a, **k: calls.append("unlearned") or apply(*a, **k))
    monkeypatch.setattr(originals, "train", lambda *a, **k: calls.append("trained") or learn(*a, **k))
    watched = lambda *a, **k: calls.append("watched") or watch(*a, **k)  # noqa: E731
    monkeypatch.setattr(type(SMALL_SETTINGS.methods["AU"]), "watch_training", watched)
    return calls


@pytest.mark.parametrize(
    ("code", "first"), [("FT", ["trained", "unlearned"]), ("AU", ["trained", "watched", "unlearned"])]
)
def test_models_of_both_kinds_are_made_once_and_read_back(toy, made, code, first):
    spec = spec_of(toy, seed=12)
    pair = original_and_unlearned(spec, code)
    assert made == first
    again = original_and_unlearned(spec, code)
    assert made == first and again[1] is not pair[1]
    assert all(same_state(a.state_dict(), b.state_dict()) for a, b in zip(pair, again, strict=True))
    assert same_state(unlearned_model(spec, code).state_dict(), pair[1].state_dict())


def test_a_model_that_left_the_cache_is_made_again_the_same(toy, made):
    spec = spec_of(toy, seed=13)
    pair = original_and_unlearned(spec, "AU")
    folder, method = os.environ["LABELLEAK_CACHE"] + "/models", spec.method("AU")
    for lost in ([spec.original_id(method)], [spec.unlearned_id("AU", method)]):
        for identity in lost:
            os.remove(f"{folder}/toy-{identity}.safetensors")
        again = original_and_unlearned(spec, "AU")
        assert all(same_state(a.state_dict(), b.state_dict()) for a, b in zip(pair, again, strict=True))
    assert made == ["trained", "watched", "unlearned", "trained", "watched", "unlearned"]


def test_of_code_that_no_file_holds_no_model_is_read_back(toy):
    spec = spec_of(toy)
    runs = []

    def method(original, retain, forget, *, generator):
        runs.append(1)
        return original

    for _ in range(2):
        original_and_unlearned(spec, "MINE", method)
    assert len(runs) == 2


def classifiers_alive():
    gc.collect()
    return sum(issubclass(type(thing), Classifier) for thing in gc.get_objects())


def test_no_model_is_kept_in_the_process(toy):
    before = classifiers_alive()
    for code in METHODS:
        unlearned_model(spec_of(toy), code)
        original_and_unlearned(spec_of(toy), code)
    assert classifiers_alive() == before


def test_the_models_not_read_for_the_longest_time_leave_a_full_cache(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("LABELLEAK_CACHE", str(tmp_path))
    specs = [spec_of(toy, trial=trial) for trial in range(4)]
    models = [original_model(specs[0])]
    (path,) = tmp_path.glob("models/*.safetensors")
    monkeypatch.setattr(originals, "CACHE_BYTES", int(2.5 * path.stat().st_size))
    for age, spec in enumerate(specs[1:], 1):
        if age == 2:
            os.utime(tmp_path / f"models/toy-{specs[1].original_id()}.safetensors", (1e9, 1e9))
        models.append(original_model(spec))
        if age < 3:
            original_model(specs[0])
    kept = {path.stem.removeprefix("toy-") for path in tmp_path.glob("models/*.safetensors")}
    assert len(kept) == 2 and specs[1].original_id() not in kept and specs[3].original_id() in kept
    assert weights_digest(original_model(specs[1])) == weights_digest(models[1])


def test_equal_models_alone_have_equal_digests(toy):
    models = [original_model(spec_of(toy, trial=trial)) for trial in (0, 0, 1)]
    digests = [weights_digest(model) for model in models]
    assert digests[0] == digests[1] != digests[2]
    with torch.no_grad():
        models[1].head.bias[0] += 1e-6
    assert weights_digest(models[1]) != digests[0]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("train_seed", (True, True, False)),
        ("unlearn_seed", (False, True, False)),
        ("attack_seed", (False, False, True)),
    ],
)
def test_the_three_seeds_enter_training_unlearning_and_attacks_independently(toy, name, changes):
    found = []
    for value in (0, 1):
        spec = spec_of(toy, **{name: value})
        original, unlearned = original_and_unlearned(spec, "FT")
        found.append((weights_digest(original), weights_digest(unlearned), guess(spec, original)))
    assert tuple(not np.array_equal(a, b) for a, b in zip(*found, strict=True)) == changes


def guess(spec, model):
    evidence, seconds = gather(spec, model, "random", RandomGuess())
    assert seconds >= 0
    return evidence.score


def test_seeds_are_those_of_the_trial_unless_they_are_given(toy):
    spec = spec_of(toy, seed=3, trial=4, attack_seed=1)
    assert (spec.train_seed, spec.unlearn_seed, spec.attack_seed) == (7, 7, 1)
    for name in ("train_seed", "unlearn_seed", "attack_seed", "split_seed"):
        with pytest.raises(ValueError, match=f"^{name} is -1; it must be an integer of at least 0$"):
            spec_of(toy, **{name: -1})
    with pytest.raises(ValueError, match=r"^parameter is 'sed'; it must be train_seed, unlearn_seed or attack_seed$"):
        spec_of(toy, sed=1)


def test_the_split_seed_divides_the_data_anew(toy):
    parts = [spec_of(toy, split_seed=seed).part("train") for seed in (0, 0, 1)]
    assert torch.equal(parts[0].images, parts[1].images) and not torch.equal(parts[0].images, parts[2].images)
    assert fingerprint(toy, None, 0) != fingerprint(toy, None, 1)


def test_a_method_that_changes_the_training_it_watches_is_refused(toy, monkeypatch):
    def meddle(self, model, samples, forgotten, recipe, *, generator):
        return model

    monkeypatch.setattr(type(SMALL_SETTINGS.methods["AU"]), "watch_training", meddle)
    with pytest.raises(ValueError, match="watch_training's model is 'another than M_o'"):
        original_and_unlearned(spec_of(toy, seed=14), "AU")
