"""Influence, Fisher forgetting and class-subspace projection, beside closed forms."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from torch import nn
from toys import blobs, linear, rng, same_state, trained

from labelleak_lib.data.samples import Samples, split_classes
from labelleak_lib.models.classifier import extract_features
from labelleak_lib.unlearning import fisher_forgetting
from labelleak_lib.unlearning.fisher_forgetting import FisherForgetting, fisher_information
from labelleak_lib.unlearning.influence import Influence, newton_step
from labelleak_lib.unlearning.subspace import (
    ClassSubspaceProjection,
    layer_inputs,
    layers_of,
    projected,
    weighed_directions,
)

FORGOTTEN = (1, 3)


RETAIN, FORGET = split_classes(blobs(), FORGOTTEN)


PENALTY = 0.01


def with_ones(samples, model):
    phi = extract_features(model, samples.images).double()
    return torch.cat([phi, torch.ones_like(phi[:, :1])], dim=1)


def whole(model):
    return torch.cat([model.head.weight, model.head.bias[:, None]], dim=1).detach().double()


def test_after_the_newton_step_the_quadratic_model_of_the_loss_has_no_slope():
    model = trained()
    phi, weights = with_ones(RETAIN, model), whole(model)

    def objective(flat):
        w = flat.view_as(weights)
        return nn.functional.cross_entropy(phi @ w.T, RETAIN.labels) + PENALTY / 2 * w.square().sum()

    flat = weights.flatten().requires_grad_(True)
    (slope,) = torch.autograd.grad(objective(flat), flat)
    hessian = torch.autograd.functional.hessian(objective, weights.flatten())
    step = newton_step(weights, phi, RETAIN.labels, PENALTY, 2000).flatten()
    torch.testing.assert_close(hessian @ step, slope, rtol=0, atol=1e-6 * slope.norm().item())
    found = Influence(penalty=PENALTY).unlearn(model, RETAIN, FORGET, generator=rng())
    torch.testing.assert_close(whole(found).flatten(), weights.flatten() - step, rtol=1e-5, atol=1e-6)
    assert same_state(found.features.state_dict(), model.features.state_dict())


def refitted(samples):
    """Return softmax regression on pixels at its optimum, bias penalised as the rest."""
    x = with_ones(samples, linear()).numpy()
    fit = LogisticRegression(
        C=1 / (PENALTY * len(x)), fit_intercept=False, solver="newton-cg", tol=1e-12, max_iter=1000
    )
    return torch.from_numpy(fit.fit(x, samples.labels.numpy()).coef_)


def test_the_step_is_what_a_refit_without_the_samples_gives_to_first_order():
    """The fewer samples are removed, the smaller is the error beside the way."""
    everything, order = blobs(per_class=40), torch.randperm(160, generator=rng(2))
    model, best = linear(), refitted(everything)
    with torch.no_grad():
        model.head.weight.copy_(best[:, :-1])
        model.head.bias.copy_(best[:, -1])
    errors, ways = [], []
    for count in (64, 4):
        gone = torch.isin(torch.arange(160), order[:count])
        retain, forget = everything.where(~gone), everything.where(gone)
        found = Influence(penalty=PENALTY).unlearn(model, retain, forget, generator=rng())
        again = refitted(retain)
        errors.append((whole(found) - again).norm().item())
        ways.append((best - again).norm().item())
    assert errors[0] < 0.02 * ways[0] and errors[1] < 0.01 * ways[1]
    assert errors[1] / errors[0] < 0.5 * ways[1] / ways[0]


def test_a_larger_scale_goes_further_along_the_same_way():
    one, two = (
        whole(Influence(scale=s).unlearn(trained(), RETAIN, FORGET, generator=rng())) - whole(trained()) for s in (1, 2)
    )
    torch.testing.assert_close(two, 2 * one, rtol=1e-4, atol=1e-6)


def test_the_fisher_information_of_a_linear_model_is_p_times_one_minus_p_times_the_squared_pixels():
    model = linear(seed=3, scale=0.05)
    x = RETAIN.images.flatten(1).double().numpy() / 255
    p = softmax(x @ model.head.weight.detach().numpy().T + model.head.bias.detach().numpy(), axis=1)
    weight, bias = fisher_information(model, RETAIN)
    np.testing.assert_allclose(weight, (p * (1 - p)).T @ x**2 / len(x), rtol=1e-4)
    np.testing.assert_allclose(bias, (p * (1 - p)).mean(0), rtol=1e-4)


def test_without_noise_fisher_forgetting_changes_the_forgotten_rows_alone():
    found = FisherForgetting(alpha=0.0, samples=4).unlearn(trained(), RETAIN, FORGET, generator=rng())
    before, after = trained().state_dict(), found.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"head.weight", "head.bias"}
    assert torch.equal(after["head.weight"][[0, 2]], before["head.weight"][[0, 2]])
    rows = after["head.weight"][list(FORGOTTEN)]
    assert rows.std().item() == pytest.approx(1e-3**0.5, rel=0.2) and abs(rows.mean().item()) < 0.02


def test_the_noise_has_the_variance_of_the_formula(monkeypatch):
    model = linear(seed=3)
    information = [torch.rand(p.shape, generator=rng(1)) * 0.1 for p in model.parameters()]
    monkeypatch.setattr(fisher_forgetting, "fisher_information", lambda *_: information)
    drawn = [
        FisherForgetting(alpha=0.01, samples=1).unlearn(model, RETAIN, FORGET, generator=rng(seed)).head
        for seed in range(400)
    ]
    spread = torch.stack([h.weight.detach() for h in drawn]).var(0)[[0, 2]].mean(1)
    expected = 10 * 0.01 * (1 / (information[0] + 1e-8)).clamp(max=100).mean(1)[[0, 2]]
    torch.testing.assert_close(spread, expected, rtol=0.05, atol=0)
    spread = torch.stack([h.bias.detach() for h in drawn]).var(0)[[0, 2]]
    torch.testing.assert_close(spread, 10 * 0.01 * (1 / information[1]).clamp(max=100)[[0, 2]], rtol=0.3, atol=0)


def test_what_a_layer_is_multiplied_with_gives_its_outputs():
    model, images = trained(channels=3), torch.rand((5, 3, 8, 8), generator=rng())
    rows = layer_inputs(model, images, 10**6, rng())
    outputs = {}
    for name, layer in layers_of(model).items():
        layer.register_forward_hook(lambda _, __, out, name=name: outputs.update({name: out.detach()}))
    try:
        model(images)
    finally:
        for layer in layers_of(model).values():
            layer._forward_hooks.clear()
    assert set(rows) == set(outputs) == {"features.1", "features.3", "features.7", "head"}
    for name, layer in layers_of(model).items():
        expected = outputs[name] if outputs[name].ndim == 2 else outputs[name].permute(0, 2, 3, 1).flatten(0, 2)
        found = rows[name] @ layer.weight.detach().double().flatten(1).T + layer.bias.detach()
        torch.testing.assert_close(found.float(), expected, rtol=1e-4, atol=1e-4)
    assert all(not layer._forward_pre_hooks for layer in layers_of(model).values()), "nothing is left hanging"
    few = layer_inputs(model, images, 7, rng())
    assert [len(few[name]) for name in ("features.1", "features.7")] == [7, 5], "at most so many, drawn"


@pytest.mark.parametrize("count", [20, 4])
@pytest.mark.parametrize("alpha", [0.5, 1.0, 30.0])
def test_a_projection_weighs_principal_directions_by_their_share(alpha, count):
    rows = np.random.default_rng(0).standard_normal((count, 6)) * np.arange(1, 7)
    _, values, directions = np.linalg.svd(rows, full_matrices=False)
    share = values**2 / (values**2).sum()
    expected = directions.T @ np.diag(alpha * share / ((alpha - 1) * share + 1)) @ directions
    found = projected(torch.eye(6, dtype=torch.float64), *weighed_directions(torch.from_numpy(rows), alpha))
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_directions_of_the_forgotten_class_alone_are_gone_and_those_of_the_others_stay():
    """Retained images light the upper half, forgotten ones the lower."""
    draw, half = rng(8), torch.zeros((40, 1, 8, 8), dtype=torch.uint8)
    upper, lower = half.clone(), half.clone()
    upper[:, :, :4] = torch.randint(0, 256, (40, 1, 4, 8), generator=draw).to(torch.uint8)
    lower[:, :, 4:] = torch.randint(0, 256, (40, 1, 4, 8), generator=draw).to(torch.uint8)
    retain, forget = Samples(upper, torch.arange(40) % 3), Samples(lower, torch.full((40,), 3))
    model = linear(seed=3)
    found = ClassSubspaceProjection(alpha_r=1e9, alpha_f=1e9).unlearn(model, retain, forget, generator=rng())
    with torch.no_grad():
        on_forget, on_retain = (found(s.images.float() / 255) - found.head.bias for s in (forget, retain))
        before = model(upper.float() / 255) - model.head.bias
    assert on_forget.abs().max() < 1e-3 * before.abs().max(), "no component of D_f's inputs is left"
    torch.testing.assert_close(on_retain, before, rtol=1e-4, atol=1e-3)


def test_directions_that_both_share_stay():
    model = linear(seed=3)
    found = ClassSubspaceProjection(alpha_r=1e9, alpha_f=1e9).unlearn(model, FORGET, FORGET, generator=rng())
    x = FORGET.images.float() / 255
    torch.testing.assert_close(found(x), model(x), rtol=1e-3, atol=1e-3)


def test_convolutions_in_groups_are_refused():
    model = trained()
    model.features[1].groups = 2
    try:
        with pytest.raises(ValueError, match=r"^layers is 'features.1'; it must be convolutions of one group"):
            layers_of(model)
    finally:
        model.features[1].groups = 1
