"""Softmax heads, the criteria's limits and the table of checks, against independent computations."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from labelleak_lib.criteria import arithmetic
from labelleak_lib.theory import collapse, difference, heads, softmax, theory_checks
from labelleak_lib.theory.lemma_checks import OVERLAPPING_MAXIMA, relu_features
from labelleak_lib.theory.measured import measure_assumptions

quick = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def test_softmax_path_agrees_with_torch_sgd():
    phi, labels = relu_features(np.random.default_rng(0), per_class=10)
    layer = torch.nn.Linear(12, 6, bias=False).double()
    torch.nn.init.zeros_(layer.weight)
    descent = torch.optim.SGD(layer.parameters(), lr=0.2)
    for _ in range(25):
        descent.zero_grad()
        torch.nn.functional.cross_entropy(layer(torch.tensor(phi)), torch.tensor(labels)).backward()
        descent.step()
    path = softmax.softmax_head_path(phi[None], labels[None], 6, 0.2, [0, 25])
    assert np.abs(path[0]).max() == 0
    np.testing.assert_allclose(path[1, 0], layer.weight.detach(), atol=1e-12)


@quick
@given(seed=seeds, steps=st.integers(1, 60), rate=st.floats(1e-3, 5), absent=st.integers(0, 5))
def test_absent_row_is_pushed_down_in_every_entry_on_relu_features(seed, steps, rate, absent):
    rng = np.random.default_rng(seed)
    phi, labels = relu_features(rng, per_class=8)
    phi, labels, start = phi[labels != absent], labels[labels != absent], rng.standard_normal((6, 12))
    trained = softmax.softmax_head_path(phi[None], labels[None], 6, rate, [steps], start)[0, 0]
    assert (trained[absent] <= start[absent]).all()


def test_first_order_head_is_the_derivative_at_zero():
    phi, labels = relu_features(np.random.default_rng(1), per_class=10)
    weight = torch.zeros(6, 12, dtype=torch.float64, requires_grad=True)
    torch.nn.functional.cross_entropy(torch.tensor(phi) @ weight.T, torch.tensor(labels)).backward()
    np.testing.assert_allclose(softmax.first_order_head(phi, labels, 6, 0.7), -0.7 * weight.grad, atol=1e-12)


@quick
@given(seed=seeds, scale=st.floats(0.2, 5))
def test_margins_do_not_depend_on_rotation_or_scale(seed, scale):
    rng = np.random.default_rng(seed)
    sets, head, labels = rng.standard_normal((4, 9, 5)), rng.standard_normal((3, 5)), rng.integers(3, size=4)
    turn = np.linalg.qr(rng.standard_normal((5, 5)))[0] * scale
    before = softmax.mean_margins(sets, labels, head)
    after = softmax.mean_margins(sets @ turn, labels, head @ np.linalg.inv(turn).T)
    np.testing.assert_allclose(after, before, atol=1e-9)
    first = [softmax.first_order_head(x, [c] * 9, 3, 1.0) for x, c in zip(sets, labels, strict=True)]
    np.testing.assert_allclose(heads.inner_products(head, np.array(first)), before, atol=1e-9)


def test_single_class_sets_hold_one_class_without_repeats():
    labels = np.repeat([2, 5], [30, 40])
    sets, classes = softmax.single_class_sets(np.arange(70.0)[:, None], labels, 3, 20, np.random.default_rng(2))
    assert sets.shape == (6, 20, 1)
    for chosen, label in zip(sets[..., 0].astype(int), classes, strict=True):
        assert len(set(chosen)) == 20
        assert (labels[chosen] == label).all()


def test_tree_cannot_tell_heads_that_do_not_differ():
    rng = np.random.default_rng(3)
    alike, called = rng.standard_normal((200, 3, 4)), np.arange(200) % 2 == 0
    assert 0.3 < difference.tree_accuracy(np.zeros((3, 4)), alike, called, 0) < 0.7
    alike[called, 1] += 20
    assert difference.tree_accuracy(np.zeros((3, 4)), alike, called, 0) == 1


@settings(max_examples=100, deadline=None)
@given(classes=st.integers(2, 120), tenths=st.integers(1, 40), low=st.floats(0, 0.4), gap=st.floats(0.05, 0.6))
def test_collapse_by_brute_force(classes, tenths, low, gap):
    alpha, exact = tenths / 10, Fraction(tenths, 10)
    for k in range(1, classes):
        if k * (1 + exact**2) == classes:
            continue  # the threshold equals the forgotten maximum: rounding alone decides
        maxima = np.where(np.arange(classes) < k, low, low + gap)
        threshold = np.mean(maxima) - alpha * np.std(maxima, ddof=0)
        found = set(np.flatnonzero(maxima < threshold))
        assert found == (set(range(k)) if k < classes * collapse.collapse_fraction(alpha) else set())
        assert found == set(np.flatnonzero(arithmetic.below_threshold(maxima, alpha)))


@quick
@given(alpha=st.floats(0.3, 3), noise=st.floats(0, 0.6))
def test_noisy_collapse_solves_its_equation(alpha, noise):
    share = collapse.collapse_fraction(alpha, noise)
    assert 0 <= share <= collapse.collapse_fraction(alpha)
    if share > 0:
        threshold = (1 - share) - alpha * np.sqrt(share * (1 - share) + noise**2)
        assert threshold == pytest.approx(0, abs=1e-6)
    else:
        assert alpha * noise >= 1


@pytest.mark.parametrize(("classes", "forgotten", "alpha"), [(10, 1, 1.0), (10, 4, 1.1), (20, 3, 2.0), (5, 4, 0.8)])
def test_expected_detection_against_simulation(classes, forgotten, alpha):
    rng = np.random.default_rng(4)
    chance = np.where(np.arange(classes) < forgotten, 0.15, 0.95)
    draws = (rng.random((40_000, classes)) < chance).astype(float)
    # Shifted so that no two-valued tie sits at the threshold by rounding.
    accused = draws < draws.mean(1, keepdims=True) - alpha * draws.std(1, keepdims=True) - 1e-9
    recall, alarm = collapse.expected_detection(classes, forgotten, alpha, 0.05, 0.15)
    assert accused[:, :forgotten].mean() == pytest.approx(recall, abs=0.012)
    assert accused[:, forgotten:].mean() == pytest.approx(alarm, abs=0.012)


@quick
@given(seed=seeds, count=st.integers(3, 14), classes=st.integers(2, 12))
def test_two_means_split_is_scikit_learns_optimum(seed, count, classes):
    maxima = np.sort(np.random.default_rng(seed).uniform(1 / classes, 1, count))
    vectors, low = collapse.sorted_ipv(maxima, classes), arithmetic.two_means_split(maxima)
    np.testing.assert_allclose(vectors.sum(-1), 1)
    ours = sum(np.square(part - part.mean(0)).sum() for part in (vectors[:low], vectors[low:]))
    assert ours <= KMeans(2, n_init=10, random_state=0).fit(vectors).inertia_ + 1e-12
    assert 1 <= low < count


def test_worked_example_accuses_retained_classes():
    clusters = KMeans(2, n_init=10, random_state=0).fit_predict(collapse.sorted_ipv(OVERLAPPING_MAXIMA, 10))
    accused = set(np.flatnonzero(clusters == clusters[0]))
    assert accused == {0, 1, 2, 3}
    assert arithmetic.two_means_split(OVERLAPPING_MAXIMA) == 4


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_check_that_should_hold_does_and_no_other(seed):
    table = theory_checks(seed)
    wrong = table[table["holds"] != table["expected"]]
    assert wrong.empty, wrong.to_string()
    covered = {number for text in table["equation"] for number in text.split(", ")}
    assert {str(number) for number in range(1, 18)} <= covered


def test_each_dial_breaks_the_papers_route_and_not_the_zero_row():
    table = theory_checks(3)
    for dial in ("overlap", "spread", "dead", "sampling"):
        assert not table[table["features"] == dial]["holds"].all()
    kept = table[table["claim"] == "<W_u, W_f'> = 0, one-hot targets"]
    assert set(kept["features"]) == {"overlap", "spread", "dead"}
    assert kept["holds"].all()


def test_measured_assumptions_fail_on_separable_relu_features():
    phi, labels = relu_features(np.random.default_rng(5))
    table = measure_assumptions(phi, labels, (5,), 6, np.random.default_rng(6))
    measured = dict(zip(table["quantity"], table["measured"], strict=True))
    assert measured["largest |<w_u, w_f'>| / |w_u|^2"] < 1e-10
    assert measured["distance of H_r' from I, after ZCA on D_r"] > 0.1
    bound = table.set_index("quantity").loc["share explained (H = I on every set: at most)"]
    assert bound["assumed"] == pytest.approx(0.2)
    assert bound["measured"] > bound["assumed"]


def test_a_matrix_that_lacks_one_dimension_of_many_is_not_of_full_rank():
    phi, labels = relu_features(np.random.default_rng(5))
    padded = np.concatenate([phi, phi[:, :1]], axis=1)
    table = measure_assumptions(padded, labels, (5,), 6, np.random.default_rng(6)).set_index("quantity")
    assert 0.9 < table.measured["rank of H_r / d"] < 1
    assert not table.holds["rank of H_r / d"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: softmax.softmax_head_path(np.ones((1, 2, 3)), [[0, 0]], 2, 0, [1]), "rate"),
        (lambda: softmax.softmax_head_path(np.ones((1, 2, 3)), [[0, 0]], 2, 1, [3, 2]), "steps"),
        (lambda: softmax.softmax_head_path(np.ones((1, 2, 3)), [[0, 0]], 2, 1, [1], momentum=1), "momentum"),
        (lambda: collapse.collapse_fraction(0), "alpha"),
        (lambda: collapse.collapse_fraction(1, -1), "noise"),
        (lambda: collapse.expected_detection(10, 10, 1, 0, 0), "forgotten"),
        (lambda: arithmetic.two_means_split([1.0]), "values"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
