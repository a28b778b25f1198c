"""Amnesiac unlearning: the bookkeeping of updates."""

import copy
from dataclasses import replace

import pytest
import torch
from toys import RECIPE, blobs, rng, trained

from labelleak_lib.data.samples import split_classes
from labelleak_lib.models import classifier
from labelleak_lib.models.classifier import ModelSpec
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.models.training import train
from labelleak_lib.unlearning.amnesiac import Amnesiac, subtract_updates

SPEC = ModelSpec("small", 4, 1)


CPU = torch.device("cpu")


FORGOTTEN = (1, 3)


RETAIN, FORGET = split_classes(blobs(), FORGOTTEN)


NOTHING = FORGET.where(FORGET.labels < 0)


QUICK = {"epochs": 2, "batch_size": 16, "lr": 0.05}


def recorded_original(method=None, retain=RETAIN, forget=FORGET, spec=SPEC):
    method = Amnesiac(**QUICK) if method is None else method
    return method.train_original(spec, retain, forget, RECIPE, seed=3, generator=rng(4), device=CPU)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_subtracting_every_update_of_a_training_on_the_forget_set_alone_returns_the_first_weights(momentum):
    method, recipe = Amnesiac(), replace(RECIPE, momentum=momentum)
    model = method.train_original(SPEC, NOTHING, FORGET, recipe, seed=3, generator=rng(4), device=CPU)
    start, moved = classifier.build(SPEC, seed=3), copy.deepcopy(model)
    subtract_updates(moved, model.updates)
    for (name, p), q, end in zip(moved.named_parameters(), start.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-5)
        assert (end - q).abs().max() > 1e-3, f"{name} did move in training"


def test_only_the_steps_on_forget_batches_are_recorded_and_no_batch_is_mixed(steps):
    model = recorded_original()
    forgotten = [bool(set(target.tolist()) & set(FORGOTTEN)) for target, _ in steps]
    for (target, _), forget in zip(steps, forgotten, strict=True):
        assert set(target.tolist()) <= (set(FORGOTTEN) if forget else {0, 2})
    assert any(forgotten) and not all(forgotten)
    moves = [moved for (_, moved), forget in zip(steps, forgotten, strict=True) if forget]
    for i, (name, _) in enumerate(model.named_parameters()):
        torch.testing.assert_close(model.updates[name], sum(m[i] for m in moves), rtol=1e-4, atol=1e-6)


def test_the_repair_starts_at_the_original_less_its_updates():
    original = recorded_original()
    expected = copy.deepcopy(original)
    subtract_updates(expected, original.updates)
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
    with pytest.raises(ValueError, match=r"original is a 'Classifier'; it must be .*train_original"):
        Amnesiac().unlearn(trained(), RETAIN, FORGET, generator=rng(0))


@pytest.mark.parametrize("clip_norm", [0.5, 1e9])
def test_with_batch_norm_the_recorded_shares_of_all_samples_add_up_to_an_ordinary_training(clip_norm):
    spec, images = ModelSpec("resnet18", 4, 1), blobs(per_class=6, side=32)
    recipe = Recipe(epochs=2, batch_size=8, lr=0.01, weight_decay=0.0, clip_norm=clip_norm)
    groups, start, sums, ends = (images.labels >= 2).long(), classifier.build(spec, seed=0), [], []
    for group in (None, 0, 1):
        model = copy.deepcopy(start)
        recorded = train(
            model, images, recipe, generator=rng(4), groups=groups * (group is not None), record_group=group
        )
        sums += [recorded] * (group is not None)
        ends.append(model)
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
    original = method.train_original(spec, retain, forget, recipe, seed=0, generator=rng(0), device=CPU)
    found = method.unlearn(original, retain, forget, generator=rng(1))
    assert all((b >= 0).all() for n, b in found.named_buffers() if n.endswith("running_var"))
    assert torch.isfinite(classifier.predict_proba(found, tiny.images)).all()
