"""Methods that ask which weights matter: SSD, SalUn and SFR-on, beside independent computations."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from toys import blobs, linear, rng, trained

from labelleak_lib.data.samples import join, split_classes
from labelleak_lib.unlearning.importance import importance
from labelleak_lib.unlearning.salun import SaliencyUnlearning, salient
from labelleak_lib.unlearning.sfron import SfrOn, adaptive
from labelleak_lib.unlearning.ssd import SelectiveSynapticDampening

FORGOTTEN = (1, 3)


RETAIN, FORGET = split_classes(blobs(), FORGOTTEN)


def pixels(samples):
    flat = samples.images.flatten(1).double().numpy() / 255
    return np.hstack([flat, np.ones((len(flat), 1))])


def whole(model):
    return np.hstack([model.head.weight.detach().double().numpy(), model.head.bias.detach().double().numpy()[:, None]])


def squared(model, samples):
    """Return the mean over samples of the squared gradient of a linear model's cross-entropy."""
    x, w = pixels(samples), whole(model)
    error = softmax(x @ w.T, axis=1) - np.eye(4)[samples.labels]
    return np.einsum("nc,nd->cd", error**2, x**2) / len(x)


def start():
    return linear(seed=3, scale=0.05)


def test_importance_of_single_samples_is_the_fisher_informations_diagonal():
    weight, bias = importance(start(), FORGET, 1, generator=rng())
    found = np.hstack([weight.numpy(), bias.numpy()[:, None]])
    np.testing.assert_allclose(found, squared(start(), FORGET), rtol=1e-4, atol=1e-8)


def test_importance_of_one_batch_is_the_squared_gradient_of_its_mean_loss():
    model = trained()
    loss = torch.nn.functional.cross_entropy(model(FORGET.images.float() / 255), FORGET.labels)
    expected = torch.autograd.grad(loss, list(model.parameters()))
    for found, gradient in zip(importance(model, FORGET, 1000, generator=rng()), expected, strict=True):
        torch.testing.assert_close(found, gradient**2, rtol=1e-4, atol=1e-10)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(("alpha", "dampening"), [(1.2, 1.0), (1.2, 0.5), (0.5, 2.0)])
def test_ssd_dampens_what_matters_more_to_the_forget_set(alpha, dampening):
    method = SelectiveSynapticDampening(alpha=alpha, dampening=dampening, batch_size=1)
    found, w = whole(method.unlearn(start(), RETAIN, FORGET, generator=rng())), whole(start())
    on_f, on_all = squared(start(), FORGET), squared(start(), join(RETAIN, FORGET))
    chosen = on_f > alpha * on_all
    expected = np.where(chosen, w * np.minimum(dampening * on_all / on_f, 1), w)
    assert 0.05 < chosen.mean() < 0.95, "there is something of both to see"
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
    assert np.array_equal(found[~chosen], w[~chosen]) and (np.abs(found) <= np.abs(w)).all()


def test_the_salient_weights_are_those_of_the_steepest_slope():
    model = trained()
    loss = torch.nn.functional.cross_entropy(model(FORGET.images.float() / 255), FORGET.labels)
    slope = torch.cat([g.abs().flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])
    mask = torch.cat([m.flatten() for m in salient(model, FORGET, 0.3, 10)])
    assert mask.sum() == round(0.3 * len(slope))
    assert slope[mask].min() >= slope[~mask].max() - 1e-6


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_weights_outside_saluns_mask_stay_as_they_were_to_the_bit(share, optimiser):
    method = SaliencyUnlearning(share=share, epochs=3, lr=0.05, weight_decay=0.1, batch_size=16, optimiser=optimiser)
    original = trained()
    found, masks = method.unlearn(original, RETAIN, FORGET, generator=rng()), salient(original, FORGET, share, 16)
    for mask, before, after in zip(masks, original.parameters(), found.parameters(), strict=True):
        assert torch.equal(before[~mask], after[~mask])
        assert (before[mask] != after[mask]).double().mean() > 0.99 or not mask.any()


def test_saluns_random_labels_are_never_those_of_forgotten_classes(steps):
    method, original = SaliencyUnlearning(epochs=3, batch_size=1000), trained()
    steps.clear()
    method.unlearn(original, RETAIN, FORGET, generator=rng(0))
    wrong, right = [target for target, _ in steps[::2]], [target for target, _ in steps[1::2]]
    assert len(wrong) == len(right) == 3
    assert all(set(target.tolist()) == {0, 2} and len(target) == len(FORGET) for target in wrong)
    assert not torch.equal(wrong[0], wrong[1]), "they are drawn anew for every pass"
    assert all(target.sort().values.equal(RETAIN.labels.sort().values) for target in right)


def test_weights_of_an_adaptive_loss_have_the_mean_one_and_carry_no_gradient():
    losses = (torch.rand(20, generator=rng(2)) + 0.1).requires_grad_(True)
    found = adaptive(losses, 0.5)
    coefficients = losses.detach().numpy() ** -0.5
    coefficients = coefficients / coefficients.mean()
    assert found.item() == pytest.approx((coefficients * losses.detach().numpy()).mean(), rel=1e-5)
    (slope,) = torch.autograd.grad(found, losses)
    np.testing.assert_allclose(slope.numpy(), coefficients / 20, rtol=1e-5)


def test_sfron_climbs_along_salient_weights_and_descends_along_all():
    """Written again in numpy: one batch is a whole set, so that passes are steps."""
    shared = {"batch_size": 1000, "momentum": 0.9, "weight_decay": 0.01, "clip_norm": 1e9}
    method = SfrOn(epochs=5, lr=0.3, forget_every=2, forget_weight=2.0, exponent=0.5, threshold=1.0, **shared)
    found = method.unlearn(start(), RETAIN, FORGET, generator=rng())
    w, velocity = whole(start()), np.zeros_like(whole(start()))
    sets = {"f": (pixels(FORGET), FORGET.labels.numpy()), "r": (pixels(RETAIN), RETAIN.labels.numpy())}

    def error(side):
        x, y = sets[side]
        return softmax(x @ w.T, axis=1) - np.eye(4)[y], x, y

    mask = {side: (lambda e, x, _: (e.T @ x / len(x)) ** 2)(*error(side)) for side in sets}
    mask = mask["f"] >= mask["r"]
    assert 0.05 < mask.mean() < 0.95
    for t in range(5):
        cosine = (1 + np.cos(np.pi * t / 5)) / 2
        for climbing in (True, False) if t % 2 == 0 else (False,):
            e, x, y = error("f" if climbing else "r")
            if climbing:
                loss = -np.log(1 + e[np.arange(len(y)), y])
                share = loss**-0.5 / (loss**-0.5).mean()
                slope = -2 * cosine * mask * ((share[:, None] * e).T @ x / len(x))
            else:
                slope = e.T @ x / len(x)
            velocity = 0.9 * velocity + slope + 0.01 * w
            w = w - 0.3 * cosine * velocity
    np.testing.assert_allclose(whole(found), w, atol=5e-6)
