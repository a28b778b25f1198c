"""Controls: what each one reads, against closed forms."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest
from toys import blobs, grant, linear, rng, trained

from labelleak_lib import space
from labelleak_lib.attacks.direct_probe import DirectProbe
from labelleak_lib.attacks.head_readings import HeadBias, HeadRowSum
from labelleak_lib.attacks.random_inputs import RandomInputs, RandomNoise
from labelleak_lib.attacks.random_photos import RandomPhotos
from labelleak_lib.attacks.unread import RandomGuess, Trivial
from labelleak_lib.criteria.scores import AboveHalf, Nothing, TwoMeans
from labelleak_lib.data.samples import Samples
from labelleak_lib.evidence import Evidence
from labelleak_lib.models.access import BlackBox, WhiteBox

QUERIES = [RandomInputs, RandomNoise, RandomPhotos]


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 20), channels=st.integers(1, 3), side=st.integers(8, 32), seed=st.integers(0, 1000))
def test_smooth_noise_is_images_that_differ_and_vary_slowly(n, channels, side, seed):
    noise = space.blobs(n, (channels, side, side), rng(seed))
    assert noise.shape == (n, channels, side, side)
    assert noise.min() >= 0 and noise.max() <= 1
    assert len(noise.flatten(1).unique(dim=0)) == n


def test_smooth_noise_is_smoother_than_pixels_drawn_one_by_one():
    smooth, raw = space.blobs(50, (1, 28, 28), rng()), torch.rand((50, 1, 28, 28), generator=rng())
    assert smooth.diff(dim=2).abs().mean() < 0.3 * raw.diff(dim=2).abs().mean()
    assert smooth.std() > 0.1, "smooth, but not grey"


def test_the_trivial_answer_is_nothing_and_asks_nothing():
    box = BlackBox.of(trained())
    found = Trivial().evidence(box, generator=rng())
    assert found.score.tolist() == [0, 0, 0, 0] and box.queries == 0
    assert Nothing().decide(found) == frozenset()


def test_a_random_guess_is_a_fair_coin_for_every_class():
    box = BlackBox.of(trained(10))
    found = [RandomGuess().evidence(box, generator=rng(seed)) for seed in range(200)]
    assert kstest(np.concatenate([f.score for f in found]), "uniform").pvalue > 1e-3
    called = np.array([[c in AboveHalf().decide(f) for c in range(10)] for f in found])
    assert chisquare(np.bincount(called.flatten())).pvalue > 1e-3
    assert (called.sum(0) > 60).all() and box.queries == 0


def test_the_direct_probe_is_one_minus_the_accuracy_on_each_class():
    model, pool = linear(seed=3), blobs(per_class=15, seed=6)
    found = DirectProbe().evidence(grant("white_box_with_samples", model, pool=pool), generator=rng())
    with torch.no_grad():
        predicted = model(pool.images.float() / 255).argmax(1)
    expected = [1 - float((predicted[pool.labels == c] == c).float().mean()) for c in range(4)]
    np.testing.assert_allclose(found.score, expected, atol=1e-6)
    assert len(set(expected)) > 1


def test_the_direct_probe_finds_a_class_that_the_model_never_answers():
    model, shifted = linear(seed=3), linear(seed=3)
    with torch.no_grad():
        for m in (model, shifted):
            m.head.weight.copy_(torch.stack([blobs(per_class=1).images[c].flatten().float() for c in range(4)]) / 255)
            m.head.bias.copy_(-m.head.weight.square().sum(1) / 2)  # the nearest picture
        shifted.head.bias[2] -= 100
    usual, found = (
        DirectProbe().evidence(grant("white_box_with_samples", m), generator=rng()) for m in (model, shifted)
    )
    assert AboveHalf().decide(found) == {2} == TwoMeans().decide(found)
    assert 2 not in AboveHalf().decide(usual)


def test_readings_of_the_head_agree_with_numpy():
    model = linear(seed=2)
    weight, bias = model.head.weight.detach().double().numpy(), model.head.bias.detach().double().numpy()
    np.testing.assert_allclose(HeadBias().evidence(WhiteBox(model), generator=rng()).score, -bias)
    np.testing.assert_allclose(HeadRowSum().evidence(WhiteBox(model), generator=rng()).score, -weight.sum(1))


@pytest.mark.parametrize("reading", [HeadBias(), HeadRowSum()], ids=lambda a: a.name)
def test_a_class_pushed_down_in_the_head_is_read_off_it(reading):
    model = linear(seed=2, scale=0.01)
    with torch.no_grad():
        model.head.bias[1] -= 3
        model.head.weight[1] -= 3
    assert TwoMeans().decide(reading.evidence(WhiteBox(model), generator=rng())) == {1}


class Recorder:
    """Answer as three classes, the first the likelier the brighter the image, and keep what was asked."""

    def __call__(self, images):
        self.asked = images.clone()
        bright = images.flatten(1).mean(1)
        return torch.stack([bright, (1 - bright) * 0.7, (1 - bright) * 0.3], dim=1)


@pytest.mark.parametrize("attack", QUERIES, ids=lambda a: a.__name__)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (1, 28, 28)])
def test_random_inputs_are_images_asked_once_and_scored_by_mean_log_probability(attack, shape):
    recorder = Recorder()
    box = BlackBox(recorder, 3, shape)
    found = attack(inputs=30).evidence(box, generator=rng(3))
    assert recorder.asked.shape == (30, *shape)
    assert found.queries == box.queries == 30
    expected = -np.log(recorder(recorder.asked).double().numpy()).mean(0)
    np.testing.assert_allclose(found.score, expected, rtol=1e-6)
    assert recorder.asked.flatten(1).unique(dim=0).shape[0] == 30
    assert found.attack == attack.name


@pytest.mark.parametrize("attack", QUERIES, ids=lambda a: a.__name__)
def test_the_probe_sums_up_growing_numbers_of_inputs(attack):
    recorder = Recorder()
    found = attack(inputs=120).evidence(BlackBox(recorder, 3, (1, 8, 8)), generator=rng(3))
    answers = recorder(recorder.asked).double().numpy()
    assert found.probe[:, 0].tolist() == [10, 100, 120]
    for row in found.probe:
        first = answers[: int(row[0])]
        np.testing.assert_allclose(row[1:4], np.log(first).mean(0), rtol=1e-6)
        np.testing.assert_allclose(row[4:7], first.max(0), rtol=1e-6)
        np.testing.assert_array_equal(row[7:], np.bincount(first.argmax(1), minlength=3))


def test_a_probability_of_zero_scores_a_large_finite_number():
    def certain(images):
        return torch.eye(3)[torch.zeros(len(images), dtype=torch.long)]

    found = RandomInputs(inputs=5).evidence(BlackBox(certain, 3, (1, 8, 8)), generator=rng())
    assert found.score[0] == 0 and np.isfinite(found.score).all() and (found.score[1:] > 50).all()


def test_random_noise_is_uniform():
    recorder = Recorder()
    RandomNoise(inputs=40).evidence(BlackBox(recorder, 3, (1, 8, 8)), generator=rng(1))
    assert kstest(recorder.asked.flatten().numpy(), "uniform").pvalue > 1e-3


def test_photographs_have_colour_where_the_input_has():
    for channels, coloured in ((1, False), (3, True)):
        recorder = Recorder()
        RandomPhotos(inputs=6).evidence(BlackBox(recorder, 3, (channels, 32, 32)), generator=rng(1))
        assert bool((recorder.asked.std(dim=1, correction=0) > 0).any()) == coloured
        assert recorder.asked.std() > 0.05


@pytest.mark.parametrize("decide", [AboveHalf().decide, TwoMeans().decide])
def test_equal_scores_call_nothing(decide):
    assert decide(Evidence("toy", 4, np.full(4, 0.5))) == frozenset()


def test_above_half_and_two_means_read_high_scores_as_forgotten():
    evidence = Evidence("toy", 4, np.array([0.1, 0.9, 0.2, 0.51]))
    assert AboveHalf().decide(evidence) == {1, 3}
    assert TwoMeans().decide(evidence) == {1, 3}
    assert TwoMeans().decide(Evidence("toy", 3, np.array([-5.0, 8.0, -4.0]))) == {1}


def test_the_probe_of_a_pool_counts_the_classes_it_holds():
    pool = blobs(per_class=5, seed=2)
    doubled = Samples(torch.cat([pool.images] * 2), torch.cat([pool.labels] * 2))
    first, second = (
        DirectProbe().evidence(grant("white_box_with_samples", trained(), pool=p), generator=rng())
        for p in (pool, doubled)
    )
    np.testing.assert_array_equal(first.score, second.score)
