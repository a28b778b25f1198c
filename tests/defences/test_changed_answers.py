"""Defences that change answers: closed forms, and what no change of answers can hide."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toys import linear, rng

from labelleak_lib.attacks.passive_reach import PassiveAnswers, PassiveReach
from labelleak_lib.attacks.reach import relative_reach
from labelleak_lib.data.samples import Samples
from labelleak_lib.defences.answers import Answers
from labelleak_lib.defences.label_only import LabelOnly
from labelleak_lib.defences.mask import Mask
from labelleak_lib.defences.rounded import Rounded
from labelleak_lib.defences.temperature import Temperature
from labelleak_lib.defences.top_k import TopK
from labelleak_lib.models.access import BlackBox

KEPT = Samples(torch.zeros((2, 1, 8, 8), dtype=torch.uint8), torch.tensor([0, 3]))
LOST = Samples(torch.zeros((1, 1, 8, 8), dtype=torch.uint8), torch.tensor([2]))
GONE = torch.tensor([False, False, True, False, False])
KEEPERS = [LabelOnly(), TopK(2), Rounded(1), Rounded(3), Temperature(7.0)]


def probabilities(n=200, seed=0, scale=4.0):
    return (scale * torch.randn((n, 5), generator=rng(seed), dtype=torch.float64)).softmax(1)


@pytest.mark.parametrize("defence", [*KEEPERS, Mask()], ids=repr)
def test_answers_are_probabilities(defence):
    found = defence.change(probabilities().log(), GONE)
    assert found.min() >= 0
    torch.testing.assert_close(found.sum(1), torch.ones(200, dtype=torch.float64))


@pytest.mark.parametrize("defence", KEEPERS, ids=repr)
@given(seed=st.integers(0, 2**20), scale=st.floats(0.01, 30))
def test_the_label_stays(defence, seed, scale):
    p = probabilities(20, seed, scale)
    assert torch.equal(defence.change(p.log(), GONE).argmax(1), p.argmax(1))


def test_masked_classes_have_no_mass_and_the_others_keep_their_ratios():
    p = probabilities()
    found = Mask().change(p.log(), GONE)
    assert (found[:, 2] == 0).all()
    torch.testing.assert_close(found[:, ~GONE], p[:, ~GONE] / (1 - p[:, 2:3]))


def test_the_highest_stay_and_the_rest_is_even():
    p = probabilities()
    found = TopK(2).change(p.log(), GONE)
    for row, given_ in zip(found.numpy(), p.numpy(), strict=True):
        best = np.argsort(-given_)
        np.testing.assert_allclose(row[best[:2]], given_[best[:2]])
        np.testing.assert_allclose(row[best[2:]], given_[best[2:]].mean())
    torch.testing.assert_close(TopK(5).change(p.log(), GONE), p)


def test_rounded_answers_have_so_many_decimals_and_none_but_the_highest_grows():
    p = probabilities()
    found = Rounded(2).change(p.log(), GONE).numpy()
    np.testing.assert_allclose(100 * found, np.rint(100 * found), atol=1e-9)
    highest = p.argmax(1).numpy()[:, None] == np.arange(5)
    assert (found[~highest] <= p.numpy()[~highest]).all() and (p.numpy()[~highest] - found[~highest] < 0.01).all()


def test_a_temperature_divides_every_margin_and_leaves_relative_reach_as_it_is():
    p = probabilities()
    found = Temperature(4.0).change(p.log(), GONE)
    torch.testing.assert_close((found / found[:, :1]).log(), (p / p[:, :1]).log() / 4)
    model = linear(5, seed=3)
    plain, flat = BlackBox.of(model), Temperature(4.0).defend(model, KEPT, LOST, generator=rng()).box()
    reaches = [-PassiveReach(inputs=80).evidence(box, generator=rng(1)).score for box in (plain, flat)]
    np.testing.assert_allclose(reaches[1], reaches[0] / 4, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(*map(relative_reach, reaches), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("defence", KEEPERS, ids=repr)
def test_who_reads_labels_alone_sees_no_difference(defence):
    model = linear(5, seed=3)
    boxes = (
        BlackBox.of(model, labels_only=True),
        defence.defend(model, KEPT, LOST, generator=rng()).box(labels_only=True),
    )
    plain, changed = (PassiveAnswers(inputs=80).evidence(box, generator=rng(1)).score for box in boxes)
    np.testing.assert_array_equal(plain, changed)


def test_answers_are_those_of_the_model_but_for_the_change():
    model, images = linear(5, seed=3), torch.rand((7, 1, 8, 8), generator=rng(5))
    found = Answers(model, lambda log_p: log_p.exp().flip(1))(images)
    torch.testing.assert_close(found.flip(1), model(images).softmax(1).detach())
    assert not found.requires_grad
