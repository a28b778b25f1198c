"""Amnesiac unlearning: the bookkeeping of updates."""

import copy
from dataclasses import replace

import pytest
import torch
from toys import RECIPE, blobs, linear, rng, same_state, trained, watched

from labelleak_lib.data.samples import join, split_classes
from labelleak_lib.models import classifier
from labelleak_lib.models.classifier import ModelSpec
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.models.training import train
from labelleak_lib.unlearning.amnesiac import Amnesiac, shorten_to, subtract_updates

SPEC = ModelSpec("small", 4, 1)


FORGOTTEN = (1, 3)


RETAIN, FORGET = split_classes(blobs(), FORGOTTEN)


NOTHING = FORGET.where(FORGET.labels < 0)


QUICK = {"epochs": 2, "batch_size": 16, "lr": 0.05}


def recorded_original(method=None, retain=RETAIN, forget=FORGET, recipe=RECIPE):
    method = Amnesiac(**QUICK) if method is None else method
    return watched(method, classifier.build(SPEC, seed=3), retain, forget, recipe, generator=rng(4))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_subtracting_every_update_of_a_training_on_the_forget_set_alone_returns_the_first_weights(momentum):
    recipe = replace(RECIPE, momentum=momentum, weight_decay=0.0)
    model = recorded_original(Amnesiac(), NOTHING, FORGET, recipe)
    start, moved = classifier.build(SPEC, seed=3), copy.deepcopy(model)
    subtract_updates(moved, model.updates)
    for (name, p), q, end in zip(moved.named_parameters(), start.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-5)
        assert (end - q).abs().max() > 1e-3, f"{name} did move in training"


@pytest.mark.parametrize("architecture", ["small", "resnet18"])
def test_watching_leaves_the_training_as_it_is(architecture):
    spec, images = ModelSpec(architecture, 4, 1), blobs(per_class=6, side=32 if architecture == "resnet18" else 8)
    plain, recipe = classifier.build(spec, seed=3), Recipe(epochs=2, batch_size=8, lr=0.01)
    train(plain, images, recipe, generator=rng(4))
    forgotten = torch.isin(images.labels, torch.tensor(FORGOTTEN))
    seen = Amnesiac().watch_training(classifier.build(spec, seed=3), images, forgotten, recipe, generator=rng(4))
    assert same_state(seen.state_dict(), plain.state_dict())


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_forget_sets_share_is_what_the_same_steps_without_its_gradients_lack(momentum):
    """Steps along given gradients are linear: their sum without the forget samples is the whole less that part."""
    recipe = Recipe(epochs=3, batch_size=16, lr=0.05, momentum=momentum, weight_decay=0.0, clip_norm=1e9)
    samples = join(RETAIN, FORGET)
    forgotten = torch.isin(samples.labels, torch.tensor(FORGOTTEN))
    both = [train(linear(), samples, recipe, generator=rng(4), recorded=part) for part in (forgotten, ~forgotten)]
    end = linear()
    train(end, samples, recipe, generator=rng(4))
    for (name, p), q in zip(end.named_parameters(), linear().parameters(), strict=True):
        torch.testing.assert_close(both[0][name] + both[1][name], p - q, rtol=1e-4, atol=1e-6)
        assert both[0][name].norm() > 0.1 * (p - q).norm()


def test_no_parameter_is_longer_after_the_subtraction_than_before():
    original = recorded_original()
    moved = copy.deepcopy(original)
    subtract_updates(moved, {name: 40 * update for name, update in original.updates.items()})
    directions = [p.detach() / p.norm() for p in moved.parameters()]
    shorten_to(moved, original)
    for p, direction, before in zip(moved.parameters(), directions, original.parameters(), strict=True):
        torch.testing.assert_close(p.norm(), before.norm())
        torch.testing.assert_close(p / p.norm(), direction)
    halved = copy.deepcopy(original)
    with torch.no_grad():
        for p in halved.parameters():
            p.mul_(0.5)
    before = [p.clone() for p in halved.parameters()]
    shorten_to(halved, original)
    assert all(torch.equal(p, q) for p, q in zip(halved.parameters(), before, strict=True)), "none is made longer"
    short = copy.deepcopy(moved)
    shorten_to(short, original)
    assert all(torch.allclose(p, q) for p, q in zip(short.parameters(), moved.parameters(), strict=True))


def test_the_repair_starts_at_the_original_less_its_updates():
    original = recorded_original()
    expected = copy.deepcopy(original)
    subtract_updates(expected, original.updates)
    shorten_to(expected, original)
    still = Amnesiac(epochs=1, batch_size=16, lr=1e-7)
    found = still.unlearn(original, RETAIN, FORGET, generator=rng(0))
    for p, q in zip(found.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-5)
    assert not hasattr(found, "updates"), "the unlearned model does not carry what it forgot"


def test_updates_are_no_part_of_the_checkpoint_and_fit_the_parameters():
    model = recorded_original()
    assert model.state_dict().keys() == trained().state_dict().keys()
    assert {n: u.shape for n, u in model.updates.items()} == {n: p.shape for n, p in model.named_parameters()}


def test_amnesiac_unlearning_refuses_a_model_whose_training_it_did_not_watch():
    with pytest.raises(ValueError, match=r"original is a 'Classifier'; it must be .*watch_training"):
        Amnesiac().unlearn(trained(), RETAIN, FORGET, generator=rng(0))


@pytest.mark.parametrize("clip_norm", [0.5, 1e9])
def test_with_batch_norm_the_recorded_shares_of_all_samples_add_up_to_an_ordinary_training(clip_norm):
    spec, images = ModelSpec("resnet18", 4, 1), blobs(per_class=6, side=32)
    recipe = Recipe(epochs=2, batch_size=8, lr=0.01, weight_decay=0.0, clip_norm=clip_norm)
    chosen, start = images.labels >= 2, classifier.build(spec, seed=0)
    sums, ends = [], []
    for recorded in (chosen, ~chosen, None):
        model = copy.deepcopy(start)
        sums.append(train(model, images, recipe, generator=rng(4), recorded=recorded))
        ends.append(model)
    assert sums.pop() == {}
    for (name, end), first, *others in zip(
        ends[0].named_parameters(), start.parameters(), ends[1].parameters(), ends[2].parameters(), strict=True
    ):
        assert all(torch.equal(end, other) for other in others), "recording changes nothing"
        torch.testing.assert_close(sums[0][name] + sums[1][name], end - first, rtol=1e-3, atol=2e-6)


def test_batch_norm_stays_usable_after_subtraction():
    spec = ModelSpec("resnet18", 4, 1)
    tiny = blobs(per_class=4, side=32)
    retain, forget = split_classes(tiny, FORGOTTEN)
    method, recipe = Amnesiac(epochs=1, batch_size=8, lr=0.01), Recipe(epochs=1, batch_size=8, lr=0.01)
    original = watched(method, classifier.build(spec, seed=0), retain, forget, recipe, generator=rng(0))
    found = method.unlearn(original, retain, forget, generator=rng(1))
    assert all((b >= 0).all() for n, b in found.named_buffers() if n.endswith("running_var"))
    assert torch.isfinite(classifier.predict_proba(found, tiny.images)).all()
