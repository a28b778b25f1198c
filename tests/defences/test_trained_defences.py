"""Defences that train on: what each promises of the model that it returns."""

import builtins
import copy
import math

import numpy as np
import pytest
import torch
from toys import RECIPE, blobs, grant, rng, trained

from labelleak_lib.attacks.passive_reach import PassiveReach
from labelleak_lib.data.samples import split_classes
from labelleak_lib.defences.bias_reversal import BiasReversal
from labelleak_lib.defences.decoy import Decoy
from labelleak_lib.defences.descent import descend
from labelleak_lib.defences.dp_sgd import DPSGD
from labelleak_lib.defences.lower_bound_hinge import LowerBoundHinge
from labelleak_lib.defences.matched_decoy import MatchedDecoy, sizes
from labelleak_lib.defences.rows import gone
from labelleak_lib.defences.smoothing import Smoothing
from labelleak_lib.defences.surplus import Surplus
from labelleak_lib.defences.trew import Trew, tilted
from labelleak_lib.models.classifier import extract_features, predict_proba
from labelleak_lib.models.evaluation import accuracy
from labelleak_lib.unlearning import apply_method
from labelleak_lib.unlearning.retrain import Retrain

FORGOTTEN, KEPT = (2,), [0, 1, 3]
RETAIN, FORGET = split_classes(blobs(), FORGOTTEN)
NOTHING = FORGET.where(FORGET.labels < 0)


@pytest.fixture(scope="module")
def retrained():
    """Return a model that never saw the class; no test may change it."""
    return apply_method(Retrain(RECIPE), trained(), RETAIN, FORGET, generator=rng())


def defend(defence, model, forget=FORGET, seed=0):
    return defence.defend(copy.deepcopy(model), RETAIN, forget, generator=rng(seed))


def test_the_hinge_lifts_a_low_bias_to_its_bound_and_keeps_the_features(retrained):
    low = copy.deepcopy(retrained)
    with torch.no_grad():
        low.head.bias[2] = -3.0
    free, held = (defend(LowerBoundHinge(steps=600, bound=-0.2, weight=w), low) for w in (0.0, 0.01))
    free_bias, held_bias = (float(model.head.bias[2].detach()) for model in (free, held))
    assert free_bias < -1 and held_bias == pytest.approx(-0.2, abs=0.05)
    assert all(torch.equal(a, b) for a, b in zip(held.features.parameters(), low.features.parameters(), strict=True))
    assert accuracy(held, RETAIN) >= accuracy(low, RETAIN) - 0.02


def test_one_step_of_the_hinge_follows_its_gradient(retrained):
    hinge = LowerBoundHinge(steps=1, batch_size=16, lr=0.01, bound=0.5, weight=2.0, weight_decay=0.0)
    found = defend(hinge, retrained).head.bias.detach().double()
    index = torch.randint(len(RETAIN), (16,), generator=rng())
    phi, labels = extract_features(retrained, RETAIN.images[index]).double(), RETAIN.labels[index]
    weight, bias = (t.detach().double() for t in (retrained.head.weight, retrained.head.bias))
    error = ((phi @ weight.T + bias).softmax(1) - torch.nn.functional.one_hot(labels, 4)) / 16
    down = error.sum(0)
    down[2] -= 2 * 2.0 * (0.5 - bias[2])
    norm = torch.cat([down, (error.T @ phi).flatten()]).norm()
    # the first step of Nesterov's momentum is 1.9 times the plain one
    torch.testing.assert_close(found, bias - 0.01 * 1.9 * down * min(1, 5 / norm), rtol=0, atol=1e-6)


def test_reversed_gradients_lower_the_retained_biases_with_the_forgotten_one():
    with_, without = (defend(BiasReversal(ascent=10, repair=1, factor=f), trained()) for f in (-1.0, 1.0))
    shift = [found.head.bias.detach() - trained().head.bias.detach() for found in (with_, without)]
    assert shift[0][2] < -0.01 and shift[1][2] < -0.01
    assert (shift[0][KEPT] < 0).all() and (shift[1][KEPT] > 0).all()
    torch.testing.assert_close(with_.head.weight[2], without.head.weight[2], atol=2e-2, rtol=0)


def test_a_tilted_distribution_is_the_projection_with_its_expected_similarity():
    p, s = torch.tensor([[0.4, 0.1, 0.3, 0.2]], dtype=torch.float64), torch.tensor([[0.9, 0.1, 0.6, 0.3]])
    forgotten = torch.tensor([True, False, False, False])
    q = tilted(p.log(), s.double(), forgotten, beta=3.0)[0]
    assert q[0] == 0 and q.sum() == pytest.approx(1)
    by_hand = np.array([0.1 * math.exp(0.3), 0.3 * math.exp(1.8), 0.2 * math.exp(0.9)])
    np.testing.assert_allclose(q[1:], by_hand / by_hand.sum(), rtol=1e-6)
    # among all on the retained classes with this expected similarity none is nearer to p
    level, ways = float((q * s[0]).sum()), np.linspace(0.001, 0.998, 997)
    for share in ways:
        other = np.linalg.solve([[1, 1], [0.6, 0.3]], [1 - share, level - 0.1 * share])
        if (other > 0).all():
            r = np.array([share, *other])
            divergence = (r * np.log(r / p[0, 1:].numpy())).sum()
            assert divergence >= float((q[1:] * (q[1:] / p[0, 1:]).log()).sum()) - 1e-9


def test_trew_takes_the_class_from_a_model_that_knows_it():
    found = defend(Trew(steps=120, batch_size=32), trained())
    assert accuracy(trained(), FORGET) > 0.9 and accuracy(found, FORGET) == 0
    assert accuracy(found, RETAIN) >= accuracy(trained(), RETAIN) - 0.02


def test_smoothed_labels_keep_every_class_near(retrained):
    found = defend(Smoothing(steps=150, batch_size=32, share=0.2), retrained)
    images = RETAIN.images.float() / 255
    with torch.no_grad():
        p = [model(images).softmax(1)[:, 2].mean() for model in (retrained, found)]
    assert p[0] < 0.02 and p[1] == pytest.approx(0.2 / 4, abs=0.02)
    assert accuracy(found, RETAIN) >= accuracy(retrained, RETAIN) - 0.02


@pytest.fixture(scope="module")
def decoyed(retrained):
    """Return the model with decoys, and with decoys whose rows are matched; no test may change them."""
    return [defend(kind(inputs=400, steps=150, batch_size=24), retrained) for kind in (Decoy, MatchedDecoy)]


def test_decoys_give_a_forgotten_class_reach_and_cost_little(retrained, decoyed):
    found = decoyed[0]
    reach = [
        PassiveReach(inputs=400).evidence(grant("black_box", model), generator=rng(9)).reach
        for model in (retrained, found)
    ]
    assert reach[0][2] < 0 < reach[1][2]
    assert accuracy(found, RETAIN) >= accuracy(retrained, RETAIN) - 0.02 and accuracy(found, FORGET) == 0


def test_decoys_are_as_many_as_a_retained_class_has_answers_and_swap_two_classes(retrained):
    decoy = Decoy(inputs=300)
    unrelated, forgotten = decoy.unrelated(retrained, rng()), gone(retrained, FORGET)
    assert len(unrelated) == 300 and decoy.unrelated(retrained, rng(1)).shape == unrelated.shape
    before = retrained(unrelated).softmax(1).detach()
    target = decoy.targets(retrained, unrelated, forgotten, rng(2))
    counts = torch.bincount(before.argmax(1), minlength=4)[KEPT]
    changed = (target != before).any(1)
    assert int(changed.sum()) == int((target.argmax(1) == 2).sum()) == int(counts.median())
    torch.testing.assert_close(target[changed].sort(1).values, before[changed].sort(1).values)


def test_the_guard_holds_forgotten_samples_away_from_their_class():
    known = []
    for guard in (0.0, 1.0):
        found = defend(Decoy(inputs=100, steps=10, batch_size=24, lr=0.02, guard=guard), trained())
        known.append(float(predict_proba(found, FORGET.images)[:, 2].mean()))
    assert known[0] > 0.3 and known[1] < known[0] / 2


def test_a_matched_decoy_has_rows_of_ordinary_size(decoyed):
    away = []
    for model in decoyed:
        now = sizes(model).detach()
        away.append(((now[:, 2] - now[:, KEPT].mean(1)) / now[:, KEPT].std(1)).abs().max())
    assert away[1] < 2.5 and away[1] < away[0]


def test_dummies_are_out_of_reach_and_classes_keep_their_accuracy():
    whole = blobs()
    found = Surplus(dummies=3, steps=60, batch_size=32).defend(
        copy.deepcopy(trained()), whole, NOTHING, generator=rng()
    )
    assert found.spec.classes == 7
    assert accuracy(found, whole) >= accuracy(trained(), whole) - 0.02
    again = apply_method(Retrain(RECIPE), found, RETAIN, FORGET, generator=rng())
    reach = PassiveReach(inputs=200).evidence(grant("black_box", again), generator=rng()).reach
    assert set(np.flatnonzero(reach <= 0)) >= {2, 4, 5, 6} and again.spec.classes == 7


def test_a_descent_takes_the_steps_of_sgd_at_a_falling_rate():
    model = copy.deepcopy(trained())
    moved, start = [model.head.bias], model.head.bias.detach().clone()
    descend(model, lambda: model.head.bias.sum() * 0.1, steps=4, lr=0.5, parameters=moved)
    velocity, position = 0.0, 0.0
    for step in range(4):
        rate = 0.5 * (1 + step * (1 / 4 - 1) / 4)
        velocity = 0.9 * velocity + 0.1
        position -= rate * (0.1 + 0.9 * velocity)
    torch.testing.assert_close(model.head.bias.detach(), start + position)
    assert all(
        torch.equal(a, b) for a, b in zip(model.features.parameters(), trained().features.parameters(), strict=True)
    )


def test_without_opacus_dp_sgd_says_so_in_one_sentence(monkeypatch):
    found = builtins.__import__

    def missing(name, *args, **options):
        if name.split(".")[0] == "opacus":
            raise ImportError(name)
        return found(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert DPSGD().missing().startswith("DP-SGD is left out: it needs the package opacus")
    with pytest.raises(ValueError, match=r"^DP-SGD is left out: "):
        defend(DPSGD(steps=1), trained())


def test_dp_sgd_spends_more_with_less_noise_and_learns():
    pytest.importorskip("opacus", reason=DPSGD().missing())
    loud, quiet = DPSGD(steps=60, batch_size=24, noise=2.0), DPSGD(steps=60, batch_size=24, noise=0.5)
    assert 0 < loud.epsilon(1000) < quiet.epsilon(1000)
    assert accuracy(defend(quiet, trained()), RETAIN) > 0.6


def test_where_nothing_was_forgotten_repairs_leave_the_model_as_it_is():
    for defence in (LowerBoundHinge(), BiasReversal(), Trew(), Decoy(), MatchedDecoy()):
        model = copy.deepcopy(trained())
        assert defence.defend(model, blobs(), NOTHING, generator=rng()) is model
