"""What amnesiac unlearning leaves before the repair."""

import numpy as np
import pytest
from toys import small_trials

from labelleak_lib.results.amnesia import subtraction
from labelleak_lib.trials.specification import TrialSpec


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    with small_trials(tmp_path_factory.mktemp("amnesia")) as path:
        yield subtraction(TrialSpec.from_parameters(dataset=path, forgotten=(1,), device="cpu")).set_index("model")


def test_the_subtraction_is_measured_on_the_model_that_au_starts_from(left):
    before, bare, scaled = (left.loc[name] for name in left.index)
    assert before.retain > 0.9 and np.isnan(before.moved) and bare.moved == scaled.moved > 0
    # the triangle inequality, both ways
    assert abs(before.norm - bare.moved) <= bare.norm <= before.norm + bare.moved


def test_scaling_back_makes_no_model_longer_than_it_was(left):
    before, bare, scaled = (left.loc[name] for name in left.index)
    assert scaled.norm <= before.norm * (1 + 1e-6) and scaled.norm < bare.norm and scaled.logits < bare.logits
