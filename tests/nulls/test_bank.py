"""Never-unlearned models: what each kind trains on, and the bank that stores what was found on them."""

import dataclasses

import numpy as np
import pytest
import torch
from toys import SMALL_SETTINGS, blobs, same_state, small_trials

from labelleak_lib.models.evaluation import accuracy
from labelleak_lib.nulls import NULLS, bank
from labelleak_lib.nulls import plain as plain_module
from labelleak_lib.nulls import rare as rare_module
from labelleak_lib.nulls import sham as sham_module
from labelleak_lib.nulls.adam import AdamShifted
from labelleak_lib.nulls.bank import Null
from labelleak_lib.nulls.plain import Plain, Short, WeightDecay
from labelleak_lib.nulls.rare import NoisyClass, RareClass
from labelleak_lib.nulls.sham import Further, Sham
from labelleak_lib.nulls.stored import stored
from labelleak_lib.trials import specification
from labelleak_lib.trials.identity import describe
from labelleak_lib.trials.originals import original_model
from labelleak_lib.trials.settings import settings
from labelleak_lib.trials.specification import TrialSpec

KINDS = [Plain(), Short(), WeightDecay(), Further(), AdamShifted(batch_size=8), RareClass(1, 0.5), NoisyClass(1)]
KINDS += [Sham(code) for code in bank.SHAMS]


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    with small_trials(tmp_path_factory.mktemp("nulls")) as path:
        yield TrialSpec.from_parameters(dataset=path, device="cpu", given=SMALL_SETTINGS)


def test_every_kind_is_known_by_its_name_and_stands_at_its_place():
    assert set(NULLS) == {kind.name for kind in KINDS}
    assert len({NULLS[name].order for name in NULLS}) == len(set(NULLS))


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_a_kind_makes_a_model_of_the_trial_the_same_again(spec, kind):
    first, second = (kind.make(spec) for _ in range(2))
    assert same_state(first.state_dict(), second.state_dict()) and not first.training
    assert first.spec == spec.model_spec
    other = dataclasses.replace(spec, train_seed=7, unlearn_seed=7)
    assert not same_state(first.state_dict(), kind.make(other).state_dict())


@pytest.mark.parametrize("kind", [Plain(), WeightDecay(), Further(), Sham("RT"), Sham("FT"), Sham("AU")], ids=repr)
def test_nothing_is_forgotten(spec, kind):
    model, test = kind.make(spec), spec.part("test")
    for c in range(spec.data.classes):
        assert accuracy(model, test.where(test.labels == c)) > 0.8


def test_plain_is_the_original_model_of_the_trial(spec):
    assert same_state(Plain().make(spec).state_dict(), original_model(spec).state_dict())


@pytest.fixture
def trained_on(monkeypatch):
    """Keep what a kind trains on."""
    seen = []
    for module in (plain_module, rare_module):
        monkeypatch.setattr(module, "trained", lambda spec, samples, recipe: seen.append((samples, recipe)))
    return seen


@pytest.mark.parametrize(("share", "kept"), [(1.0, 24), (0.5, 12), (0.25, 6), (0.001, 1)])
def test_of_a_rare_class_its_share_is_left_and_of_the_others_all(spec, trained_on, share, kept):
    RareClass(2, share).make(spec)
    counts = torch.bincount(trained_on[0][0].labels).tolist()
    everything = torch.bincount(spec.part("train").labels).tolist()
    assert counts[2] == max(1, round(everything[2] * share)) and kept in (counts[2], counts[2] * 24 // everything[2])
    assert [n for c, n in enumerate(counts) if c != 2] == [n for c, n in enumerate(everything) if c != 2]


def test_of_a_noisy_class_a_share_of_the_labels_is_wrong_and_of_the_others_none(spec, trained_on):
    NoisyClass(1, share=0.5).make(spec)
    truth, used = spec.part("train").labels, trained_on[0][0].labels
    own = truth == 1
    assert (used[own] != 1).double().mean() == pytest.approx(0.5, abs=0.05)
    assert torch.equal(used[~own], truth[~own]) and len(used[own].unique()) == spec.data.classes


def test_a_short_training_has_its_epochs_and_no_more(spec, trained_on):
    Short(epochs=2).make(spec)
    assert (trained_on[0][1].epochs, trained_on[0][1].min_steps) == (2, 0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RareClass(1, 0.0), "share is 0.0"),
        (lambda: RareClass(-1, 0.5), "label is -1"),
        (lambda: NoisyClass(1, 1.5), "share is 1.5"),
        (lambda: Sham("RT", 0.0), "share is 0.0"),
        (lambda: Short(0), "epochs is 0"),
    ],
)
def test_what_is_no_kind_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_a_class_that_the_data_lack_is_refused(spec):
    with pytest.raises(ValueError, match="label is 9; it must be a class below 4"):
        RareClass(9, 0.5).make(spec)


def test_no_two_kinds_are_described_alike():
    described = [str(describe(kind)) for kind in KINDS]
    assert len(set(described)) == len(described)


def test_the_bank_has_at_least_400_models_each_once_of_many_kinds():
    models = bank.bank()
    assert len(models) >= 400 and len(set(map(repr, models))) == len(models)
    assert {null.kind.name for null in models} == set(NULLS)
    assert len({null.architecture for null in models}) >= 4 and len({null.dataset for null in models}) >= 8


def test_the_bank_runs_what_is_missing_and_stores_what_was_found(spec, tmp_path, monkeypatch):
    nulls = [Null(spec.dataset, "", 0, Plain()), Null(spec.dataset, "", 0, RareClass(1, 0.5))]
    monkeypatch.setattr(bank, "attacks_on", lambda spec: {"random_inputs": spec.settings.attacks["random_inputs"]})
    assert bank.missing(nulls, tmp_path) == nulls
    bank.run(nulls[1], tmp_path)
    held = stored(tmp_path)
    assert bank.missing(nulls, tmp_path) == [] if len(held.models) > 1 else nulls[:1]
    (row,) = held.models.to_dict("records")
    assert row["unlearning"] == row["forgotten"] == row["original"] == "" and '"share": 0.5' in row["method"]
    assert set(held.evidence.attack) == {"random_inputs"}


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_sham_forgets_its_share_of_the_samples_of_all_classes(spec, monkeypatch, share):
    seen = []
    monkeypatch.setattr(sham_module, "apply_method", lambda method, model, *parts, generator: seen.extend(parts))
    Sham("FT", share).make(spec)
    retain, forget = seen
    everything = spec.part("train")
    assert len(retain) + len(forget) == len(everything)
    assert len(forget) / len(everything) == pytest.approx(share, abs=0.08)
    assert len(retain.labels.unique()) == spec.data.classes and len(forget.labels.unique()) == spec.data.classes


def test_training_further_follows_the_fine_tuning_schedule_on_everything(spec, monkeypatch):
    seen = []
    monkeypatch.setattr(sham_module, "train", lambda model, samples, recipe, **_: seen.append((len(samples), recipe)))
    Further().make(spec)
    assert seen == [(len(spec.part("train")), spec.method("FT").recipe())]


def test_shifted_images_are_moved(spec):
    moved, still = (AdamShifted(batch_size=8, shift=shift).make(spec).state_dict() for shift in (2, 0))
    assert not same_state(moved, still)


def test_the_bank_is_run_by_worker_processes(tmp_path, monkeypatch, capsys):
    samples, path = blobs(per_class=40), str(tmp_path / "toy.npz")
    np.savez(path, images=samples.images[:, 0].numpy(), labels=samples.labels.numpy())
    monkeypatch.setenv("LABELLEAK_CACHE", str(tmp_path / "cache"))
    # other settings in this process would be unknown to the workers
    monkeypatch.setattr(specification, "settings", settings)
    monkeypatch.setattr(bank, "bank", lambda: [Null(path, "", 100 + i, Short()) for i in (0, 1)])
    arguments = ["--datasets", path, "--jobs", "2", "--store", str(tmp_path / "bank")]
    assert [bank.main(arguments) for _ in range(2)] == [0, 0]
    assert capsys.readouterr().out == "2 of 2 models are missing\n0 of 2 models are missing\n"
    assert len(stored(tmp_path / "bank").models) == 2
