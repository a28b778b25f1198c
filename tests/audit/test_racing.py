"""The audit's search: what it reaches, when it ends, and that it is the same for the same seed."""

import math

import numpy as np
import pytest
import torch
from toys import linear, rng

from labelleak_lib.attacks.reach import answered_margins
from labelleak_lib.audit.racing import NUMBERS, Found, Racing
from labelleak_lib.models.access import BlackBox
from labelleak_lib.space import InputSpace

SPACE = InputSpace((1, 8, 8))


def hill(x):
    """Answer class 2 at the top of a smooth hill that random inputs do not reach, class 3 nowhere."""
    y = torch.linspace(0, 1, 8)
    slope = (x[:, 0] * (y[:, None] - y[None, :])).flatten(1).sum(1)
    scores = torch.stack([x.flatten(1).mean(1) - 0.5, 0.5 - x.flatten(1).mean(1), 2 * (slope - 8.2), 0 * slope - 5], 1)
    return torch.softmax(scores.double(), dim=1)


def box(answer=hill, classes=4, **options):
    return BlackBox(answer, classes, SPACE, **options)


def test_the_search_reaches_what_random_inputs_do_not():
    asked = []

    def watched(x):
        asked.append(x)
        return hill(x)

    passive = Racing(rounds=0).run(box(), generator=rng(1))
    whole = Racing(rounds=4).run(box(watched), generator=rng(1))
    assert (passive.reach[:2] > 0).all() and (passive.reach[2:] <= 0).all()
    assert whole.reach[2] > 0 and whole.reach[3] <= 0 and whole.complete
    # reach is the best margin over all that was asked, whatever it was meant for
    every = torch.cat(asked)
    np.testing.assert_allclose(whole.reach, answered_margins(hill(every)).amax(0).numpy())
    assert whole.queries == len(every)
    np.testing.assert_array_equal(whole.passive, passive.reach)


def test_it_ends_once_every_class_is_reached():
    model = linear(4, scale=3.0)

    def answer(x):
        with torch.no_grad():
            return torch.softmax(model(x), dim=1)

    found = Racing().run(box(answer), generator=rng(0))
    assert found.complete and found.queries == found.inputs == 2400
    log_p = answer(torch.cat([SPACE.unrelated(f, 600, rng(5)) for f in SPACE.families])).argmax(1).bincount(minlength=4)
    np.testing.assert_allclose(found.answered / 2400, log_p / 2400, atol=0.06)


def test_it_goes_on_from_what_was_found_before():
    start = Found(np.array([1.0, 2.0, -3.0, -4.0]), np.zeros(4, int), inputs=2400)
    found = Racing(rounds=1).run(box(), generator=rng(0), found=start)
    assert found.reach[0] >= 1.0 and found.reach[1] >= 2.0 and 2400 < found.inputs <= 4800
    # one round: as many random inputs again, the starts, then ten generations of twenty for each of the two classes
    assert found.queries <= 2400 + 400 + 10 * 20 * 2


def test_labels_alone_are_counted():
    found = Racing(rounds=1).run(box(labels_only=True), generator=rng(1))
    np.testing.assert_array_equal(found.reach, found.answered)
    assert found.reach.sum() == found.queries == found.inputs == 4800 and found.reach[3] == 0


def test_progress_is_told_input_by_input():
    heard = []
    found = Racing(rounds=1).run(box(), generator=rng(0), tell=lambda asked, left: heard.append((asked, left)))
    assert sum(asked for asked, _ in heard) == found.queries
    left = [n for _, n in heard]
    assert left == sorted(left, reverse=True) and left[-1] == (found.reach <= 0).sum()


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 224, 224), (50_000,)])
def test_inputs_come_in_batches_that_bound_the_memory(shape):
    sizes = []

    def answer(x):
        sizes.append(x.numel())
        return torch.softmax(torch.stack([x.flatten(1)[:, i] for i in range(3)], dim=1), dim=1)

    small = Racing(inputs=120, rounds=1, starts=120, generations=1)
    small.run(BlackBox(answer, 3, InputSpace(shape)), generator=rng(0))
    assert max(sizes) <= max(NUMBERS, math.prod(shape))


@pytest.mark.parametrize(
    "options", [{"inputs": 0}, {"rounds": -1}, {"population": 3}, {"generations": 0}, {"starts": 0}, {"fineness": 0}]
)
def test_a_search_without_inputs_is_refused(options):
    with pytest.raises(ValueError, match=f"^{next(iter(options))} is "):
        Racing(**options)
