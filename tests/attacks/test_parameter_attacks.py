"""Dot products and difference vectors against numpy, under both protocols."""

import numpy as np
import pytest
import torch
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier
from toys import RECIPE as TRAINING
from toys import blobs, grant, rng, same_evidence, snapshot, trained

from labelleak_lib.attacks.difference import Difference
from labelleak_lib.attacks.dot_product import DotProduct
from labelleak_lib.attacks.heads import HeadRecipe, auxiliary_heads
from labelleak_lib.criteria.heads import DecisionTree, KMeansSplit, Youden
from labelleak_lib.data.samples import Samples, split_classes
from labelleak_lib.models.classifier import Classifier, flat_head
from labelleak_lib.unlearning.retrain import Retrain

HEADS = HeadRecipe(heads=12, samples=8, steps=20)
KIND = "white_box_with_samples"


def parts(forgotten, seed=0):
    """Return the access, numpy's w_u, and each head's class and w' as the attacks draw them."""
    access = grant(KIND, trained(), forgotten=forgotten)
    source, label, heads = auxiliary_heads(access, HEADS, generator=rng(seed))
    head = trained().head
    target = np.concatenate([head.weight.detach().double(), head.bias.detach().double()[:, None]], axis=1)
    auxiliary = np.concatenate([heads.weight.double(), heads.bias.double()[:, :, None]], axis=2)
    return access, target, source, label, auxiliary


@pytest.mark.parametrize("forgotten", [(), (1, 3)])
def test_dot_products_agree_with_numpy(forgotten):
    access, target, source, label, auxiliary = parts(forgotten)
    found = DotProduct(HEADS).evidence(access, generator=rng(0))
    expected = np.array([np.sum(target * w) for w in auxiliary])
    np.testing.assert_allclose(found.heads.value, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.heads.source, source)
    np.testing.assert_array_equal(found.heads.label, label)
    for c in range(4):
        np.testing.assert_allclose(found.score[c], -expected[source == c].mean(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("forgotten", [(), (1, 3)])
def test_differences_and_their_sums_agree_with_numpy(forgotten):
    access, target, source, label, auxiliary = parts(forgotten)
    found = Difference(HEADS).evidence(access, generator=rng(0))
    expected = (target - auxiliary).reshape(len(source), -1)
    np.testing.assert_allclose(found.heads.absolute_sum, np.abs(expected).sum(1), rtol=1e-4)
    np.testing.assert_array_equal(found.heads.source, source)
    np.testing.assert_array_equal(found.heads.label, label)
    for c in range(4):
        np.testing.assert_allclose(found.score[c], np.abs(expected[source == c]).sum(1).mean(), rtol=1e-4)


def trees_by_hand(vectors, source, label, seed, protocol, classes=4):
    """Return (judged heads, their shares) of every tree: one on a stratified part, or one without each class."""
    if protocol == "paper":
        fit, judged = train_test_split(np.arange(len(label)), test_size=0.2, random_state=seed, stratify=label)
        folds = [(fit, judged)]
    else:
        folds = [(np.flatnonzero((label >= 0) & (source != c)), np.flatnonzero(source == c)) for c in range(classes)]
    for fit, judged in folds:
        tree = DecisionTreeClassifier(random_state=seed).fit(vectors[fit], label[fit])
        yield judged, tree.predict_proba(vectors[judged])[:, 1]


@pytest.mark.parametrize("forgotten", [(), (1, 3)])
@pytest.mark.parametrize("seed", [0, 2**40 + 7])
def test_the_shares_are_those_of_scikit_learns_trees_on_the_differences(forgotten, seed):
    access = grant(KIND, trained(), forgotten=forgotten)
    source, label, heads = auxiliary_heads(access, HEADS, generator=rng(seed))
    vectors = (flat_head(trained()) - heads.flat()).double().numpy()
    found = Difference(HEADS).evidence(access, generator=rng(seed)).heads.value
    told = np.zeros(len(source), dtype=bool)
    for judged, share in trees_by_hand(vectors, source, label, seed % 2**31, "paper" if forgotten else "attacker"):
        np.testing.assert_array_equal(found[judged], share)
        told[judged] = True
    assert np.isnan(found[~told]).all() and (~told).any() and told.any()


def test_the_share_of_heads_that_a_tree_labels_can_be_set():
    access = grant(KIND, trained(), forgotten=(1,))
    for share, count in ((0.25, 6), (0.5, 12)):
        found = Difference(HEADS, test_share=share).evidence(access, generator=rng())
        assert np.isfinite(found.heads.value).sum() == count


def test_both_attacks_draw_the_same_heads_from_the_same_generator_state():
    access = grant(KIND, trained())
    dot, difference = (attack(HEADS).evidence(access, generator=rng(6)) for attack in (DotProduct, Difference))
    np.testing.assert_allclose(dot.heads.absolute_sum, difference.heads.absolute_sum, rtol=1e-6)


@pytest.mark.parametrize("attack", [DotProduct(HEADS), Difference(HEADS)], ids=["dot_product", "difference"])
def test_the_access_decides_the_protocol(attack):
    assert attack.evidence(grant(KIND, trained()), generator=rng()).protocol == "attacker"
    assert attack.evidence(grant(KIND, trained(), forgotten=(1,)), generator=rng()).protocol == "paper"


@pytest.mark.parametrize("attack", [DotProduct(HEADS), Difference(HEADS)], ids=["dot_product", "difference"])
def test_the_body_of_the_target_enters_through_its_features_alone(attack):
    model = trained()
    access = grant(KIND, model)
    usual = attack.evidence(access, generator=rng())
    seen = []

    class Watched(torch.nn.Module):
        def forward(self, x):
            seen.append(len(x))
            return model.features(x)

    peer = Classifier(model.spec, Watched(), model.head)
    peer.register_parameter("device", torch.nn.Parameter(torch.zeros(1)))
    found = attack.evidence(grant(KIND, peer), generator=rng())
    assert same_evidence(found, usual)
    assert sum(seen) == len(access.pool) + len(access.unrelated), "every image is read once"


def unlearned(forgotten):
    retain, forget = split_classes(blobs(), forgotten)
    return Retrain(TRAINING).unlearn(trained(), retain, forget, generator=rng(1))


@pytest.mark.parametrize("forgotten", [(2,), (0, 3)])
def test_a_retrained_model_gives_its_forgotten_classes_away(forgotten):
    model, recipe = unlearned(forgotten), HeadRecipe(heads=40, samples=15)
    dot = DotProduct(recipe).evidence(grant(KIND, model, known=set(range(4)) - set(forgotten)), generator=rng())
    others = [c for c in range(4) if c not in forgotten]
    assert min(dot.score[list(forgotten)]) > max(dot.score[others])
    assert KMeansSplit().decide(dot) == frozenset(forgotten)
    known = grant(KIND, model, forgotten=forgotten)
    assert Youden().decide(DotProduct(recipe).evidence(known, generator=rng())) == frozenset(forgotten)
    assert DecisionTree().decide(Difference(recipe).evidence(known, generator=rng())) == frozenset(forgotten)


@pytest.mark.parametrize("attack", [DotProduct(HEADS), Difference(HEADS)], ids=["dot_product", "difference"])
def test_the_target_and_the_pool_stay_as_they_are(attack):
    before, access = snapshot(trained()), grant(KIND, trained(), forgotten=(1,))
    pool = Samples(access.pool.images.clone(), access.pool.labels.clone())
    attack.evidence(access, generator=rng())
    assert all(torch.equal(before[n], v) for n, v in trained().state_dict().items())
    assert torch.equal(pool.images, access.pool.images) and torch.equal(pool.labels, access.pool.labels)
    assert all(p.grad is None for p in trained().parameters())
