"""The training loop against one written out by hand, its batches, its record of updates; checkpoints."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score
from torch import nn
from toys import blobs, linear, rng, same_state, snapshot, trained

from labelleak_lib.data.samples import Samples, join, split_classes
from labelleak_lib.models import classifier
from labelleak_lib.models.classifier import ModelSpec
from labelleak_lib.models.evaluation import accuracy
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.models.training import batches, train

PLAIN = Recipe(epochs=2, batch_size=16, lr=0.05, momentum=0.0, weight_decay=0.0, schedule="constant", clip_norm=1e9)


@given(size=st.integers(1, 60), batch_size=st.integers(1, 17), seed=st.integers(0, 2**32))
def test_an_epoch_holds_every_index_once(size, batch_size, seed):
    assert sorted(torch.cat(list(batches(size, batch_size, rng(seed)))).tolist()) == list(range(size))


@given(size=st.integers(1, 60), batch_size=st.integers(2, 17))
def test_no_batch_is_much_larger_than_asked_for_and_none_of_one_sample_is_left_over(size, batch_size):
    sizes = [len(index) for index in batches(size, batch_size, rng())]
    assert max(sizes) <= batch_size + 1
    assert min(sizes) > 1 or size == 1, "batch normalisation cannot train on a single sample"


def test_epochs_are_shuffled_and_a_seed_decides_how():
    first, second, again = (torch.cat(list(batches(64, 4, rng(seed)))) for seed in (0, 1, 0))
    assert not torch.equal(first, second) and torch.equal(first, again)
    assert not torch.equal(first, first.sort().values)


def by_hand(model, samples, recipe, rates, generator):
    """Train by Nesterov momentum written out: v = mu v + g; p = p - lr (g + mu v)."""
    velocity = [torch.zeros_like(p) for p in model.parameters()]
    steps = iter(rates)
    for _ in range(recipe.epochs):
        for index in batches(len(samples), recipe.batch_size, generator):
            loss = nn.functional.cross_entropy(model(samples.images[index].float() / 255), samples.labels[index])
            gradients = torch.autograd.grad(loss, list(model.parameters()))
            norm = math.sqrt(sum(float(g.pow(2).sum()) for g in gradients))
            scale, lr = min(1.0, recipe.clip_norm / norm), next(steps)
            with torch.no_grad():
                for p, g, v in zip(model.parameters(), gradients, velocity, strict=True):
                    g = g * scale + recipe.weight_decay * p
                    v.mul_(recipe.momentum).add_(g)
                    p -= lr * (g + recipe.momentum * v)


@pytest.mark.parametrize(
    "change",
    [{}, {"momentum": 0.9}, {"weight_decay": 0.01}, {"clip_norm": 0.3}, {"momentum": 0.5, "clip_norm": 0.5}],
    ids=str,
)
def test_training_equals_the_update_rule_written_out(change):
    recipe, samples = replace(PLAIN, **change), blobs()
    model, peer = (classifier.build(ModelSpec("small", 4, 1), seed=1) for _ in range(2))
    train(model, samples, recipe, generator=rng(2))
    by_hand(peer, samples, recipe, [recipe.lr] * 100, rng(2))
    for p, q in zip(model.parameters(), peer.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", ["small", "lenet", "resnet18"])
def test_fused_updates_give_the_bits_of_the_plain_optimiser(architecture, monkeypatch):
    class Unfused(torch.optim.SGD):
        def __init__(self, groups, **options):
            fused.extend(group.pop("fused") for group in groups)
            super().__init__(groups, **options, fused=False)

    spec, fused, states = ModelSpec(architecture, 10, 1), [], []
    images = torch.randint(0, 256, (48, *spec.shape), generator=rng(0)).to(torch.uint8)
    for optimiser in (torch.optim.SGD, Unfused):
        monkeypatch.setattr(torch.optim, "SGD", optimiser)
        model = classifier.build(spec, seed=0)
        train(model, Samples(images, torch.arange(48) % 10), Recipe(epochs=3, batch_size=16), generator=rng(0))
        states.append(snapshot(model))
    assert same_state(*states)
    assert fused == [True, False]


def test_one_cycle_rises_to_the_peak_and_anneals_to_nothing():
    recipe, model = replace(PLAIN, schedule="one_cycle", epochs=4), linear()
    rates, step = [], torch.optim.SGD.step

    def watch(self, *args, **kwargs):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.SGD, "step", watch)
        train(model, blobs(), recipe, generator=rng())
    assert len(rates) == 4 * 6
    assert max(rates) == pytest.approx(recipe.lr, rel=0.01)
    peak = rates.index(max(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1]) and rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] < 1e-3 * recipe.lr < rates[0] < recipe.lr


@pytest.mark.parametrize("steps", range(1, 13))
def test_one_cycle_has_a_rate_for_every_number_of_steps(steps):
    few = blobs(per_class=steps)  # four classes, and batches of four
    train(linear(), few, replace(PLAIN, schedule="one_cycle", epochs=1, batch_size=4), generator=rng())


@pytest.mark.parametrize(("min_steps", "expected"), [(0, 12), (12, 12), (13, 18), (40, 42)])
def test_passes_are_added_on_small_data(min_steps, expected, monkeypatch):
    taken, step = [], torch.optim.SGD.step
    monkeypatch.setattr(torch.optim.SGD, "step", lambda self, *a: taken.append(1) or step(self, *a))
    train(linear(), blobs(), replace(PLAIN, min_steps=min_steps), generator=rng())
    assert len(taken) == expected, "whole passes of six batches, two at least"


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_one_cycle_leaves_the_momentum_as_the_recipe_has_it(momentum, monkeypatch):
    seen, step = set(), torch.optim.SGD.step
    monkeypatch.setattr(
        torch.optim.SGD, "step", lambda self, *a: seen.add(self.param_groups[0]["momentum"]) or step(self, *a)
    )
    train(linear(), blobs(), replace(PLAIN, schedule="one_cycle", momentum=momentum), generator=rng())
    assert seen == {momentum}


def test_training_fits_easy_data_and_ends_in_evaluation_mode():
    model = trained()
    assert accuracy(model, blobs(seed=9)) > 0.95
    assert not model.training


def test_a_seed_decides_a_training_run():
    def run(seed):
        model = classifier.build(ModelSpec("small", 4, 1), seed=0)
        train(model, blobs(), replace(PLAIN, epochs=1), generator=rng(seed))
        return snapshot(model)

    assert same_state(run(1), run(1))
    assert not same_state(run(1), run(2))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_recorded_updates_of_both_groups_add_up_to_the_whole_way(momentum):
    samples, ends, sums = blobs(), [], []
    chosen, start = samples.labels >= 3, snapshot(linear())
    for recorded in (chosen, ~chosen):
        model = linear()
        recipe = replace(PLAIN, momentum=momentum, weight_decay=0.0)
        sums.append(train(model, samples, recipe, generator=rng(4), recorded=recorded))
        ends.append(snapshot(model))
    assert same_state(*ends), "recording changes nothing"
    for name, value in ends[0].items():
        torch.testing.assert_close(sums[0][name] + sums[1][name], value - start[name], rtol=1e-4, atol=1e-6)
        assert sums[0][name].abs().sum() > 0 and sums[1][name].abs().sum() > 0


def test_nothing_is_recorded_unless_asked_for():
    assert train(linear(), blobs(), PLAIN, generator=rng()) == {}


def test_training_on_nothing_is_refused():
    nothing = Samples(torch.zeros(0, 1, 8, 8, dtype=torch.uint8), torch.zeros(0, dtype=torch.long))
    with pytest.raises(ValueError, match="samples is 'empty'"):
        train(linear(), nothing, PLAIN, generator=rng())


def test_a_diverged_training_is_an_error():
    model = linear()
    with pytest.raises(ValueError, match="must be finite; lower the learning rate"):
        train(model, blobs(), replace(PLAIN, lr=1e38), generator=rng())


@given(labels=st.lists(st.integers(0, 5), min_size=1, max_size=40), forgotten=st.sets(st.integers(0, 5), min_size=1))
def test_classes_are_split_without_loss_and_joined_in_order(labels, forgotten):
    labels = torch.tensor(labels)
    samples = Samples(torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1, 1), labels)
    retain, forget = split_classes(samples, tuple(sorted(forgotten)))
    assert set(forget.labels.tolist()) <= forgotten and not set(retain.labels.tolist()) & forgotten
    joined = join(retain, forget)
    order = joined.images.flatten().long()
    assert order.tolist() == retain.images.flatten().tolist() + forget.images.flatten().tolist()
    assert sorted(order.tolist()) == list(range(len(labels)))
    assert torch.equal(joined.labels, labels[order]), "images and labels stay together"


def test_accuracy_agrees_with_scikit_learn_and_is_undefined_for_no_samples():
    model, samples = linear(seed=3), blobs()
    predicted = classifier.predict_proba(model, samples.images).argmax(1)
    assert accuracy(model, samples) == pytest.approx(accuracy_score(samples.labels, predicted))
    assert math.isnan(accuracy(model, samples.where(samples.labels > 9)))
