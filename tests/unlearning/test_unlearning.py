"""What each unlearning method must and must not touch, and the bookkeeping of amnesiac unlearning."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import nn
from toys import RECIPE, blobs, linear, rng, same_state, small_trials, trained, watched

from labelleak_lib.attacks.direct_probe import DirectProbe
from labelleak_lib.data.samples import Samples, split_classes
from labelleak_lib.models import classifier
from labelleak_lib.models.classifier import ModelSpec
from labelleak_lib.models.evaluation import accuracy
from labelleak_lib.trials.cells import run_cell
from labelleak_lib.trials.originals import original_and_unlearned, original_model
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.unlearning import RecordsTraining, UnlearningMethod, apply_method
from labelleak_lib.unlearning.amnesiac import Amnesiac
from labelleak_lib.unlearning.finetune import FineTune
from labelleak_lib.unlearning.negative_gradient import NegativeGradient
from labelleak_lib.unlearning.random_label import RandomLabel, draw_wrong_labels
from labelleak_lib.unlearning.retrain import Retrain

SPEC = ModelSpec("small", 4, 1)


FORGOTTEN = (1, 3)


RETAIN, FORGET = split_classes(blobs(), FORGOTTEN)


NOTHING = FORGET.where(FORGET.labels < 0)


QUICK = {"epochs": 2, "batch_size": 16, "lr": 0.05}


class Untouchable:
    """A forget set that fails whoever reads it."""

    def __getattr__(self, name):
        raise AssertionError(f"the forget set's {name} was read")

    def __len__(self):
        raise AssertionError("the forget set's length was read")


def poisoned(samples):
    """Return the samples as images of NaN, which no training survives."""
    return Samples(torch.full(samples.images.shape, torch.nan), samples.labels)


def recorded_original(method=None, retain=RETAIN, forget=FORGET):
    method = Amnesiac(**QUICK) if method is None else method
    return watched(method, classifier.build(SPEC, seed=3), retain, forget, RECIPE, generator=rng(4))


@pytest.mark.parametrize("method", [Retrain(RECIPE), FineTune(**QUICK), Amnesiac(**QUICK)], ids=repr)
@pytest.mark.parametrize("unread", [Untouchable(), poisoned(FORGET)], ids=["untouchable", "poisoned"])
def test_methods_that_retain_only_never_read_the_forget_set(method, unread):
    original = recorded_original() if isinstance(method, Amnesiac) else trained()
    found = method.unlearn(original, RETAIN, unread, generator=rng(0))
    usual = method.unlearn(original, RETAIN, FORGET, generator=rng(0))
    assert same_state(found.state_dict(), usual.state_dict())
    assert all(torch.isfinite(p).all() for p in found.parameters())


@pytest.mark.parametrize("method", [RandomLabel(**QUICK), NegativeGradient()], ids=repr)
def test_the_poison_shows_on_methods_that_do_read_the_forget_set(method):
    with pytest.raises(AssertionError, match="was read"):
        method.unlearn(trained(), RETAIN, Untouchable(), generator=rng(0))


def test_retraining_owes_nothing_to_the_original_weights():
    other = classifier.build(SPEC, seed=99)
    first, second = (Retrain(RECIPE).unlearn(m, RETAIN, FORGET, generator=rng(5)) for m in (trained(), other))
    assert same_state(first.state_dict(), second.state_dict())
    assert accuracy(first, FORGET) == 0, "a class never seen is never predicted"
    assert accuracy(first, RETAIN) > 0.9


def test_fine_tuning_starts_at_the_original_weights():
    slow = FineTune(epochs=1, batch_size=16, lr=1e-7)
    found = slow.unlearn(trained(), RETAIN, FORGET, generator=rng(0))
    for p, q in zip(found.parameters(), trained().parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-5)
    assert not same_state(found.state_dict(), trained().state_dict())


def test_random_labels_train_on_everything_and_never_on_a_forgotten_class(steps):
    RandomLabel(epochs=3, batch_size=16, lr=0.01).unlearn(trained(), RETAIN, FORGET, generator=rng(0))
    labels = torch.cat([target for target, _ in steps])
    assert len(labels) == 3 * (len(RETAIN) + len(FORGET))
    assert set(labels.tolist()) == {0, 2}


@given(retained=st.sets(st.integers(0, 11), min_size=1, max_size=11), n=st.integers(1, 200), seed=st.integers(0, 2**32))
def test_wrong_labels_come_from_the_retained_classes_alone(retained, n, seed):
    drawn = draw_wrong_labels(n, torch.tensor(sorted(retained)), rng(seed))
    assert len(drawn) == n and set(drawn.tolist()) <= retained


def test_wrong_labels_are_uniform():
    counts = torch.bincount(draw_wrong_labels(9000, torch.tensor([0, 2, 3]), rng(1)), minlength=4).numpy()
    assert counts[1] == 0 and chisquare(counts[[0, 2, 3]]).pvalue > 1e-4


def test_forgetting_every_class_leaves_no_wrong_label():
    with pytest.raises(ValueError, match=r"forget is 'all classes'; it must be .*one class retained"):
        RandomLabel().unlearn(trained(), NOTHING, blobs(), generator=rng(0))


def bare_ascent(lr, steps):
    """Climb the loss on the forget set without any bound."""
    model = copy.deepcopy(trained())
    for _ in range(steps):
        model.zero_grad()
        nn.functional.cross_entropy(model(FORGET.images.float() / 255), FORGET.labels).neg().backward()
        with torch.no_grad():
            for p in model.parameters():
                p -= lr * p.grad
    return model


@pytest.mark.parametrize("keep", [0.0, 1.0])
@pytest.mark.parametrize("lr", [0.02, 0.5, 5.0])
def test_ascent_stops_before_the_retained_accuracy_collapses(lr, keep):
    margin, before = 0.05, accuracy(trained(), RETAIN)
    method = NegativeGradient(lr=lr, keep=keep, margin=margin, monitor=10_000, target=0.0, max_steps=40)
    found = method.unlearn(trained(), RETAIN, FORGET, generator=rng(0))
    assert accuracy(found, RETAIN) >= before - margin
    assert all(torch.isfinite(p).all() for p in found.parameters())


def test_the_same_ascent_without_bounds_does_collapse():
    assert accuracy(bare_ascent(0.5, 40), RETAIN) < accuracy(trained(), RETAIN) - 0.2


@pytest.mark.parametrize("lr", [0.05, 5.0])
def test_steps_too_long_for_the_retained_data_are_taken_back_and_tried_shorter(lr):
    method = NegativeGradient(lr=lr, target=0.05, margin=0.1, monitor=10_000)
    found = method.unlearn(trained(), RETAIN, FORGET, generator=rng(0))
    assert accuracy(found, FORGET) <= 0.05
    assert accuracy(found, RETAIN) >= accuracy(trained(), RETAIN) - 0.1


def test_ascent_stops_as_soon_as_the_forget_set_is_unknown():
    long, longer = (
        NegativeGradient(lr=0.05, target=0.05, margin=0.2, monitor=10_000, max_steps=steps).unlearn(
            trained(), RETAIN, FORGET, generator=rng(0)
        )
        for steps in (300, 600)
    )
    assert accuracy(long, FORGET) <= 0.05
    assert same_state(long.state_dict(), longer.state_dict()), "no step is taken beyond the target"


def test_ascent_has_nothing_to_climb_on_an_empty_forget_set():
    with pytest.raises(ValueError, match="forget is 'empty'"):
        NegativeGradient().unlearn(trained(), RETAIN, NOTHING, generator=rng(0))


def test_ascent_does_not_move_running_averages():
    spec, tiny = ModelSpec("resnet18", 4, 1), blobs(per_class=4, side=32)
    original = classifier.build(spec, seed=0)
    retain, forget = split_classes(tiny, FORGOTTEN)
    found = NegativeGradient(max_steps=2, check_every=1, margin=1.0, target=0.0).unlearn(
        original, retain, forget, generator=rng(0)
    )
    for (name, b), a in zip(found.named_buffers(), original.buffers(), strict=True):
        assert torch.equal(a, b), name
    assert not same_state(found.state_dict(), original.state_dict())


@pytest.mark.parametrize("forgotten", [(2,), (0, 3)])
@pytest.mark.parametrize(
    "method",
    [
        Retrain(RECIPE),
        FineTune(epochs=20, batch_size=16, lr=0.2),
        RandomLabel(epochs=10, batch_size=16, lr=0.05),
        Amnesiac(epochs=20, batch_size=16, lr=0.1),
        NegativeGradient(lr=0.05, margin=0.1),
    ],
    ids=lambda m: m.name,
)
def test_every_method_unlearns_easy_data(method, forgotten):
    retain, forget = split_classes(blobs(), forgotten)
    original = trained()
    if isinstance(method, RecordsTraining):
        long = replace(RECIPE, epochs=30)
        original = watched(method, classifier.build(SPEC, seed=0), retain, forget, long, generator=rng(0))
    assert accuracy(original, forget) > 0.9, "the original knows what is to be forgotten"
    found = apply_method(method, original, retain, forget, generator=rng(1))
    retain_test, forget_test = split_classes(blobs(seed=8), forgotten)
    assert accuracy(found, forget_test) <= 0.05
    assert accuracy(found, retain_test) >= accuracy(original, retain_test) - 0.1


def test_a_plain_function_serves_as_a_method_and_its_model_is_put_in_evaluation_mode():
    def erase(original, retain, forget, *, generator):
        model = copy.deepcopy(original).train()
        with torch.no_grad():
            model.head.bias[forget.labels.unique()] = -1e3
        return model

    found = apply_method(erase, trained(), RETAIN, FORGET, generator=rng(0))
    assert not found.training
    assert accuracy(found, FORGET) == 0


class ZeroRowsInPlace:
    """Public code often works like this: it edits the model that it is given and returns it."""

    def unlearn(self, original, retain, forget, *, generator):
        with torch.no_grad():
            original.head.weight[forget.labels.unique()] = 0
            original.head.bias[forget.labels.unique()] = -1e3
        return original.train()


@pytest.mark.parametrize("method", [ZeroRowsInPlace(), ZeroRowsInPlace().unlearn], ids=["method", "function"])
def test_a_method_that_works_in_place_leaves_the_original_as_it_was(method):
    before = {name: value.clone() for name, value in trained().state_dict().items()}
    found = apply_method(method, trained(), RETAIN, FORGET, generator=rng(0))
    assert found is not trained() and not found.training and not trained().training
    assert same_state(before, trained().state_dict())
    assert not {p.data_ptr() for p in found.parameters()} & {p.data_ptr() for p in trained().parameters()}
    assert accuracy(found, FORGET) == 0 and accuracy(trained(), FORGET) > 0.9


@pytest.mark.parametrize("method", [ZeroRowsInPlace(), ZeroRowsInPlace().unlearn], ids=["method", "function"])
def test_the_placebo_of_a_method_that_works_in_place_is_the_original(method, tmp_path):
    with small_trials(tmp_path) as path:
        spec = TrialSpec.from_parameters(dataset=path, forgotten=[1], device="cpu")
        before = original_model(spec)
        for _ in range(2):  # trained, then read from the cache
            original, unlearned = original_and_unlearned(spec, "INPLACE", method)
            assert same_state(original.state_dict(), before.state_dict())
            assert (unlearned.head.bias[1], unlearned.head.weight[1].abs().max()) == (-1e3, 0)
            assert same_state(original_model(spec).state_dict(), before.state_dict())
        cell = run_cell(spec, "INPLACE", method=method, attacks={"direct_probe": DirectProbe()})
        accuracies = cell.rows[cell.rows.control == "none"].iloc[0]
        assert accuracies.forget_acc_before > 0.9 and accuracies.forget_acc_after == 0
        rows = cell.rows[cell.rows.criterion == "above_half"]
        score = dict(zip(rows.control, rows.predicted, strict=True))
        assert score == {"none": "1", "placebo": ""}, "the attack tells M_u from the M_o beside it"


def test_the_interfaces_are_told_apart():
    assert isinstance(FineTune(), UnlearningMethod) and not isinstance(FineTune(), RecordsTraining)
    assert isinstance(Amnesiac(), RecordsTraining)
    assert not isinstance(lambda *_: None, UnlearningMethod)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_a_linear_model_fine_tuned_on_retained_data_pushes_the_forgotten_bias_down(seed):
    # with non-negative inputs and cross-entropy, an absent class's logit only ever loses
    start = linear(seed=3, scale=0.01)
    found = FineTune(epochs=1, batch_size=16, lr=0.01).unlearn(start, RETAIN, FORGET, generator=rng(seed))
    moved = (found.head.bias - start.head.bias).detach().numpy()
    assert np.all(moved[list(FORGOTTEN)] < 0)
