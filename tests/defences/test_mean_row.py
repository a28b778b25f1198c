"""A defence behind a method's code, and what the mean row hides and what it leaves."""

import copy

import pytest
import torch
from toys import RECIPE, blobs, grant, rng, snapshot, trained

from labelleak_lib.attacks.direct_probe import DirectProbe
from labelleak_lib.attacks.head_readings import HeadBias, HeadRowSum
from labelleak_lib.criteria.scores import TwoMeans
from labelleak_lib.data.samples import split_classes
from labelleak_lib.defences import defended
from labelleak_lib.defences.mean_row import MeanRow
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.unlearning import RecordsTraining, apply_method
from labelleak_lib.unlearning.amnesiac import Amnesiac
from labelleak_lib.unlearning.retrain import Retrain

FORGOTTEN, KEPT = [1, 3], [0, 2]
RETAIN, FORGET = split_classes(blobs(), FORGOTTEN)


@pytest.fixture(scope="module")
def models():
    """Return a retrained model, and the same one defended."""
    plain, hidden = Retrain(RECIPE), defended(Retrain(RECIPE), "mean_row")
    return [apply_method(method, trained(), RETAIN, FORGET, generator=rng()) for method in (plain, hidden)]


def test_forgotten_rows_become_the_mean_of_the_retained_ones_and_nothing_else_changes(models):
    before, after = map(snapshot, models)
    for name in ("head.weight", "head.bias"):
        expected = before.pop(name)
        expected[FORGOTTEN] = expected[KEPT].mean(0)
        torch.testing.assert_close(after.pop(name), expected, rtol=0, atol=1e-7)
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


def test_the_defence_itself_draws_nothing():
    model, generator = copy.deepcopy(trained()), rng(4)
    MeanRow().defend(model, RETAIN, FORGET, generator=generator)
    assert torch.equal(generator.get_state(), rng(4).get_state())


@pytest.mark.parametrize("reading", [HeadBias, HeadRowSum])
def test_readings_of_the_head_find_a_defended_class_within_the_retained_ones(models, reading):
    scores = [reading().evidence(grant("white_box", model), generator=rng()).score for model in models]
    assert scores[0][FORGOTTEN].min() > scores[0][KEPT].max()
    assert scores[1][KEPT].min() < scores[1][FORGOTTEN].min() <= scores[1][FORGOTTEN].max() < scores[1][KEPT].max()


def test_a_defended_class_is_still_never_answered(models):
    evidence = DirectProbe().evidence(grant("white_box_with_samples", models[1]), generator=rng())
    assert TwoMeans().decide(evidence) == set(FORGOTTEN) and (evidence.score[FORGOTTEN] == 1).all()


def test_a_code_with_a_defence_behind_it_is_the_trials_method_defended():
    spec = TrialSpec.from_parameters(dataset="digits")
    method = spec.method("RT+mean_row")
    assert (method.method, method.defence) == (spec.method("RT"), MeanRow())
    with pytest.raises(ValueError, match=r"^unknown defence 'wall'; known: .*mean_row"):
        spec.method("RT+wall")


def test_a_method_that_watches_the_training_still_does_with_a_defence_behind_it():
    assert isinstance(defended(Amnesiac(), "mean_row"), RecordsTraining)
    assert not isinstance(defended(Retrain(), "mean_row"), RecordsTraining)
