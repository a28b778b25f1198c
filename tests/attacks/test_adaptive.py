"""Attacks that know a defence: each finds what that defence leaves, and nothing where nothing was forgotten."""

import copy
import itertools

import numpy as np
import pytest
import torch
from toys import blobs, linear, rng, same_evidence, trained

from labelleak_lib.attacks.adaptive import ADAPTIVE
from labelleak_lib.attacks.adaptive.answers import side_by_side, strokes
from labelleak_lib.attacks.adaptive.missing import NamedOutputs, without_output
from labelleak_lib.attacks.adaptive.unreached import odd_ones
from labelleak_lib.data.samples import split_classes
from labelleak_lib.defences.drop_rows import DropRows
from labelleak_lib.defences.mask import Mask
from labelleak_lib.defences.matched_row import MatchedRow
from labelleak_lib.defences.mean_row import MeanRow
from labelleak_lib.defences.surplus import Surplus
from labelleak_lib.models.access import BlackBox, BlackBoxWithSamples, WhiteBox
from labelleak_lib.registry import CRITERIA

CLASS = 2
RETAIN, FORGET = split_classes(blobs(), (CLASS,))
NOTHING = FORGET.where(FORGET.labels < 0)


def named(name, access, **fields):
    attack = ADAPTIVE[name](**fields)
    return CRITERIA[attack.criterion]().decide(attack.evidence(access, generator=rng(1)))


def defended(defence, forget=FORGET, model=None):
    return defence.defend(copy.deepcopy(model or trained()), RETAIN, forget, generator=rng())


def granted(kind, model):
    box, pool = BlackBox.of(model), blobs(per_class=6, seed=4)
    if kind in ("samples", "original"):
        return BlackBoxWithSamples(box, pool.images, pool.labels, model.spec.classes)
    return {"white_box": WhiteBox(model), "names": NamedOutputs((0, 1, 2, 3), 4)}.get(kind, box)


@pytest.mark.parametrize("name", list(ADAPTIVE))
def test_an_adaptive_attack_is_read_by_a_rule_and_a_seed_decides_what_it_finds(name):
    attack = ADAPTIVE[name]()
    first, again = (attack.evidence(granted(attack.access_kind, trained()), generator=rng(3)) for _ in range(2))
    assert same_evidence(first, again) and first.attack == name
    assert first.score.shape == (first.classes,) and np.isfinite(first.score).all()
    assert CRITERIA[attack.criterion]().can_read(first) and isinstance(attack.title, str)


def test_a_masked_class_is_zero_for_every_input_and_no_other_is():
    assert named("always_zero", defended(Mask()).box()) == {CLASS}
    assert named("always_zero", defended(Mask(), NOTHING).box()) == frozenset()


@pytest.mark.parametrize("draw", [side_by_side, strokes])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 12)])
def test_other_inputs_lie_in_the_box_and_differ(draw, shape):
    images = draw(24, shape, rng())
    assert images.shape == (24, *shape) and images.min() >= 0 and images.max() <= 1
    assert torch.equal(images, draw(24, shape, rng())) and not torch.equal(images, draw(24, shape, rng(1)))
    assert len({image.numpy().tobytes() for image in images}) == 24


def test_other_inputs_leave_out_the_class_that_nothing_is_answered_with():
    model = linear(4, seed=1)
    with torch.no_grad():
        model.head.bias[CLASS] = -100.0
    assert named("other_inputs", BlackBox.of(model)) == {CLASS}


def rows(weight, bias):
    model = linear(len(bias), shape=(1, 8, 8))
    with torch.no_grad():
        model.head.weight.copy_(weight)
        model.head.bias.copy_(torch.tensor(bias))
    return model


def test_rows_give_away_the_mean_the_norm_and_what_is_too_typical():
    weight = torch.nn.functional.normalize(torch.randn((6, 64), generator=rng(2)))
    weight = weight * torch.tensor([[1.0], [1.05], [0.98], [1.1], [0.95], [1.02]])
    plain = rows(weight, [0.1, -0.2, 0.0, 0.3, -0.1, 0.2])
    retain, forget = split_classes(blobs(6), (CLASS,))
    in_the_mean, matched = (
        kind.defend(copy.deepcopy(plain), retain, forget, generator=rng()) for kind in (MeanRow(), MatchedRow())
    )
    assert named("row_distance", WhiteBox(in_the_mean)) == {CLASS}
    assert named("row_typical", WhiteBox(matched)) == {CLASS}
    assert named("row_typical", WhiteBox(plain)) == frozenset()
    for size in (0.2, 5.0):
        longer = weight.clone()
        longer[CLASS] *= size
        assert named("row_norm", WhiteBox(rows(longer, [0.0] * 6))) == {CLASS}


@pytest.mark.parametrize("name", ["row_distance", "row_norm", "row_typical"])
def test_a_row_that_a_defence_stretched_is_named_and_not_all_the_others(name):
    weight = torch.nn.functional.normalize(torch.randn((6, 64), generator=rng(2)))
    weight = weight * torch.tensor([[1.0], [1.05], [0.98], [1.1], [0.95], [1.02]])
    bias = [0.1, -0.2, 0.0, 0.3, -0.1, 0.2]
    assert named(name, WhiteBox(rows(weight, bias))) == frozenset()
    weight[CLASS] *= 8
    assert named(name, WhiteBox(rows(weight, bias))) == {CLASS}


def test_a_row_that_leans_towards_no_other_is_first_whatever_its_size():
    angle = torch.tensor([0.0, 0.3, 2.1, 2.4, 4.2])
    weight = torch.stack([angle.cos(), angle.sin(), torch.zeros(5)], 1)
    # at a right angle to all others
    weight = torch.cat([weight, torch.tensor([[0.0, 0.0, 1.0]])])[[0, 1, 5, 2, 3, 4]]
    attack = ADAPTIVE["row_evenness"]()
    for size in (0.3, 1.0):
        own = weight.clone()
        own[CLASS] *= size
        score = attack.evidence(WhiteBox(rows(torch.nn.functional.pad(own, (0, 61)), [0.0] * 6)), generator=rng()).score
        assert score.argmax() == CLASS
        centred = own - own.mean(0)
        cosine = torch.nn.functional.cosine_similarity(centred[None, 0], centred[1:], dim=1)
        assert score[0] == pytest.approx(-cosine.std(correction=0).item(), abs=1e-6)


def test_the_odd_ones_are_as_many_as_there_are_too_many_unreached():
    value, out = np.array([5.0, -1.0, -1.2, 7.0, -4.0, -0.9]), np.array([False, True, True, False, True, True])
    assert [int(odd_ones(value, out, m).sum()) for m in range(6)] == [4, 3, 2, 1, 0, 0]
    assert odd_ones(value, out, 3).tolist() == [0, 0, 0, 0, 1, 0]


@pytest.mark.parametrize("name", ["among_unreached", "row_among_unreached"])
def test_among_dummies_an_odd_output_is_named_only_if_one_is_too_many(name):
    model = linear(6, seed=4, scale=0.5)
    with torch.no_grad():
        model.head.bias[[1, 3, 5]] = torch.tensor([-90.0, -91.0, -90.5])
        model.head.weight[3] -= 1.0
    access = {"black_box": BlackBox.of(model), "white_box": WhiteBox(model)}[ADAPTIVE[name].access_kind]
    assert named(name, access, dummies=2) <= {1, 3, 5} and len(named(name, access, dummies=2)) == 1
    assert named(name, access, dummies=3) == frozenset()
    assert ADAPTIVE[name].against(Surplus(dummies=7)).dummies == 7
    assert ADAPTIVE[name]().dummies == Surplus().dummies


def test_the_list_of_classes_names_the_one_that_no_output_is_called_by():
    assert named("class_list", NamedOutputs((0, 1, 3), 4)) == {CLASS}
    assert named("class_list", NamedOutputs((0, 1, 2, 3), 4)) == frozenset()


def test_the_best_matching_leaves_out_the_class_without_an_output():
    counts = np.random.default_rng(0).integers(0, 50, (4, 3)).astype(float)
    share = counts / counts.sum(1, keepdims=True)
    best = max(itertools.permutations(range(4), 3), key=lambda p: sum(share[c, i] for i, c in enumerate(p)))
    expected = np.ones(4)
    expected[list(best)] -= [share[c, i] for i, c in enumerate(best)]
    np.testing.assert_allclose(without_output(counts), expected)


@pytest.mark.parametrize("name", ["missing_by_samples", "missing_by_original"])
def test_samples_match_outputs_with_classes_whatever_the_outputs_numbers(name):
    pool = blobs(per_class=10, seed=2)
    for forget, expected in ((FORGET, {CLASS}), (NOTHING, frozenset())):
        box = BlackBox.of(defended(DropRows(), forget))
        assert named(name, BlackBoxWithSamples(box, pool.images, pool.labels, 4)) == expected


def test_unlabelled_samples_name_the_output_that_none_is_answered_with():
    pool = blobs(per_class=10, seed=2)
    silent = copy.deepcopy(trained())
    with torch.no_grad():
        silent.head.bias[CLASS] = -100.0
    for model, expected in ((silent, {CLASS}), (trained(), frozenset())):
        labels = torch.zeros(len(pool), dtype=torch.long)
        assert named("unlabelled_samples", BlackBoxWithSamples(BlackBox.of(model), pool.images, labels, 4)) == expected
