"""Boundary shrink and boundary expanding: labels across the boundary, and a shadow class that goes again."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from toys import blobs, linear, rng, trained

from labelleak_lib.data.samples import Samples, split_classes
from labelleak_lib.models.evaluation import accuracy
from labelleak_lib.unlearning.boundary_expand import BoundaryExpand, pruned, widened
from labelleak_lib.unlearning.boundary_shrink import BoundaryShrink, nearest_labels

FORGOTTEN = (1, 3)


RETAIN, FORGET = split_classes(blobs(), FORGOTTEN)


PLAIN = {"batch_size": 1000, "momentum": 0.0, "weight_decay": 0.0, "clip_norm": 1e9}


def start():
    return linear(seed=3, scale=0.05)


def pixels(samples):
    return samples.images.flatten(1).double().numpy() / 255


@pytest.mark.parametrize("bound", [0.0, 0.1, 1.0])
def test_the_nearest_label_is_the_best_retained_one_after_a_signed_step(bound):
    model, noise = start(), torch.randint(0, 256, (60, 1, 8, 8), generator=rng(9)).to(torch.uint8)
    forget = Samples(noise, torch.tensor(FORGOTTEN).repeat(30))
    w, b = model.head.weight.detach().double().numpy(), model.head.bias.detach().double().numpy()
    x = pixels(forget)
    error = softmax(x @ w.T + b, axis=1) - np.eye(4)[forget.labels]
    found, expected = nearest_labels(model, forget, bound, 7), {}
    for sign in (1, -1):
        logits = np.clip(x + sign * bound * np.sign(error @ w), 0, 1) @ w.T + b
        logits[:, list(FORGOTTEN)] = -np.inf
        expected[sign] = logits.argmax(1).tolist()
    assert found.tolist() == expected[1] and set(found.tolist()) <= {0, 2}
    assert (expected[1] != expected[-1]) == (bound > 0), "the step's direction matters"


def test_boundary_shrink_trains_on_the_labels_across_alone(steps):
    method, original = BoundaryShrink(epochs=3, batch_size=10, lr=0.01), trained()
    steps.clear()
    method.unlearn(original, RETAIN, FORGET, generator=rng())
    across = nearest_labels(trained(), FORGET, method.bound, 10)
    seen = torch.cat([target for target, _ in steps])
    assert seen.sort().values.equal(across.repeat(3).sort().values)


def test_boundary_shrink_moves_the_forget_set_across():
    found = BoundaryShrink(epochs=30, lr=0.02, batch_size=16).unlearn(trained(), RETAIN, FORGET, generator=rng())
    assert accuracy(found, FORGET) == 0
    assert accuracy(found, Samples(FORGET.images, nearest_labels(trained(), FORGET, 0.1, 64))) > 0.9


@pytest.mark.parametrize("images", [blobs(), FORGET.where(FORGET.labels < 0)], ids=["all", "none"])
def test_boundary_shrink_needs_a_sample_to_move_and_a_class_to_move_it_to(images):
    with pytest.raises(ValueError, match=r"^forget is '(all classes|empty)'; it must be "):
        BoundaryShrink().unlearn(trained(), RETAIN, images, generator=rng())


def test_a_widened_head_has_one_output_more_and_pruning_takes_it_away():
    head = trained().head
    wide = widened(head, rng())
    assert wide.weight.shape == (5, head.in_features) and wide.bias.shape == (5,)
    assert torch.equal(wide.weight[:4], head.weight) and torch.equal(wide.bias[:4], head.bias)
    bound = head.in_features**-0.5
    assert wide.weight[4].abs().max() <= bound and wide.weight[4].std() > 0.3 * bound
    narrow = pruned(wide, 4)
    assert torch.equal(narrow.weight, head.weight) and torch.equal(narrow.bias, head.bias)
    assert narrow.weight.data_ptr() != wide.weight.data_ptr() and narrow.out_features == 4


def test_a_step_of_boundary_expanding_leads_to_the_shadow_class():
    found = BoundaryExpand(epochs=1, lr=0.5, **PLAIN).unlearn(start(), RETAIN, FORGET, generator=rng(4))
    wide = widened(start().head, rng(4))
    w, b = wide.weight.detach().double().numpy(), wide.bias.detach().double().numpy()
    x = pixels(FORGET)
    error = softmax(x @ w.T + b, axis=1) - np.eye(5)[np.full(len(x), 4)]
    np.testing.assert_allclose(found.head.weight.detach(), (w - 0.5 * error.T @ x / len(x))[:4], atol=1e-6)
    np.testing.assert_allclose(found.head.bias.detach(), (b - 0.5 * error.mean(0))[:4], atol=1e-6)


def test_boundary_expanding_returns_as_many_outputs_as_it_was_given(steps):
    original = trained()
    steps.clear()
    found = BoundaryExpand(epochs=2, lr=0.05).unlearn(original, RETAIN, FORGET, generator=rng())
    assert set(torch.cat([target for target, _ in steps]).tolist()) == {4}, "the shadow class"
    assert found.head.out_features == found.spec.classes == 4
    assert found(FORGET.images.float() / 255).shape == (len(FORGET), 4)
    assert [name for name, _ in found.named_parameters()] == [name for name, _ in trained().named_parameters()]
