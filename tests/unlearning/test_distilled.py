"""Methods that distil: DELETE, SCRUB and bad teaching, each beside its formula on a linear model."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from scipy.stats import entropy
from toys import blobs, linear, rng, same_state, trained

from labelleak_lib.data.samples import split_classes
from labelleak_lib.models import classifier
from labelleak_lib.models.evaluation import accuracy
from labelleak_lib.unlearning.bad_teacher import BadTeacher
from labelleak_lib.unlearning.delete import Delete, masked_answers
from labelleak_lib.unlearning.descent import divergence
from labelleak_lib.unlearning.scrub import Scrub

FORGOTTEN = (1, 3)


RETAIN, FORGET = split_classes(blobs(), FORGOTTEN)


PLAIN = {"batch_size": 1000, "momentum": 0.0, "weight_decay": 0.0, "optimiser": "sgd", "clip_norm": 1e9}
"""One batch is the whole set, and a step is the gradient's."""


def pixels(samples):
    """Return images as rows, with a one for the bias behind."""
    flat = samples.images.flatten(1).double().numpy() / 255
    return np.hstack([flat, np.ones((len(flat), 1))])


def whole(model):
    """Return weights and biases as one array (classes, d + 1)."""
    return np.hstack([model.head.weight.detach().double().numpy(), model.head.bias.detach().double().numpy()[:, None]])


def start():
    return linear(seed=3, scale=0.05)


def test_the_divergence_is_the_mean_over_samples_and_not_over_classes():
    target, logits = (torch.randn((7, 5), generator=rng(seed)) for seed in (0, 1))
    expected = entropy(softmax(target.numpy(), axis=1), softmax(logits.numpy() / 2, axis=1), axis=1).mean()
    assert divergence(target.softmax(1), logits, 2.0).item() == pytest.approx(expected, rel=1e-5)
    assert divergence(logits.softmax(1), logits).item() == pytest.approx(0, abs=1e-6)


def test_the_masked_answer_is_the_originals_with_the_true_class_struck_out():
    found = masked_answers(start(), FORGET).numpy()
    p = softmax(pixels(FORGET) @ whole(start()).T, axis=1)
    p[np.arange(len(p)), FORGET.labels] = 0
    np.testing.assert_allclose(found, p / p.sum(1, keepdims=True), atol=1e-6)


def test_a_step_of_delete_is_the_gradient_of_the_divergence():
    found = Delete(epochs=1, lr=0.5, **PLAIN).unlearn(start(), RETAIN, FORGET, generator=rng())
    x, w = pixels(FORGET), whole(start())
    p = softmax(x @ w.T, axis=1)
    target = p.copy()
    target[np.arange(len(p)), FORGET.labels] = 0
    target /= target.sum(1, keepdims=True)
    np.testing.assert_allclose(whole(found), w - 0.5 * (p - target).T @ x / len(x), atol=1e-6)


def test_delete_comes_to_answer_as_the_original_does_without_the_class():
    retain, forget = split_classes(blobs(), (1,))
    found = Delete(epochs=150, lr=0.02, batch_size=16).unlearn(trained(), retain, forget, generator=rng())
    assert accuracy(found, forget) == 0
    before, after = masked_answers(trained(), forget), classifier.predict_proba(found, forget.images)
    assert entropy(before, after, axis=1).mean() < 0.1 < entropy(before, np.full((1, 4), 0.25), axis=1).mean()


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_scrubs_distance_is_the_scaled_divergence_of_softened_answers(temperature):
    teacher, student = (torch.randn((7, 5), generator=rng(seed)) for seed in (0, 1))
    p, q = (softmax(logits.numpy() / temperature, axis=1) for logits in (teacher, student))
    expected = temperature**2 * entropy(p, q, axis=1).mean()
    assert Scrub(temperature=temperature).distance(teacher, student).item() == pytest.approx(expected, rel=1e-4)


def test_scrub_leaves_its_teacher_on_the_forget_set_and_stays_with_it_on_the_rest():
    """Written again in numpy: of the passes the first two climb on D_f first."""
    settings = PLAIN | {"momentum": 0.9, "weight_decay": 0.01, "forget_batch_size": 1000}
    method = Scrub(epochs=4, lr=0.5, leaving=0.5, temperature=2.0, alpha=0.3, gamma=0.7, **settings)
    found = method.unlearn(start(), RETAIN, FORGET, generator=rng())
    w, velocity = whole(start()), np.zeros_like(whole(start()))
    (x_f, x_r), one_hot = (pixels(s) for s in (FORGET, RETAIN)), np.eye(4)[RETAIN.labels]
    teacher_f, teacher_r = (softmax(x @ w.T / 2, axis=1) for x in (x_f, x_r))

    def pull(x, teacher):
        return 2 * (softmax(x @ w.T / 2, axis=1) - teacher).T @ x / len(x)

    for epoch in range(4):
        for climbing in (True, False) if epoch < 2 else (False,):
            fit = 0.7 * (softmax(x_r @ w.T, axis=1) - one_hot).T @ x_r / len(x_r)
            slope = -pull(x_f, teacher_f) if climbing else 0.3 * pull(x_r, teacher_r) + fit
            velocity = 0.9 * velocity + slope + 0.01 * w
            w = w - 0.5 * velocity
    np.testing.assert_allclose(whole(found), w, atol=2e-6)


def test_scrubs_teacher_is_not_its_student():
    method = Scrub(epochs=6, lr=0.5, leaving=1.0, alpha=0.0, gamma=0.0, weight_decay=0.01)
    found = method.unlearn(start(), RETAIN, FORGET, generator=rng())
    x = pixels(FORGET)
    before, after = (log_softmax(x @ whole(model).T, axis=1) for model in (start(), found))
    assert (np.exp(before) * (before - after)).sum(1).mean() > 0.1, "it moved away from what it was"


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_bad_teachers_first_step_moves_towards_ignorance_on_the_forget_set_alone(share):
    """On D_r the student is its own teacher at first, whose pull is nothing; it counts in the mean."""
    method = BadTeacher(epochs=1, lr=0.5, share=share, **(PLAIN | {"batch_size": 1000}))
    found = method.unlearn(start(), RETAIN, FORGET, generator=rng(5))
    seed = int(torch.randint(2**31, (1,), generator=rng(5)))
    ignorant = classifier.build(start().spec, seed=seed)
    x, w, n = pixels(FORGET), whole(start()), len(FORGET) + round(share * len(RETAIN))
    target = classifier.predict_proba(ignorant, FORGET.images).double().numpy()
    expected = w - 0.5 * (softmax(x @ w.T, axis=1) - target).T @ x / n
    np.testing.assert_allclose(whole(found), expected, atol=1e-6)


def test_a_student_of_a_bad_teacher_answers_the_forget_set_as_an_untrained_network_does():
    method = BadTeacher(epochs=150, lr=0.01, share=1.0, batch_size=32)
    found = method.unlearn(start(), RETAIN, FORGET, generator=rng(5))
    answers = classifier.predict_proba(found, FORGET.images)
    assert answers.max() < 0.6, "it is sure of nothing"
    before, after = (classifier.predict_proba(model, RETAIN.images) for model in (start(), found))
    assert (before - after).abs().mean() < 0.1


@pytest.mark.parametrize("method", [Delete(epochs=2), Scrub(lr=0.1), BadTeacher(lr=0.01)], ids=repr)
def test_the_rate_decides_how_far_it_goes(method):
    far, near = (
        dataclasses.replace(method, lr=factor * method.lr).unlearn(start(), RETAIN, FORGET, generator=rng())
        for factor in (1, 1e-3)
    )
    assert not same_state(far.state_dict(), near.state_dict())
    moved = [np.abs(whole(model) - whole(start())).max() for model in (far, near)]
    assert moved[1] < 0.1 * moved[0]
