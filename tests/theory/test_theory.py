"""The squared-loss algebra, whitening and the assumptions' measures, against independent computations."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import lstsq
from scipy.optimize import minimize
from scipy.stats import special_ortho_group
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge

from labelleak_lib.theory import assumptions, difference, heads
from labelleak_lib.theory.synthetic import ExactFeatures

quick = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def random_set(generator, samples=60, dim=7, classes=4):
    """Correlated, off-centre features and labels in which every class occurs."""
    mixing = generator.standard_normal((dim, dim))
    labels = np.append(np.arange(classes), generator.integers(classes, size=samples - classes))
    return generator.standard_normal((samples, dim)) @ mixing + generator.standard_normal(dim), labels


def test_gradient_and_hessian_agree_with_autograd():
    rng = np.random.default_rng(0)
    phi, labels = random_set(rng)
    targets, weight = heads.one_hot(labels, 4), rng.standard_normal((4, 7))

    def risk(flat):
        return 0.5 * (torch.tensor(phi) @ flat.view(4, 7).T - torch.tensor(targets)).square().sum(1).mean()

    flat = torch.tensor(weight).flatten().requires_grad_()
    assert heads.risk(weight, phi, targets) == pytest.approx(risk(flat).item(), rel=1e-12)
    (slope,) = torch.autograd.grad(risk(flat), flat)
    np.testing.assert_allclose(heads.gradient(weight, phi, targets).ravel(), slope, rtol=1e-10)
    curvature = torch.autograd.functional.hessian(risk, flat.detach())
    np.testing.assert_allclose(heads.hessian(phi, 4), curvature, rtol=1e-10, atol=1e-12)


def test_minimiser_agrees_with_least_squares_and_a_general_optimiser():
    phi, labels = random_set(np.random.default_rng(1))
    targets = heads.one_hot(labels, 4)
    head = heads.squared_loss_head(phi, targets)
    np.testing.assert_allclose(head, lstsq(phi, targets)[0].T, atol=1e-10)
    found = minimize(
        lambda w: heads.risk(w.reshape(4, 7), phi, targets),
        np.zeros(28),
        jac=lambda w: heads.gradient(w.reshape(4, 7), phi, targets).ravel(),
        options={"gtol": 1e-9},
    )
    np.testing.assert_allclose(head.ravel(), found.x, atol=1e-6)


def test_ridge_agrees_with_scikit_learn():
    phi, labels = random_set(np.random.default_rng(2))
    targets = heads.one_hot(labels, 4)
    ours = heads.squared_loss_head(phi, targets, ridge=0.3)
    theirs = Ridge(alpha=0.3 * len(phi), fit_intercept=False).fit(phi, targets).coef_
    np.testing.assert_allclose(ours, theirs, atol=1e-10)


def test_singular_hessian_gives_where_gradient_descent_ends():
    rng = np.random.default_rng(3)
    phi = rng.standard_normal((5, 9))
    targets, start = heads.one_hot([0, 1, 2, 0, 1], 3), rng.standard_normal((3, 9))
    weight = start.copy()
    for _ in range(20_000):
        weight -= 0.2 * heads.gradient(weight, phi, targets)
    np.testing.assert_allclose(heads.squared_loss_head(phi, targets, initial=start), weight, atol=1e-8)


@quick
@given(seed=seeds, classes=st.integers(2, 9), dim=st.integers(1, 12), samples=st.integers(2, 60))
def test_zero_row_for_any_second_moment_any_class_count_any_sample_size(seed, classes, dim, samples):
    rng = np.random.default_rng(seed)
    phi, _ = random_set(rng, samples + classes, dim, classes)
    labels = np.where(np.arange(len(phi)) < samples, rng.integers(classes - 1, size=len(phi)), classes - 1)
    targets, forget = heads.one_hot(labels, classes), labels == classes - 1
    target, other = (lstsq(phi[part], targets[part])[0].T for part in (~forget, forget))
    assert np.abs(target[-1]).max() <= 1e-10
    assert np.abs(other[:-1]).max() <= 1e-10
    assert abs((target * other).sum()) <= 1e-10
    ours = heads.squared_loss_head(phi[~forget], targets[~forget])
    np.testing.assert_allclose(ours, target, atol=1e-6 * max(1, np.abs(target).max()))


@quick
@given(seed=seeds, scale=st.floats(0.1, 10))
def test_rotation_and_scale_of_the_features_leave_the_conclusions(seed, scale):
    rng = np.random.default_rng(seed)
    phi, labels = random_set(rng, 120, 6, 4)
    turned = scale * phi @ special_ortho_group.rvs(6, random_state=rng)
    products = []
    for features in (phi, turned):
        targets = heads.one_hot(labels, 4)
        fitted = [heads.squared_loss_head(features[labels == c], targets[labels == c]) for c in range(4)]
        target = heads.squared_loss_head(features[labels < 3], targets[labels < 3])
        products.append(heads.inner_products(target, np.array(fitted)))
    size = np.abs(products[0]).max()
    np.testing.assert_allclose(products[1] * scale**2, products[0], atol=1e-6 * size, rtol=1e-6)


def test_bias_makes_a_one_class_head_constant():
    phi, labels = random_set(np.random.default_rng(4), 80)
    chosen = heads.with_intercept(phi[labels == 2])
    head = heads.squared_loss_head(chosen, heads.one_hot(labels[labels == 2], 4))
    np.testing.assert_allclose(head, np.outer([0, 0, 1, 0], np.eye(8)[-1]), atol=1e-8)


def test_zca_whitens_as_pca_does_and_stays_symmetric():
    phi, _ = random_set(np.random.default_rng(5), 200)
    whitening = assumptions.ZCA.fit(phi)
    white = whitening.apply(phi)
    np.testing.assert_allclose(np.cov(white.T, ddof=0), np.eye(7), atol=1e-9)
    np.testing.assert_allclose(whitening.transform, whitening.transform.T, atol=1e-10)
    # PCA whitening (ddof 1) differs from ZCA by a rotation alone, so the Gram matrices agree.
    principal = PCA(whiten=True).fit_transform(phi) * np.sqrt(200 / 199)
    np.testing.assert_allclose(white @ white.T, principal @ principal.T, atol=1e-8)
    assert assumptions.distance_from_identity(white) < 1e-9


def test_zca_maps_dead_features_to_zero():
    phi, _ = random_set(np.random.default_rng(6), 200)
    phi[:, 3] = 0
    white = assumptions.ZCA.fit(phi).apply(phi)
    assert np.abs(white[:, 3]).max() < 1e-12
    assert assumptions.distance_from_identity(white) == pytest.approx(np.sqrt(1 / 7), rel=1e-9)


def test_spectrum_of_a_hand_made_case():
    found = assumptions.spectrum(np.array([[2.0, 0, 0], [0, 1, 0], [2, 0, 0], [0, 1, 0]]))
    np.testing.assert_allclose(found.eigenvalues, [2, 0.5, 0])
    assert found.rank == 2
    np.testing.assert_array_equal(found.relative, [1, 0.25, np.nan])


def test_second_moment_of_a_mixture_is_the_mixture_of_second_moments():
    phi, labels = random_set(np.random.default_rng(7))
    shares = np.bincount(labels) / len(labels)
    parts = sum(share * heads.second_moment(phi[labels == c]) for c, share in enumerate(shares))
    np.testing.assert_allclose(parts, heads.second_moment(phi), atol=1e-12)


def test_whitening_on_the_mixture_leaves_single_classes_unwhitened():
    phi, labels = random_set(np.random.default_rng(8), 400)
    phi[:, 0] += 3 * labels
    table = assumptions.whitening_distances(phi, labels, [3]).groupby("set")["after"].min()
    assert table["D_r"] < 1e-9
    assert table["retained class"] > 0.1
    assert table["forgotten class"] > 0.1


@quick
@given(seed=seeds, classes=st.integers(2, 6), scale=st.floats(0.05, 0.95), overlap=st.floats(0, 1), mix=st.floats(0, 1))
def test_exact_features_have_the_moments_they_promise(seed, classes, scale, overlap, mix):
    design = ExactFeatures(classes, classes + 4, 3 * classes + 15, scale, overlap, mix)
    phi, labels = design.draw(np.random.default_rng(seed))
    found = np.array([phi[labels == c].mean(0) for c in range(classes)])
    np.testing.assert_allclose(found, design.means(), atol=1e-9)
    cosines = assumptions.class_cosines(phi, labels, classes)
    np.testing.assert_allclose(cosines[~np.eye(classes, dtype=bool)], overlap, atol=1e-9)
    if mix == 0:
        for c in range(classes):
            assert assumptions.distance_from_identity(phi[labels == c]) < 1e-9


def test_explained_share_reaches_the_bound_only_without_equation_9():
    design = ExactFeatures()
    phi, labels = design.draw(np.random.default_rng(9))
    bound = 1 / design.classes
    assert heads.explained_share(phi, heads.one_hot(labels, design.classes)) < bound
    separable = 5 * np.eye(design.classes)[labels]
    assert heads.explained_share(separable, heads.one_hot(labels, design.classes)) == pytest.approx(1)


def test_sampling_error_falls_as_the_root_of_n_but_not_for_one_class():
    phi, labels = random_set(np.random.default_rng(10), 400)
    targets, rng = heads.one_hot(labels, 4), np.random.default_rng(11)
    mixed = assumptions.sampling_errors(phi, targets, [25, 2500], 200, rng)
    assert mixed["measured"][0] / mixed["measured"][1] == pytest.approx(10, rel=0.15)
    np.testing.assert_allclose(mixed["measured"], mixed["predicted"], rtol=0.1)
    single = assumptions.sampling_errors(phi, targets, [25, 2500], 200, rng, labels == 1)
    np.testing.assert_allclose(single["measured"], single["predicted"], rtol=0.1)
    assert single["measured"][1] > 1


def test_difference_norms_by_hand():
    target, others = np.array([[1.0, 2.0]]), np.array([[[1.0, 2.0]], [[-2.0, 1.0]]])
    np.testing.assert_allclose(difference.squared_distances(target, others), [0, 10])
    np.testing.assert_allclose(difference.absolute_sums(target, others), [0, 4])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: heads.squared_loss_head(np.ones((3, 2)), np.ones((3, 1)), ridge=-1), "ridge"),
        (lambda: heads.squared_loss_head(np.ones((3, 2)), np.ones((4, 1))), "targets"),
        (lambda: heads.second_moment(np.ones((0, 2))), "phi"),
        (lambda: heads.one_hot([0, 4], 3), "labels"),
        (lambda: assumptions.class_cosines(np.ones((2, 2)), [0, 0], 2), "classes without samples"),
        (lambda: ExactFeatures(scale=1.0), "scale"),
        (lambda: ExactFeatures(dead=20), "dead"),
        (lambda: ExactFeatures(overlap=1.5), "overlap"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
