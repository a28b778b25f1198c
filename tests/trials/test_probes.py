"""The probe finds what linear features hold and no more, and relearning counts its steps."""

import copy

import numpy as np
import pytest
import torch
from toys import blobs, linear, rng, same_state, snapshot, trained

from labelleak_lib.data.samples import split_classes
from labelleak_lib.models.evaluation import accuracy
from labelleak_lib.trials.probes import LinearProbe, Relearning, few_of_each


def test_a_few_of_every_class_are_drawn_the_same_for_the_same_seed():
    samples = blobs(classes=4, per_class=24)
    first, again, other = (few_of_each(samples, 5, rng(seed)) for seed in (0, 0, 1))
    assert torch.bincount(first.labels).tolist() == [5, 5, 5, 5] and torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)
    assert len(few_of_each(samples, 100, rng())) == len(samples)


def test_the_probe_does_not_read_the_head_and_leaves_the_model_alone():
    model, test = copy.deepcopy(trained()), blobs(seed=3)
    with torch.no_grad():
        model.head.weight[2], model.head.bias[2] = 0.0, -100.0
    before = snapshot(model)
    _, forgotten = split_classes(test, (2,))
    assert accuracy(model, forgotten) == 0.0
    assert LinearProbe(count=20).accuracies(model, blobs(seed=1), [forgotten]) == [1.0]
    assert same_state(before, model.state_dict())


def test_the_probe_finds_nothing_where_features_tell_nothing():
    model = linear()
    model.features = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.0))
    model.features.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
    (right,) = LinearProbe().accuracies(model, blobs(seed=1), [blobs(seed=2)])
    assert right == pytest.approx(0.25)


def test_steps_are_counted_to_the_first_at_which_the_goal_is_met():
    model, few, test = copy.deepcopy(trained()), blobs(per_class=10, seed=1), blobs(seed=3)
    with torch.no_grad():
        model.head.bias[2] -= 15
    before, (_, forgotten) = snapshot(model), split_classes(test, (2,))
    half, most = Relearning(lr=0.05).steps(model, few, forgotten, [0.5, 0.9])
    assert 0 < half <= most < 300 and same_state(before, model.state_dict())
    # so many steps are enough, and one fewer is not
    assert Relearning(lr=0.05, most=int(half)).steps(model, few, forgotten, [0.5]) == [half]
    assert np.isnan(Relearning(lr=0.05, most=int(half) - 1).steps(model, few, forgotten, [0.5])).all()


def test_a_class_that_is_known_takes_no_step():
    _, known = split_classes(blobs(seed=3), (1,))
    assert Relearning().steps(trained(), blobs(), known, [0.5, 0.9]) == [0.0, 0.0]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: LinearProbe(count=0), "count is 0"),
        (lambda: LinearProbe(penalty=0), "penalty is 0"),
        (lambda: Relearning(lr=-1), "lr is -1"),
        (lambda: Relearning(most=0), "most is 0"),
    ],
)
def test_what_cannot_be_measured_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
