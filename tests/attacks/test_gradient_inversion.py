"""White-box inversion against closed forms, finite differences and a plain loop over its starts."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from torch import nn
from toys import linear, rng, same_state, snapshot, trained

from labelleak_lib.attacks.gradient_inversion import GradientInversion, total_variation
from labelleak_lib.models import classifier
from labelleak_lib.models.access import WhiteBox
from labelleak_lib.models.classifier import Classifier, ModelSpec


def test_total_variation_of_a_case_by_hand():
    image = torch.tensor([[1.0, 4.0, 2.0], [0.0, 0.0, 7.0]])
    vertical, horizontal = 1 + 4 + 5, (3 + 2) + (0 + 7)
    assert total_variation(image[None, None]).tolist() == [vertical + horizontal]
    two = torch.stack([image, 2 * image])  # as two channels of one image, then as two images
    assert total_variation(two[None]).tolist() == [3 * (vertical + horizontal)]
    assert total_variation(two[:, None]).tolist() == [vertical + horizontal, 2 * (vertical + horizontal)]


@given(shape=st.tuples(*(st.integers(1, 3), st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))))
def test_total_variation_agrees_with_numpy(shape):
    x = torch.randn(shape, generator=rng(sum(shape)))
    expected = sum(np.abs(np.diff(x.numpy(), axis=axis)).sum((1, 2, 3)) for axis in (2, 3))
    np.testing.assert_allclose(total_variation(x).numpy(), expected, rtol=1e-4, atol=1e-5)
    assert total_variation(torch.full(shape, 0.3)).abs().max() == 0


def gradient_of_total_variation(x):
    """Return the sum over the neighbours of sign(x - neighbour), for images (n, channels, height, width)."""
    out = np.zeros_like(x)
    for axis in (2, 3):
        sign = np.sign(np.diff(x, axis=axis))
        low, high = [slice(None)] * 4, [slice(None)] * 4
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        out[tuple(high)] += sign
        out[tuple(low)] -= sign
    return out


@pytest.mark.parametrize(("l2", "tv"), [(0.0, 0.0), (0.05, 0.0), (0.0, 0.03), (0.05, 0.03)])
def test_one_plain_step_on_a_linear_model_follows_the_closed_form(l2, tv):
    model, lr = linear(classes=5, scale=0.1), 0.3
    attack = GradientInversion(steps=1, starts=1, lr=lr, l2=l2, tv=tv, optimizer="sgd")
    found = attack.evidence(WhiteBox(model), generator=rng(7)).inverted.numpy()
    start = torch.randn((5, 1, 8, 8), generator=rng(7)).double().numpy()
    weight, bias = (p.detach().double().numpy() for p in (model.head.weight, model.head.bias))
    p = softmax(start.reshape(5, -1) @ weight.T + bias, axis=1)
    gradient = ((p - np.eye(5)) @ weight).reshape(start.shape)
    gradient += 2 * l2 * start + tv * gradient_of_total_variation(start)
    np.testing.assert_allclose(found, start - lr * gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_step_descends_along_the_finite_differences_of_the_objective(channels):
    model = classifier.build(ModelSpec("small", 3, channels), seed=1).double()
    l2, tv, lr = 0.02, 0.01, 1e-2
    attack = GradientInversion(steps=1, starts=1, lr=lr, l2=l2, tv=tv, optimizer="sgd")
    x = torch.randn((3, channels, 8, 8), generator=rng(7))
    found = attack.evidence(WhiteBox(model.float()), generator=rng(7)).inverted
    moved = ((x - found) / lr).double()
    model, x = model.double(), x.double()

    @torch.no_grad()
    def objective(x):
        loss = nn.functional.cross_entropy(model(x), torch.arange(3), reduction="none")
        edges = sum(torch.diff(x, dim=dim).abs().sum((1, 2, 3)) for dim in (2, 3))
        return loss + l2 * x.square().sum((1, 2, 3)) + tv * edges

    for seed in range(6):
        direction = torch.randn(x.shape, generator=rng(seed)).double()
        slope = (objective(x + 1e-6 * direction) - objective(x - 1e-6 * direction)) / 2e-6
        torch.testing.assert_close((moved * direction).sum((1, 2, 3)), slope, rtol=1e-2, atol=2e-3)


def one_by_one(model, classes, starts, steps, lr, l2, tv, optimizer, seed):
    """Run every start of every class by itself; return inputs and objectives of each (C, R)."""
    drawn = torch.randn((classes, starts, *model.spec.shape), generator=rng(seed))
    finals = torch.empty((classes, starts))
    for c in range(classes):
        for r in range(starts):
            x = drawn[c, r].clone()[None].requires_grad_(True)
            step = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer]([x], lr=lr)
            for i in range(steps + 1):
                loss = nn.functional.cross_entropy(model(x), torch.tensor([c]))
                edges = sum(torch.diff(x, dim=dim).abs().sum() for dim in (2, 3))
                loss = loss + l2 * x.square().sum() + tv * edges
                if i == steps:
                    break
                (x.grad,) = torch.autograd.grad(loss, x)
                step.step()
            drawn[c, r], finals[c, r] = x.detach()[0], loss.detach()
    return drawn, finals


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_start_kept_is_the_one_with_the_lowest_objective(optimizer):
    run = {"steps": 8, "lr": 0.1, "l2": 0.01, "tv": 0.01, "optimizer": optimizer}
    model = trained()
    found = GradientInversion(starts=4, **run).evidence(WhiteBox(model), generator=rng(2))
    inputs, objectives = one_by_one(model, 4, 4, seed=2, **run)
    best = objectives.argmin(1)
    assert len(set(best.tolist())) > 1, "the case is not one where any rule would do"
    for c in range(4):
        torch.testing.assert_close(found.inverted[c], inputs[c, best[c]], rtol=1e-3, atol=1e-3)


def test_the_evidence_is_what_the_model_says_of_the_inverted_inputs():
    model = trained()
    found = GradientInversion(steps=6, starts=2).evidence(WhiteBox(model), generator=rng())
    with torch.no_grad():
        logits = model(found.inverted).double().numpy()
    np.testing.assert_allclose(found.ipv, softmax(logits, axis=1), atol=1e-6)
    np.testing.assert_allclose(found.ipv.sum(1), 1, atol=1e-12)
    np.testing.assert_array_equal(found.score, -found.ipv.max(1))
    assert found.inverted.shape == (4, 1, 8, 8) and found.history.shape == (6, 4)
    assert found.queries == 0 and found.flags == ()


def test_history_holds_the_best_probability_of_each_aimed_at_class():
    model = linear(classes=4, scale=0.1)
    found = GradientInversion(steps=3, starts=2, lr=1e-9).evidence(WhiteBox(model), generator=rng(1))
    with torch.no_grad():
        start = torch.randn((8, 1, 8, 8), generator=rng(1))
        p = torch.softmax(model(start), 1).view(4, 2, 4)
    expected = [float(p[c, :, c].max()) for c in range(4)]
    np.testing.assert_allclose(found.history, [expected] * 3, rtol=1e-4)


def test_inversion_reaches_every_class_of_a_trained_model():
    found = GradientInversion(steps=60, starts=2).evidence(WhiteBox(trained()), generator=rng())
    assert found.ipv.argmax(1).tolist() == [0, 1, 2, 3]
    assert found.ipv.diagonal().min() > 0.9
    assert (found.history[-1] > found.history[0]).all()


def test_a_dead_model_is_flagged_as_giving_no_gradient():
    model = linear(classes=3)
    with torch.no_grad():
        model.head.weight.zero_()
    found = GradientInversion(steps=2, starts=2, l2=0.0, tv=0.0).evidence(WhiteBox(model), generator=rng())
    assert found.flags == ("zero gradient",)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_read_in_evaluation_mode_and_stays_as_it_was(training):
    spec = ModelSpec("resnet18", 3, 1)
    model = classifier.build(spec, seed=0).train(training)
    before, attack = snapshot(model), GradientInversion(steps=1, starts=2)
    attack.evidence(WhiteBox(model), generator=rng())
    assert same_state(before, model.state_dict())
    assert model.training is training
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_a_frozen_model_can_be_inverted():
    model = Classifier(trained().spec, trained().features, trained().head)
    usual = GradientInversion(steps=2, starts=1).evidence(WhiteBox(model), generator=rng())
    try:
        model.requires_grad_(False)
        frozen = GradientInversion(steps=2, starts=1).evidence(WhiteBox(model), generator=rng())
    finally:
        model.requires_grad_(True)
    assert torch.equal(usual.inverted, frozen.inverted)
