"""Auxiliary heads: the batched problem against a plain loop and scikit-learn, and who is trained on what."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from torch import nn
from toys import blobs, grant, rng, trained, unrelated

from labelleak_lib.attacks.heads import HeadRecipe, Heads, auxiliary_heads, fit_heads, plan, spread, without_denormals
from labelleak_lib.data.samples import Samples
from labelleak_lib.evidence import HeadEvidence, both_kinds
from labelleak_lib.models import classifier
from labelleak_lib.models.access import WhiteBoxWithSamples

RECIPE = HeadRecipe(heads=12, samples=8, steps=20)


def problem(m, n, d, classes, seed=0, dtype=torch.float32):
    """Draw features (m, n, d), labels (m, n) and starting heads."""
    g = rng(seed)
    phi = torch.randn((m, n, d), generator=g).relu().to(dtype)
    labels = torch.randint(classes, (m, n), generator=g)
    weight = 0.3 * torch.randn((m, classes, d), generator=g).to(dtype)
    return phi, labels, Heads(weight, 0.3 * torch.randn((m, classes), generator=g).to(dtype))


def one_by_one(phi, labels, start, *, steps, lr, momentum):
    """Train each head as a torch layer with torch's optimiser."""
    weights, biases = [], []
    for i in range(len(phi)):
        layer = nn.Linear(phi.shape[2], start.bias.shape[1]).to(phi.dtype)
        layer.load_state_dict({"weight": start.weight[i], "bias": start.bias[i]})
        optimizer = torch.optim.SGD(layer.parameters(), lr=lr, momentum=momentum)
        for _ in range(steps):
            optimizer.zero_grad()
            nn.functional.cross_entropy(layer(phi[i]), labels[i]).backward()
            optimizer.step()
        weights.append(layer.weight.detach())
        biases.append(layer.bias.detach())
    return torch.stack(weights), torch.stack(biases)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize(("m", "n", "d", "classes"), [(5, 8, 30, 4), (3, 20, 6, 10), (2, 1, 5, 3)])
def test_all_heads_at_once_equal_a_plain_loop(m, n, d, classes, momentum):
    phi, labels, start = problem(m, n, d, classes)
    run = {"steps": 50, "lr": 0.05, "momentum": momentum}
    found = fit_heads(phi, labels, start, **run)
    weight, bias = one_by_one(phi, labels, start, **run)
    torch.testing.assert_close(found.weight, weight, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.bias, bias, rtol=0, atol=1e-5)
    assert (weight - start.weight).abs().max() > 1e-2, "training moved the heads"


def test_fitting_leaves_its_arguments_alone():
    phi, labels, start = problem(2, 5, 4, 3)
    copies = [t.clone() for t in (phi, labels, *start)]
    fit_heads(phi, labels, start, steps=3, lr=0.1, momentum=0.5)
    assert all(torch.equal(a, b) for a, b in zip(copies, (phi, labels, *start), strict=True))


def test_at_convergence_heads_agree_with_scikit_learn():
    phi, labels, start = problem(3, 90, 3, 4, seed=3, dtype=torch.float64)
    found = fit_heads(phi, labels, start, steps=6000, lr=0.5, momentum=0.9)
    logits = torch.baddbmm(found.bias[:, None], phi, found.weight.transpose(1, 2))
    probabilities = torch.softmax(logits, 2).numpy()
    for i in range(3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=5000).fit(phi[i], labels[i])
        expected = peer.predict_proba(phi[i])
        assert log_loss(labels[i], probabilities[i]) == pytest.approx(log_loss(labels[i], expected), abs=1e-6)
        np.testing.assert_allclose(probabilities[i], expected, atol=1e-3)
        np.testing.assert_array_equal(probabilities[i].argmax(1), peer.predict(phi[i]))


def test_the_flat_heads_have_the_layout_of_the_targets_flat_head():
    weight, bias = torch.rand((2, 3, 4), generator=rng()), torch.rand((2, 3), generator=rng(1))
    flat = Heads(weight, bias).flat().numpy()
    for i in range(2):
        rows = [np.append(weight[i, c], bias[i, c]) for c in range(3)]
        np.testing.assert_array_equal(flat[i], np.concatenate(rows))


def test_heads_start_as_torch_draws_a_linear_layer_or_at_zero():
    width = 50
    drawn = HeadRecipe().draw_start(40, 10, width, rng(2))
    bound = width**-0.5
    for part in (drawn.weight, drawn.bias):
        assert kstest(part.flatten().numpy(), "uniform", (-bound, 2 * bound)).pvalue > 1e-3
    layer = nn.Linear(width, 200)
    assert layer.weight.abs().max() <= bound and layer.weight.abs().max() > 0.98 * bound
    zero = HeadRecipe(start="zero").draw_start(3, 10, width, rng(2))
    assert zero.weight.shape == (3, 10, width) and zero.bias.shape == (3, 10)
    assert not zero.weight.any() and not zero.bias.any()


@given(total=st.integers(0, 50), classes=st.lists(st.integers(0, 11), min_size=1, max_size=12, unique=True))
def test_heads_are_spread_over_classes_as_evenly_as_possible(total, classes):
    counts = [spread(total, classes).count(c) for c in classes]
    assert sum(counts) == total and max(counts) - min(counts) <= 1


def test_the_paper_protocol_trains_as_many_labelled_heads_on_either_side():
    source, label = plan(grant("white_box_with_samples", trained(), forgotten=(1, 3)), 10)
    assert label.tolist() == [0] * 10 + [1] * 10
    assert set(source[:10]) == {0, 2} and set(source[10:]) == {1, 3}


@pytest.mark.parametrize("classes", [3, 4, 10])
def test_the_attacker_protocol_labels_only_what_the_attacker_knows(classes):
    access = WhiteBoxWithSamples(
        trained(classes), blobs(classes), unrelated(), known_retained=frozenset({0, 2}), known_forgotten=frozenset()
    )
    source, label = plan(access, 20)
    assert set(source.tolist()) == {-1, *range(classes)}
    assert (label[source == -1] == 1).all() and (source == -1).sum() == 20
    assert (label[np.isin(source, [0, 2])] == 0).all()
    assert (label[(source >= 0) & ~np.isin(source, [0, 2])] == -1).all()
    assert len(set(np.bincount(source[source >= 0]))) == 1, "every candidate class has as many heads"
    assert (source >= 0).sum() >= 20


def replace_class(samples, c):
    """Give class `c` other images."""
    images, at = samples.images.clone(), samples.labels == c
    images[at] = 255 - images[at]
    return Samples(images, samples.labels)


@pytest.mark.parametrize("forgotten", [(), (1,)])
def test_a_head_sees_the_samples_of_its_own_class_alone(forgotten):
    pool = blobs(per_class=20, seed=1)
    kind = "white_box_with_samples"
    accesses = [grant(kind, trained(), forgotten=forgotten, pool=p) for p in (pool, replace_class(pool, 2))]
    (source, _, first), (_, _, second) = (auxiliary_heads(a, RECIPE, generator=rng(3)) for a in accesses)
    changed = (first.flat() != second.flat()).any(1).numpy()
    np.testing.assert_array_equal(changed, source == 2)


def test_a_heads_training_can_be_repeated_on_the_pools_features():
    access = grant("white_box_with_samples", trained(), forgotten=(1,))
    recipe = replace(RECIPE, samples=20, start="zero")
    source, _, heads = auxiliary_heads(access, recipe, generator=rng(0))
    for i in (0, 5, 12):  # a head on every sample of its class, so that no draw is left to chance
        c = int(source[i])
        with torch.no_grad():
            phi = trained().features(access.pool.images[access.pool.labels == c].float() / 255)[None]
        zero = Heads(torch.zeros_like(heads.weight[:1]), torch.zeros_like(heads.bias[:1]))
        labels = torch.full((1, 20), c)
        weight, bias = one_by_one(phi, labels, zero, steps=recipe.steps, lr=recipe.lr, momentum=recipe.momentum)
        torch.testing.assert_close(heads.weight[i], weight[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(heads.bias[i], bias[0], rtol=1e-4, atol=1e-5)


def test_heads_on_unrelated_images_get_uniform_labels():
    access = grant("white_box_with_samples", trained())
    recipe = HeadRecipe(heads=400, samples=5, steps=3, start="zero")
    source, _, heads = auxiliary_heads(access, recipe, generator=rng(1))
    aimed = heads.bias[torch.from_numpy(source) == -1].argmax(1)
    assert chisquare(torch.bincount(aimed, minlength=4).numpy()).pvalue > 1e-4


@pytest.mark.parametrize("forgotten", [(), (1,)])
def test_more_samples_than_the_pool_holds_are_refused(forgotten):
    access = grant("white_box_with_samples", trained(), forgotten=forgotten)
    with pytest.raises(ValueError, match=r"samples is 21; it must be at most 20, the attacker pool's samples of class"):
        auxiliary_heads(access, replace(RECIPE, samples=21), generator=rng())


def test_too_few_unrelated_images_are_refused():
    access = replace(grant("white_box_with_samples", trained()), unrelated=unrelated(5))
    with pytest.raises(ValueError, match=r"samples is 8; it must be at most 5, the unrelated images"):
        auxiliary_heads(access, RECIPE, generator=rng())


def test_features_are_read_as_the_deployed_model_computes_them():
    model = classifier.build(replace(trained().spec, architecture="resnet18"), seed=0).eval()
    pool = blobs(per_class=4, side=32)
    noise = torch.randint(0, 256, (6, 1, 32, 32), generator=rng()).to(torch.uint8)
    access = WhiteBoxWithSamples(model, pool, noise, frozenset({0}))
    recipe = HeadRecipe(heads=4, samples=4, steps=2)
    before = [b.clone() for b in model.buffers()]
    first = auxiliary_heads(access, recipe, generator=rng(0))[2].flat()
    model.train()
    second = auxiliary_heads(access, recipe, generator=rng(0))[2].flat()
    assert torch.equal(first, second)
    assert all(torch.equal(a, b) for a, b in zip(before, model.buffers(), strict=True))


@pytest.mark.parametrize("unknown", [np.nan, np.inf])
def test_class_means_agree_with_numpy_and_leave_out_other_sources_and_what_is_not_known(unknown):
    source = np.array([0, 2, -1, 2, 0, -1, 0, 3])
    values = np.array([1.0, 5.0, 100.0, 7.0, 2.0, -100.0, unknown, unknown])
    heads = HeadEvidence(source, np.full(8, -1), np.zeros(8), np.zeros(8))
    np.testing.assert_array_equal(heads.class_means(values, 5), [1.5, np.nan, 6.0, np.nan, np.nan])


@pytest.mark.parametrize(("labels", "both"), [([0, 1, 1], True), ([1, 1], False), ([0], False), ([], False)])
def test_a_rule_can_be_fitted_where_both_kinds_of_heads_are_labelled(labels, both):
    assert both_kinds(np.array(labels)) == both


@pytest.mark.parametrize("flushed", [False, True])
def test_denormal_numbers_are_treated_afterwards_as_before(flushed):
    tiny = torch.full((1,), 1e-39)
    torch.set_flush_denormal(flushed)
    try:
        with pytest.raises(RuntimeError), without_denormals():
            assert tiny.mul(0.5) == 0
            raise RuntimeError
        assert bool(tiny.mul(0.5) == 0) == flushed
    finally:
        torch.set_flush_denormal(False)
