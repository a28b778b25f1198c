"""Reach: margins against closed forms, and three searches on models whose reach is known."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from toys import rng, trained

from labelleak_lib.attacks.gradient_reach import GradientReach
from labelleak_lib.attacks.joint_reach import JointReach
from labelleak_lib.attacks.passive_reach import PassiveAnswers, PassiveReach
from labelleak_lib.attacks.query_reach import QueryReach
from labelleak_lib.attacks.reach import answered_margins, margins, relative_reach
from labelleak_lib.models import classifier
from labelleak_lib.models.access import BlackBox, WhiteBox
from labelleak_lib.models.classifier import ModelSpec
from labelleak_lib.space import InputSpace

SHAPE = (1, 8, 8)
BLACK = [PassiveReach(inputs=200), QueryReach(), JointReach()]


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=9))
def test_a_margin_is_the_logarithm_less_the_largest_of_the_others(values):
    found = margins(torch.tensor([values], dtype=torch.float64))[0].tolist()
    for c, value in enumerate(values):
        assert found[c] == pytest.approx(value - max(values[:c] + values[c + 1 :]))


def test_margins_of_probabilities_are_those_of_their_logits():
    logits = torch.randn((20, 5), generator=rng(0), dtype=torch.float64)
    torch.testing.assert_close(answered_margins(torch.softmax(logits, 1)), margins(logits))
    assert np.isfinite(answered_margins(torch.eye(4)).numpy()).all(), "a certain answer has a finite margin"


def brightness(images):
    """Answer by the mean brightness of the left half: class 0 where dark, 1 between, 2 where bright; never 3."""
    level = images[:, 0, :, :4].mean((1, 2))
    logits = torch.stack([20 * (0.4 - level), 3 - 60 * (level - 0.5) ** 2, 20 * (level - 0.6), -3 - level], dim=1)
    return torch.softmax(logits, dim=1)


@pytest.mark.parametrize("attack", BLACK, ids=lambda a: a.name)
def test_the_class_that_no_input_is_answered_with_is_below_zero_and_all_others_above(attack):
    found = attack.evidence(BlackBox(brightness, 4, SHAPE), generator=rng(3))
    assert (found.reach[:3] > 0).all() and found.reach[3] < 0
    np.testing.assert_array_equal(found.score, -found.reach)


def test_labels_alone_count_answers():
    found = PassiveAnswers(inputs=400).evidence(BlackBox(brightness, 4, SHAPE, labels_only=True), generator=rng(3))
    assert found.reach.sum() == 400 and found.reach[3] == 0 and (found.reach[:3] > 0).all()


@pytest.mark.parametrize(("attack", "queries"), [(BLACK[0], 200), (BLACK[1], 4 * 240), (BLACK[2], 1000 + 4 * 140)])
def test_every_query_is_counted_and_none_is_made_beyond(attack, queries):
    box = BlackBox(brightness, 4, SHAPE, budget=queries)
    assert attack.evidence(box, generator=rng(0)).queries == box.queries == queries


def test_by_default_ten_classes_cost_at_most_240_queries_each():
    for attack in (PassiveReach(), PassiveAnswers(), QueryReach(), JointReach()):
        box = BlackBox(lambda x: torch.full((len(x), 10), 0.1), 10, SHAPE)
        assert attack.evidence(box, generator=rng(0)).queries <= 2400


def test_passive_looks_are_what_a_recount_finds():
    asked = []

    def answer(images):
        asked.append(images)
        return brightness(images)

    found = PassiveReach(inputs=120, families=("blobs", "noise")).evidence(BlackBox(answer, 4, SHAPE), generator=rng(1))
    p = brightness(torch.cat(asked)).double()
    assert found.probe[:, 0].tolist() == [10, 30, 100, 120, 60, 60]
    for row in found.probe[:4]:
        n = int(row[0])
        np.testing.assert_allclose(row[1:5], p[:n].log().mean(0), rtol=1e-5)
        np.testing.assert_allclose(row[5:9], answered_margins(p[:n]).amax(0), rtol=1e-5)
        assert row[9:].tolist() == torch.bincount(p[:n].argmax(1), minlength=4).tolist()
    np.testing.assert_array_equal(found.probe[4, 9:] + found.probe[5, 9:], found.probe[3, 9:])


def test_the_search_climbs_and_its_looks_never_fall():
    found = QueryReach(generations=12).evidence(BlackBox.of(trained()), generator=rng(0))
    assert (np.diff(found.probe[:, 1:], axis=0) >= 0).all() and (found.probe[-1, 1:] > found.probe[0, 1:]).all()
    assert found.probe[:, 0].tolist() == [160 + 80 * g for g in range(13)]
    np.testing.assert_array_equal(found.probe[-1, 1:], found.reach)


def test_the_search_finds_the_corner_that_lifts_a_linear_class_highest():
    """Of a linear model on a grid as fine as the image, the best input of a margin has every pixel at 0 or 1."""
    weight = torch.randn((2, 4), generator=rng(5), dtype=torch.float64)

    def answer(images):
        return torch.softmax(images.flatten(1).double() @ weight.T, dim=1).float()

    difference = weight[0] - weight[1]
    best = [float(d.clamp_min(0).sum()) for d in (difference, -difference)]
    found = QueryReach(starts=100, population=40, generations=60, fineness=2)
    reach = found.evidence(BlackBox(answer, 2, (1, 2, 2)), generator=rng(0)).reach
    np.testing.assert_allclose(reach, best, rtol=0.02)
    assert (reach <= np.array(best) + 1e-4).all()


def linear_model(weight, bias):
    model = classifier.build(ModelSpec("small", len(bias), 1), seed=0)
    model.features, model.head = nn.Flatten(), nn.Linear(64, len(bias))
    with torch.no_grad():
        model.head.weight.copy_(weight)
        model.head.bias.copy_(bias)
    return model


def test_gradients_find_the_corner_too():
    weight = 0.1 * torch.randn((3, 64), generator=rng(1))
    weight[2] = weight[:2].mean(0)  # never above the larger of the others
    model = linear_model(weight, torch.tensor([0.0, 0.0, -10.0]))
    found = GradientReach(steps=300, least=8).evidence(WhiteBox(model), generator=rng(0))
    assert found.reach[2] < 0
    d = weight[0] - weight[1]
    np.testing.assert_allclose(found.reach[:2], [d.clamp_min(0).sum(), (-d).clamp_min(0).sum()], rtol=0.05)
    assert found.gradients == 300 * 5 * 3


@pytest.mark.parametrize("batch_size", [1, 7, 512])
def test_the_batch_size_changes_nothing_but_last_digits(batch_size):
    usual = GradientReach(steps=5, starts=2).evidence(WhiteBox(trained()), generator=rng(0))
    found = GradientReach(steps=5, starts=2, batch_size=batch_size).evidence(WhiteBox(trained()), generator=rng(0))
    np.testing.assert_allclose(found.history, usual.history, rtol=1e-4, atol=1e-4)


def test_a_search_leaves_the_model_as_it_was():
    model = copy.deepcopy(trained())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    GradientReach(steps=3).evidence(WhiteBox(model.train()), generator=rng(0))
    assert model.training and all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


@given(st.lists(st.floats(-40, 40), min_size=2, max_size=12), st.floats(0.01, 100))
def test_relative_reach_has_no_unit_and_keeps_the_sign(reach, factor):
    found, scaled = relative_reach(reach), relative_reach(np.array(reach) * factor)
    np.testing.assert_allclose(found, scaled, rtol=1e-6, atol=1e-9)
    if max(reach) > 1e-9:
        assert (np.sign(found) == np.sign(reach)).all()


def by_hand(answer, classes, space, search, generator):
    """Return every input that a separable natural evolution strategy asks about, one class and individual at a time."""
    grid = space.grid(search.fineness)
    d = int(np.prod(grid))
    z = (search.spread * torch.randn((classes * search.starts, d), generator=generator)).numpy().astype(float)
    asked = [space.smooth(torch.tensor(z, dtype=torch.float32).view(-1, *grid))]
    margin = answered_margins(answer(asked[0])).numpy()
    mean = [z[margin[:, c].argmax()].copy() for c in range(classes)]
    deviation = [np.full(d, search.step) for _ in range(classes)]
    raw = [max(0.0, np.log(search.population / 2 + 1) - np.log(rank)) for rank in range(1, search.population + 1)]
    utility = [value / sum(raw) - 1 / search.population for value in raw]
    for _ in range(search.generations):
        drawn = torch.randn((classes, search.population, d), generator=generator).numpy().astype(float)
        z = np.array([[mean[c] + deviation[c] * one for one in drawn[c]] for c in range(classes)])
        asked.append(space.smooth(torch.tensor(z, dtype=torch.float32).view(-1, *grid)))
        margin = answered_margins(answer(asked[-1])).numpy().reshape(classes, search.population, classes)
        for c in range(classes):
            best_first = np.argsort(-margin[c, :, c], kind="stable")
            towards, wider = np.zeros(d), np.zeros(d)
            for weight, one in zip(utility, drawn[c][best_first], strict=True):
                towards += weight * one
                wider += weight * (one**2 - 1)
            mean[c] = mean[c] + deviation[c] * towards
            deviation[c] = deviation[c] * np.exp((3 + np.log(d)) / (10 * np.sqrt(d)) * wider)
    return torch.cat(asked)


def test_the_search_asks_what_its_equations_say():
    asked, space = [], InputSpace(SHAPE)

    def answer(images):
        asked.append(images)
        return brightness(images)

    search = QueryReach(starts=8, population=6, generations=4)
    search.evidence(BlackBox(answer, 4, SHAPE), generator=rng(2))
    torch.testing.assert_close(torch.cat(asked), by_hand(brightness, 4, space, search, rng(2)), rtol=0, atol=1e-4)


def test_the_search_goes_farther_than_as_many_random_starts():
    weight = torch.randn((6, 64), generator=rng(3), dtype=torch.float64)

    def answer(images):
        return torch.softmax(images.flatten(1).double() @ weight.T, dim=1).float()

    searched, drawn = (
        QueryReach(**options).evidence(BlackBox(answer, 6, SHAPE), generator=rng(0))
        for options in ({}, {"starts": 240, "generations": 0})
    )
    assert searched.queries == drawn.queries and (searched.reach > drawn.reach).all()


def test_joint_reach_is_the_mean_of_both_halves_relative_reach():
    attack, generator = JointReach(), rng(5)
    halves = [
        half.evidence(BlackBox(brightness, 4, SHAPE), generator=generator) for half in (attack.passive, attack.query)
    ]
    found = attack.evidence(BlackBox(brightness, 4, SHAPE), generator=rng(5))
    expected = [half.reach / np.quantile(half.reach, 0.75) for half in halves]
    np.testing.assert_allclose(found.probe, expected)
    np.testing.assert_allclose(found.reach, (expected[0] + expected[1]) / 2)
