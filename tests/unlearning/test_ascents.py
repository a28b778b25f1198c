"""NegGrad+, l1-sparse fine-tuning, UNSIR and MU-Mis: losses beside their formula, and what they are shown."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import nn
from toys import blobs, linear, rng, trained

from labelleak_lib.data.samples import split_classes
from labelleak_lib.unlearning.l1_sparse import L1Sparse
from labelleak_lib.unlearning.mu_mis import MinimisedSensitivity, sensitivity
from labelleak_lib.unlearning.negative_gradient_plus import NegativeGradientPlus
from labelleak_lib.unlearning.unsir import Unsir

FORGOTTEN = (1, 3)


RETAIN, FORGET = split_classes(blobs(), FORGOTTEN)


PLAIN = {"batch_size": 1000, "momentum": 0.9, "weight_decay": 0.01, "clip_norm": 1e9}


def start():
    return linear(seed=3, scale=0.05)


def pixels(samples):
    flat = samples.images.flatten(1).double().numpy() / 255
    return np.hstack([flat, np.ones((len(flat), 1))])


def whole(model):
    return np.hstack([model.head.weight.detach().double().numpy(), model.head.bias.detach().double().numpy()[:, None]])


def walked(slope, steps, lr=0.3):
    """Return where steps along `slope(t, w)` lead from the start, with momentum and weight decay as in `PLAIN`."""
    w, velocity = whole(start()), np.zeros_like(whole(start()))
    for t in range(steps):
        velocity = 0.9 * velocity + slope(t, w) + 0.01 * w
        w = w - lr * velocity
    return w


def fit(samples, w):
    """Return the gradient of the mean cross-entropy of a linear model."""
    x = pixels(samples)
    return (softmax(x @ w.T, axis=1) - np.eye(4)[samples.labels]).T @ x / len(x)


@pytest.mark.parametrize("alpha", [1.0, 0.7])
def test_neggrad_plus_descends_on_one_set_and_climbs_on_the_other(alpha):
    method = NegativeGradientPlus(epochs=4, lr=0.3, alpha=alpha, **PLAIN)
    found = method.unlearn(start(), RETAIN, FORGET, generator=rng())
    expected = walked(lambda _, w: alpha * fit(RETAIN, w) - (1 - alpha) * fit(FORGET, w), 4)
    np.testing.assert_allclose(whole(found), expected, atol=2e-6)


def test_neggrad_plus_passes_over_the_retained_data_while_the_forget_set_goes_round(steps):
    original = trained()
    steps.clear()
    NegativeGradientPlus(epochs=2, lr=0.01, batch_size=10).unlearn(original, RETAIN, FORGET, generator=rng())
    assert len(steps) == 2 * -(-len(RETAIN) // 10)
    # the last loss of a step is that of D_f
    assert all(set(target.tolist()) <= set(FORGOTTEN) for target, _ in steps)


def test_the_l1_penalty_fades_from_pass_to_pass():
    method = L1Sparse(epochs=4, lr=0.3, gamma=0.02, **PLAIN)
    found = method.unlearn(start(), RETAIN, FORGET, generator=rng())
    expected = walked(lambda t, w: fit(RETAIN, w) + 0.02 * (1 - t / 4) * np.sign(w), 4)
    np.testing.assert_allclose(whole(found), expected, atol=2e-6)


def test_the_l1_penalty_makes_weights_small():
    def length(gamma):
        method = L1Sparse(epochs=10, lr=0.02, gamma=gamma, batch_size=16)
        found = method.unlearn(trained(), RETAIN, FORGET, generator=rng())
        return sum(p.detach().abs().sum().item() for p in found.parameters())

    assert length(0.01) < 0.8 * length(0.0)


def test_noise_is_what_the_model_least_takes_for_the_class():
    model, c = trained(), 1
    short, long = (Unsir(noise=16, noise_steps=steps, penalty=0.0).noise_for(model, c, rng(3)) for steps in (1, 40))
    with torch.no_grad():
        losses = [nn.functional.cross_entropy(model(x), torch.full((16,), c)).item() for x in (short, long)]
    assert losses[1] > losses[0] + 5
    assert all(parameter.grad is None for parameter in model.parameters()), "the model is only asked"


def test_the_penalty_keeps_noise_near_the_middle_of_the_inputs():
    free, held = (Unsir(noise=16, penalty=p).noise_for(trained(), 1, rng(3)) for p in (0.0, 10.0))
    assert (held - 0.5).abs().mean() < 0.5 * (free - 0.5).abs().mean()


def test_noise_impairs_under_the_forgotten_labels_and_retained_samples_repair(steps):
    original = trained()
    steps.clear()
    method = Unsir(
        epochs=2, impair_epochs=3, samples=5, noise=6, noise_share=2.4, noise_steps=2, batch_size=1000, optimiser="sgd"
    )
    method.unlearn(original, RETAIN, FORGET, generator=rng())
    counts = [torch.bincount(target, minlength=4).tolist() for target, _ in steps]
    assert counts == [[5, 24, 5, 24]] * 3 + [[5, 0, 5, 0]] * 2


def test_sensitivity_is_the_squared_slope_of_one_logit():
    model, images = trained(), FORGET.images[:6].float() / 255
    classes = torch.tensor([0, 1, 2, 3, 0, 1])
    found = sensitivity(model, images.clone(), classes).detach()
    step = 1e-3
    for i, c in enumerate(classes.tolist()):
        (slope,) = torch.autograd.functional.jacobian(lambda x, c=c: model(x)[:, c], images[i : i + 1])
        assert found[i].item() == pytest.approx(slope.square().sum().item(), rel=1e-4)
        ahead, behind = (model(images[i : i + 1] + sign * step * slope)[0, c] for sign in (1, -1))
        # along the slope the logit rises by its squared length a step
        assert ((ahead - behind) / (2 * step)).item() == pytest.approx(found[i].item(), rel=0.05)


@pytest.mark.parametrize("contrast", [1.0, 0.5])
def test_mu_mis_shrinks_the_forgotten_row_and_stretches_the_other_of_a_linear_model(contrast):
    """Of two classes the other one is known: ||dz_c / dx||^2 is ||w_c||^2 for every image."""
    model = linear(classes=2, seed=3, scale=0.05)
    retain, forget = split_classes(blobs(classes=2), (1,))
    method = MinimisedSensitivity(epochs=3, lr=0.1, contrast=contrast, batch_size=1000, momentum=0.0)
    found = method.unlearn(model, retain, forget, generator=rng())
    factors = torch.tensor([[(1 + 0.2 * contrast) ** 3], [0.8**3]])
    torch.testing.assert_close(found.head.weight, factors * model.head.weight, rtol=1e-4, atol=1e-6)
    assert torch.equal(found.head.bias, model.head.bias)


def test_mu_mis_needs_a_retained_class():
    with pytest.raises(ValueError, match=r"^forget is 'all classes'; it must be .*one class retained"):
        MinimisedSensitivity().unlearn(trained(), RETAIN, blobs(), generator=rng())
