"""Public unlearning packages: their methods through the adapters, where they are installed; and the stored run."""

import pytest
import torch
from toys import small_trials

from labelleak_lib.adapters.foreign import adapted, package_of
from labelleak_lib.attacks.direct_probe import DirectProbe
from labelleak_lib.names import PAPER_METHODS
from labelleak_lib.trials import public
from labelleak_lib.trials.cells import run_cell
from labelleak_lib.trials.public import ATTACKS, PUBLIC, STORE, PublicMethod
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.store import Store

NEEDED = {"erasus": ("erasus",), "supreme": ("supreme", "lightning", "wandb")}
SETTINGS = {"erasus distillation": {"lr": 1e-2, "batch_size": 16}, "supreme SSD": {
    "selection_weighting": 1.0, "dampening_constant": 0.1}}  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # of the packages
@pytest.mark.parametrize("name", SETTINGS)
def test_a_public_method_runs_in_a_cell_and_its_placebo_is_the_original(name, tmp_path):
    for module in NEEDED[name.partition(" ")[0]]:
        pytest.importorskip(module, reason=f"{name} needs the package {module}, which is not installed")
    method = PUBLIC[name].made(SETTINGS[name])
    assert method.package == package_of(method.function) != ""
    with small_trials(tmp_path) as path:
        spec = TrialSpec.from_parameters(dataset=path, forgotten=[1], device="cpu")
        cells = [run_cell(spec, name, method=method, attacks={"direct_probe": DirectProbe()}) for _ in range(2)]
    rows = cells[0].rows[cells[0].rows.control == "none"]
    assert rows.forget_acc_before.iloc[0] > 0.9 > rows.forget_acc_after.iloc[0], "it forgets something"
    original, unlearned = cells[0].models
    assert original["weights"] != unlearned["weights"] and unlearned["original_weights"] == original["weights"]
    assert [model["weights"] for model in cells[1].models] == [original["weights"], unlearned["weights"]]


def nudge(model, forget_loader, lr):
    """Lower the forgotten class's bias by `lr`; beyond 100, break the model."""
    for _, labels in forget_loader:
        model.head.bias.data[labels] -= lr if lr <= 100 else torch.nan


def test_the_setting_is_chosen_by_the_gate_on_the_trials_given(monkeypatch, tmp_path):
    method = PublicMethod("x:y", ({"lr": 0.01}, {"lr": 10.0}, {"lr": 1000.0}, {"lr": 0.1}))
    monkeypatch.setattr(PublicMethod, "made", lambda self, setting: adapted(nudge, options=setting))
    monkeypatch.setitem(public.PUBLIC, "nudge", method)
    with small_trials(tmp_path) as path:
        specs = [TrialSpec.from_parameters(dataset=path, forgotten=[1], trial=trial, device="cpu") for trial in (0, 1)]
        assert public.chosen("nudge", specs).options == {"lr": 10.0}


def test_the_stored_run_has_every_method_on_the_same_originals():
    models, evidence = Store(STORE).read("digits")
    unlearned = models[models.unlearning != ""]
    assert set(unlearned.unlearning) == {*PAPER_METHODS, *PUBLIC}
    trials = unlearned.groupby("unlearning").trial.apply(set)
    # a trial in which a method broke the model is left out
    assert all(held and held <= {0, 1, 2} for held in trials) and all(
        trials[code] == {0, 1, 2} for code in PAPER_METHODS
    )
    assert set(unlearned.model) <= set(evidence.model), "all were attacked under the identity that they are stored by"
    assert set(evidence.attack) == set(ATTACKS)
    shared = unlearned[unlearned.unlearning != "AU"]
    assert (shared.groupby("trial").original_weights.nunique() == 1).all(), "amnesiac unlearning alone has its own"
