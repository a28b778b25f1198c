"""Reach of classes without samples: against torch's own optimiser, brute force over a box, and its limits."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import differential_evolution

from labelleak_lib.theory import reach, softmax
from labelleak_lib.theory.heads import with_intercept
from labelleak_lib.theory.lemma_checks import relu_features

seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=6, deadline=None)


def one_cycle(steps, peak=0.1):
    return peak * np.sin(np.linspace(0.05, np.pi, steps)) ** 2


def sgd_moves(rates, momentum, decay, gradients, start):
    """Return where torch's SGD takes a parameter by these gradients."""
    parameter = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer = torch.optim.SGD([parameter], lr=1.0, momentum=momentum, weight_decay=decay, nesterov=momentum > 0)
    for rate, gradient in zip(rates, gradients, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        parameter.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
    return parameter.detach().numpy()


@quick
@given(seed=seeds, momentum=st.sampled_from([0.0, 0.5, 0.9]), decay=st.floats(0, 0.02))
def test_a_parameter_is_its_kept_start_less_the_steps_left_of_its_gradients(seed, momentum, decay):
    rng, rates = np.random.default_rng(seed), one_cycle(30)
    gradients, start = rng.standard_normal((30, 4)), rng.standard_normal(4)
    kept, left = reach.kept_of_start(rates, momentum, decay), reach.left_of_steps(rates, momentum, decay)
    moved = sgd_moves(rates, momentum, decay, gradients, start)
    np.testing.assert_allclose(moved, kept * start - left @ gradients, atol=1e-10)


def test_without_momentum_what_is_kept_is_a_product():
    rates = one_cycle(50)
    assert reach.kept_of_start(rates, 0.0, 0.3) == pytest.approx(np.prod(1 - 0.3 * rates))
    assert reach.left_of_steps(rates, 0.9, 0.0)[-1] == pytest.approx(1.9 * rates[-1])


@pytest.mark.parametrize(("decay", "sign"), [(0.9 * (1 - np.sqrt(0.9)) ** 2, 1), (30 * (1 - np.sqrt(0.9)) ** 2, -1)])
def test_a_gradient_swings_back_only_where_decay_is_too_strong_for_the_momentum(decay, sign):
    assert np.sign(reach.left_of_steps(np.full(400, 1.0), 0.9, decay).min()) == sign


def trained_head(rng, absent, start, momentum=0.9, decay=1e-3):
    """Return a head trained by torch's SGD in random batches, on features that change from step to step."""
    phi, labels = relu_features(rng, per_class=20)
    weight = torch.nn.Parameter(torch.tensor(start))
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=momentum, weight_decay=decay, nesterov=True)
    rates = one_cycle(120)
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        batch = rng.permutation(np.flatnonzero(labels != absent))[:16]
        drifting = phi[batch] * rng.uniform(0, 2, phi.shape[1])
        optimizer.zero_grad()
        logits = torch.tensor(with_intercept(drifting)) @ weight.T
        torch.nn.functional.cross_entropy(logits, torch.tensor(labels[batch])).backward()
        torch.nn.utils.clip_grad_norm_([weight], 1.0)
        optimizer.step()
    return weight.detach().numpy(), reach.kept_of_start(rates, momentum, decay), phi


@quick
@given(seed=seeds, absent=st.integers(0, 5))
def test_the_row_of_an_absent_class_falls_and_the_rows_keep_their_sum(seed, absent):
    rng = np.random.default_rng(seed)
    start = rng.standard_normal((6, 13))
    head, kept, phi = trained_head(rng, absent, start)
    assert (head[absent] <= kept * start[absent] + 1e-12).all()
    np.testing.assert_allclose(head.sum(0), kept * start.sum(0), atol=1e-9)
    logits = with_intercept(phi) @ head.T
    assert (reach.above_mean(logits)[:, absent] <= reach.start_bound(start, kept, phi)[:, absent] + 1e-9).all()


@quick
@given(seed=seeds, absent=st.integers(0, 5))
def test_from_zero_no_features_at_all_reach_an_absent_class(seed, absent):
    head, _, _ = trained_head(np.random.default_rng(seed), absent, np.zeros((6, 13)))
    assert reach.box_reach(head, absent, 1e6) <= 6 / 5 * head[absent, -1] + 1e-9 < 0
    others = [c for c in range(6) if c != absent]
    assert max(reach.box_reach(head, c, 10.0) for c in others) > 0


@quick
@given(seed=seeds)
def test_no_margin_is_above_the_lead_over_the_mean(seed):
    logits = np.random.default_rng(seed).standard_normal((50, 7))
    rest = np.array([[np.delete(row, c).max() for c in range(7)] for row in logits])
    assert (logits - rest <= reach.above_mean(logits) + 1e-12).all()
    two = logits[:, :2]
    np.testing.assert_allclose(reach.above_mean(two)[:, 0], two[:, 0] - two[:, 1], atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_box_reach_against_differential_evolution(seed):
    rng = np.random.default_rng(seed)
    head, upper = rng.standard_normal((4, 5)), 2.0

    def loss(phi):
        logits = head @ np.append(phi, 1)
        return np.delete(logits, 1).max() - logits[1]

    brute = -differential_evolution(loss, [(0, upper)] * 4, seed=seed, tol=1e-10, maxiter=3000).fun
    assert reach.box_reach(head, 1, upper) == pytest.approx(brute, abs=1e-4)


def test_a_class_without_samples_stays_out_of_reach_and_one_sample_is_enough_given_time():
    phi, labels = relu_features(np.random.default_rng(0))
    frame = reach.dose_path(phi, labels, 6, 5, [0, 1, 8], 0.05, [30, 300, 3000])
    assert (frame.reach <= frame.bound + 1e-9).all()
    table = frame.pivot(index="samples", columns="time", values="reach")
    assert (table.loc[0] < 0).all() and table.loc[0].is_monotonic_decreasing
    assert (table.loc[1] > 0).tolist() == [False, False, True]
    assert (table.loc[8] > 0).tolist() == [False, True, True]


def test_a_trained_start_is_no_guarantee():
    phi, labels = relu_features(np.random.default_rng(0))
    trained = softmax.softmax_head_path(with_intercept(phi)[None], labels[None], 6, 0.05, [1000])[0, 0]
    kept = labels != 5
    x = with_intercept(phi[kept])[None]
    tuned = softmax.softmax_head_path(x, labels[kept][None], 6, 0.05, [300], trained)[0, 0]
    assert (tuned[5] <= trained[5] + 1e-12).all(), "the row falls"
    assert reach.box_reach(tuned, 5, phi.max()) > 0, "but not below the others"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reach.kept_of_start([[0.1]], 0.9, 0), "rates"),
        (lambda: reach.left_of_steps([-0.1], 0.9, 0), "rates"),
        (lambda: reach.box_reach(np.eye(3), 0, 0), "upper"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
