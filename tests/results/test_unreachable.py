"""Rows of trained networks against their start, searches without bounds, and the stored dose."""

import numpy as np
import pandas as pd
import pytest
import torch
from record_samples import well_formed
from toys import SMALL_SETTINGS, small_trials

from labelleak_lib.figures import reach as figures
from labelleak_lib.models import training
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.nulls.stored import stored
from labelleak_lib.results import unreachable
from labelleak_lib.theory import reach
from labelleak_lib.theory.lemma_checks import relu_features
from labelleak_lib.trials.committed import committed
from labelleak_lib.trials.originals import original_model
from labelleak_lib.trials.specification import TrialSpec


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    with small_trials(tmp_path_factory.mktemp("unreachable")) as path:
        yield TrialSpec.from_parameters(dataset=path, device="cpu", given=SMALL_SETTINGS, forgotten=[1])


@pytest.mark.parametrize("recipe", [Recipe(epochs=2, batch_size=7), Recipe(epochs=1, schedule="constant", lr=0.3)])
def test_learning_rates_are_those_that_training_steps_by(spec, monkeypatch, recipe):
    steps, model = [], original_model(spec)

    class Watched(torch.optim.SGD):
        def step(self, *arguments):
            steps.append(self.param_groups[0]["lr"])
            return super().step(*arguments)

    monkeypatch.setattr(training.torch.optim, "SGD", Watched)
    samples = spec.part("train")
    training.train(model, samples, recipe, generator=torch.Generator().manual_seed(0))
    monkeypatch.undo()
    np.testing.assert_allclose(unreachable.learning_rates(recipe, len(samples)), steps)


def test_rows_fall_and_keep_their_sum_on_trained_networks(spec):
    table = unreachable.rows_and_reach(spec, ("RT", "FT", "RL", "NG")).set_index("target")
    without = table.drop(index="M_o")
    assert (without.fallen == 1).all() and without.imbalance.max() < 1e-4
    assert table.loc["NG", "kept"] == 1 and without.kept.drop("NG").between(0.5, 0.9999).all()
    zero = table.loc[unreachable.ZERO]
    assert zero[["any_features", *unreachable.INPUTS]].max() < 0 and zero.allowed == 0
    assert table.loc["M_o", "smooth"] > 0 and table.loc["M_o", "accuracy"] > 0.9
    searched = table[[*unreachable.INPUTS[:2]]].max(axis=1)
    assert (searched <= table.any_features + 1e-6).loc[["M_o", "FT", unreachable.ZERO]].all()
    said = " ".join(unreachable.sentences(table.reset_index()))
    assert unreachable.ZERO in said.partition(".")[0]
    text = unreachable.to_markdown(table.reset_index())
    assert text.count("\n") == 7
    numbered = unreachable.to_markdown(table.reset_index(), caption="What is reached", name="tbl-x")
    assert numbered == f":::{{table}} What is reached\n:name: tbl-x\n\n{text}\n:::"


def test_an_unknown_kind_of_input_is_named(spec):
    with pytest.raises(ValueError, match="inputs"):
        unreachable.lifted(original_model(spec), 0, "all", generator=torch.Generator())


def test_a_search_stays_where_it_is_told_to(spec, monkeypatch):
    model, seen = original_model(spec), []
    model.register_forward_pre_hook(
        lambda module, inputs: seen.append((inputs[0].min().item(), inputs[0].max().item()))
    )
    for kind in unreachable.INPUTS:
        seen.clear()
        unreachable.lifted(model, 0, kind, generator=torch.Generator().manual_seed(0), starts=3, steps=40)
        inside = all(low >= 0 and high <= 1 for low, high in seen)
        assert inside == (kind != "unbounded")


def test_the_stored_dose_begins_below_zero_and_rises():
    table = unreachable.dose(stored(), committed())
    assert {"digits", "fashion_mnist"} <= set(table.dataset)
    means = table.groupby(["dataset", "share"]).reach.mean().unstack("share")
    assert (means[0.0] < 0).all() and (means[0.3] > means[0.03]).all() and (means[0.03] > 0).all()


def test_the_dose_is_drawn():
    phi, labels = relu_features(np.random.default_rng(0))
    heads = reach.dose_path(phi, labels, 6, 5, [0, 3], 0.05, [10, 100])
    dots = pd.DataFrame({"dataset": ["digits", "digits"], "share": [0.0, 0.1], "reach": [-1.0, 2.0]})
    assert len(well_formed(figures.dose(heads, dots))) == 2
