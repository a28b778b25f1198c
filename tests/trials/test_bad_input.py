"""Bad parameters: one sentence that names the parameter, its value and what would be valid, before any computing."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import blobs, small_trials

from labelleak_lib.data.datasets import NAMES
from labelleak_lib.models import classifier
from labelleak_lib.registry import ARCHITECTURES
from labelleak_lib.trials import defended, originals, specification
from labelleak_lib.trials.chosen import chosen_classes
from labelleak_lib.trials.grants import gather
from labelleak_lib.trials.grid import Grid
from labelleak_lib.trials.specification import TrialSpec

C = 10  # of the bundled digits
CASES = [
    ({"seed": -1}, "seed", "-1", "an integer of at least 0"),
    ({"seed": 1.5}, "seed", "1.5", "an integer of at least 0"),
    ({"seed": True}, "seed", "True", "an integer of at least 0"),
    ({"seed": None}, "seed", "None", "an integer of at least 0"),
    ({"trial": -1}, "trial", "-1", "an integer of at least 0"),
    ({"trial": "0"}, "trial", "'0'", "an integer of at least 0"),
    ({"k": 0}, "k", "0", "an integer from 1 to 9"),
    ({"k": -3}, "k", "-3", "an integer from 1 to 9"),
    ({"k": C}, "k", "10", "an integer from 1 to 9"),
    ({"k": 1.0}, "k", "1.0", "an integer from 1 to 9"),
    ({"forgotten": [C]}, "forgotten class", "10", "an integer from 0 to 9"),
    ({"forgotten": [0, -1]}, "forgotten class", "-1", "an integer from 0 to 9"),
    ({"forgotten": ["12"]}, "forgotten class", "'12'", "the name of a class, of which '2' is the nearest, or an index"),
    ({"forgotten": "7a"}, "forgotten class", "'7a'", "the name of a class, of which '7' is the nearest, or an index"),
    ({"forgotten": [None]}, "forgotten class", "None", "an integer from 0 to 9"),
    ({"forgotten": [2, True]}, "forgotten class", "True", "an integer from 0 to 9"),
    ({"forgotten": [2, 1.0]}, "forgotten class", "1.0", "an integer from 0 to 9"),
    ({"forgotten": []}, "forgotten", "()", "1 to 9 classes"),
    ({"forgotten": range(C)}, "forgotten", str(tuple(range(C))), "1 to 9 classes"),
    ({"profile": "fast"}, "profile", "'fast'", "one of 'quick', 'paper'"),
    ({"profile": ""}, "profile", "''", "one of 'quick', 'paper'"),
    ({"profile": None}, "profile", "None", "one of 'quick', 'paper'"),
    ({"device": "tpu"}, "device", "'tpu'", "auto, cpu, cuda, cuda:N or mps"),
    ({"device": ""}, "device", "''", "auto, cpu, cuda, cuda:N or mps"),
    ({"train_seed": -1}, "train_seed", "-1", "an integer of at least 0"),
    ({"unlearn_seed": 0.5}, "unlearn_seed", "0.5", "an integer of at least 0"),
    ({"attack_seed": "1"}, "attack_seed", "'1'", "an integer of at least 0"),
    ({"split_seed": -2}, "split_seed", "-2", "an integer of at least 0"),
    ({"architecture": "vgg"}, "architecture", "'vgg'", "one of " + ", ".join(map(repr, ARCHITECTURES))),
    ({"sed": 3}, "parameter", "'sed'", "train_seed, unlearn_seed or attack_seed"),
]
ODD = [
    ({"device": "cuda:one"}, "device", "'cuda:one'", "cuda:N"),
    ({"device": "cuda:-1"}, "device", "'cuda:-1'", "cuda:N"),
    ({"device": None}, "device", "None", "auto, cpu"),
    ({"device": 0}, "device", "0", "auto, cpu"),
    ({"forgotten": {3: 4}}, "forgotten", "{3: 4}", "classes"),
]


def one_sentence(caught):
    text = str(caught.value)
    assert "\n" not in text and len(text) < 300
    return text


@pytest.mark.parametrize(("parameters", "name", "value", "valid"), CASES, ids=str)
def test_a_bad_parameter_is_one_sentence(parameters, name, value, valid):
    with pytest.raises(ValueError, match=f"^{name} is ") as caught:
        TrialSpec.from_parameters(**parameters)
    assert one_sentence(caught) == f"{name} is {value}; it must be {valid}"


@pytest.mark.parametrize(("parameters", "name", "value", "valid"), ODD, ids=str)
def test_a_parameter_of_the_wrong_form_is_one_sentence_too(parameters, name, value, valid):
    with pytest.raises(ValueError, match=f"^{name} is {re.escape(value)}; it must be .*{valid}") as caught:
        TrialSpec.from_parameters(**parameters)
    one_sentence(caught)


MEANT = [
    ({"forgotten": "3,5"}, (3, 5)), ({"forgotten": "[3, 5]"}, (3, 5)), ({"forgotten": " 5 , 3 "}, (3, 5)),
    ({"forgotten": "['3','5']"}, (3, 5)), ({"forgotten": "(3,)"}, (3,)), ({"forgotten": "3"}, (3,)),
    ({"forgotten": np.int64(3)}, (3,)), ({"forgotten": range(2)}, (0, 1)), ({"forgotten": (np.int32(4), "5")}, (4, 5)),
    ({"seed": np.int64(2), "trial": np.int64(1)}, TrialSpec.from_parameters(seed=2, trial=1).forgotten),
    ({"k": np.int64(9)}, TrialSpec.from_parameters(k=9).forgotten),
    ({"dataset": Path("digits")}, TrialSpec.from_parameters().forgotten),
]  # fmt: skip


@pytest.mark.parametrize(("parameters", "forgotten"), MEANT, ids=str)
def test_what_is_meant_is_understood(parameters, forgotten):
    spec = TrialSpec.from_parameters(**parameters)
    assert spec.forgotten == forgotten
    plain = {name: int(value) for name, value in parameters.items() if name in ("seed", "trial")}
    same = TrialSpec.from_parameters(**plain, forgotten=list(forgotten))
    assert spec == same and spec.original_id() == same.original_id()


@pytest.mark.parametrize(
    ("wish", "names", "classes"),
    [
        ("a, b", ("a", "b", "a, b"), (2,)), ("a,b", ("a", "b", "c"), (0, 1)), ("0,2", ("a", "b", "c"), (0, 2)),
        ("10,2", ("0", "1", "10", "2"), (2, 3)), ("katze, Äpfel", ("katze", "Äpfel", "x"), (0, 1)),
        ("[a]", ("[a]", "b"), (0,)), ("1.20,1.25", ("1.20", "1.25", "2"), (0, 1)),
    ],
)  # fmt: skip
def test_text_is_a_name_first_and_else_a_list_of_names_and_indices(wish, names, classes):
    assert chosen_classes(wish, names) == classes


WRONG = [
    ({"forgotten": "3,99"}, "forgotten class is '99'; it must be the name of a class"),
    ({"forgotten": "3,,5"}, "forgotten class is ''; it must be the name of a class"),
    ({"forgotten": "[]"}, "forgotten class is '[]'; it must be the name of a class"),
    ({"forgotten": b"3"}, "forgotten is b'3'; it must be a list of classes"),
    ({"seed": 2**63}, f"seed is {2**63}; it must be at most {2**63 - 1}"),
    ({"seed": 2**63 - 1, "trial": 1}, f"seed is {2**63 - 1}; it must be at most {2**63 - 2}"),
    ({"attack_seed": 2**63}, f"attack_seed is {2**63}; it must be at most {2**63 - 1}"),
    ({"dataset": ["digits"]}, "dataset is ['digits']; it must be a known name or a path"),
    ({"dataset": None}, "dataset is None; it must be a known name or a path"),
    ({"dataset": 3}, "dataset is 3; it must be a known name or a path"),
    ({"data_dir": ""}, "data_dir is ''; it must be a folder"),
    ({"device": "cuda:" + "9" * 20}, f"device is 'cuda:{'9' * 20}'; it must be auto, cpu, cuda, cuda:N or mps"),
]


@pytest.mark.parametrize(("parameters", "said"), WRONG, ids=str)
def test_other_bad_values_are_one_sentence(parameters, said):
    with pytest.raises(ValueError, match="^" + re.escape(said)) as caught:
        TrialSpec.from_parameters(**parameters)
    one_sentence(caught)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"ks": 3}, "ks is 3; it must be a list"), ({"ks": None}, "ks is None; it must be a list"),
        ({"ks": "12"}, "ks is '12'; it must be a list"), ({"ks": ()}, "ks is (); it must be a list"),
        ({"ks": (1, 1.5)}, "k is 1.5; it must be an integer"), ({"ks": {1: 2}}, "ks is {1: 2}; it must be a list"),
        ({"methods": "RT"}, "methods is 'RT'; it must be a list"), ({"methods": 3}, "methods is 3; it must be a list"),
        ({"methods": None}, "methods is None; it must be a list"), ({"methods": ["RT", 3]}, "methods is ['RT', 3]; "),
        ({"methods": [["RT"]]}, "methods is [['RT']]; it must be a list"), ({"methods": []}, "methods is []; "),
        ({"trials": "2"}, "trials is '2'; it must be an integer of at least 1"),
    ],
)  # fmt: skip
def test_a_grid_of_bad_values_is_one_sentence(parameters, said):
    with pytest.raises(ValueError, match="^" + re.escape(said)):
        Grid(**parameters)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"records": "Reuse"}, "records is 'Reuse'; it must be one of"), ({"records": True}, "records is True; "),
        ({"names": "mask"}, "names is 'mask'; it must be a list"), ({"methods": "RT"}, "methods is 'RT'; "),
    ],
)  # fmt: skip
def test_defences_asked_for_in_a_wrong_way_are_one_sentence(parameters, said, monkeypatch):
    monkeypatch.setattr(originals, "train", None)
    with pytest.raises(ValueError, match="^" + re.escape(said)):
        defended.collect([TrialSpec.from_parameters()], **{"names": ["mask"], "methods": ["RT"], **parameters})


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for device in ("cuda", "cuda:0", "mps"):
        with pytest.raises(ValueError, match=f"^device is '{device}'; it must be a device of this machine") as caught:
            TrialSpec.from_parameters(device=device)
        assert "'auto' and 'cpu' always work" in one_sentence(caught)


@pytest.mark.parametrize("dataset", ["mnits", "", "MNIST", "/no/such/folder", "no/such.npz"])
def test_an_unknown_data_set_is_refused_with_the_known_names(dataset):
    with pytest.raises(ValueError, match=f"^dataset {re.escape(repr(dataset))} is no known name") as caught:
        TrialSpec.from_parameters(dataset=dataset)
    assert all(name in one_sentence(caught) for name in NAMES)
    assert "a folder of class folders" in str(caught.value)


@pytest.mark.parametrize("dataset", ["mnist", "digits"])
def test_a_data_folder_that_is_missing_is_refused_by_its_path(dataset, tmp_path):
    missing = str(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"the data folder .* does not exist; create it") as caught:
        TrialSpec.from_parameters(dataset=dataset, data_dir=missing)
    assert missing in one_sentence(caught)


def test_a_folder_without_images_is_refused_by_its_path(tmp_path):
    (tmp_path / "pictures").mkdir()
    with pytest.raises(ValueError, match="class folder") as caught:
        TrialSpec.from_parameters(dataset=str(tmp_path / "pictures"))
    assert str(tmp_path / "pictures") in one_sentence(caught)


def test_what_is_valid_depends_on_the_number_of_classes(tmp_path):
    with small_trials(tmp_path) as path:
        assert TrialSpec.from_parameters(dataset=path, k=3).forgotten != ()
        with pytest.raises(ValueError, match=r"^k is 4; it must be an integer from 1 to 3$"):
            TrialSpec.from_parameters(dataset=path, k=4)
        with pytest.raises(ValueError, match=r"^forgotten class is 4; it must be an integer from 0 to 3$"):
            TrialSpec.from_parameters(dataset=path, forgotten=[4])


@pytest.mark.parametrize(("per_class", "own", "needed"), [
    (10, True, 5), (15, True, 5), (20, True, 5), (5, True, 5), (7, True, 5),
    (10, False, 4), (15, False, 4), (17, False, 4), (5, False, 4), (7, False, 4),
])  # fmt: skip
def test_a_data_set_too_small_for_an_attack_is_refused_before_anything_is_trained(
    tmp_path, monkeypatch, per_class, own, needed
):
    with small_trials(tmp_path) as path:
        given = specification.settings("quick", "small")
        few = blobs(per_class=per_class)
        np.savez(path, images=few.images[:, 0].numpy(), labels=few.labels.numpy())
        monkeypatch.setattr(originals, "train", None)
        with pytest.raises(
            ValueError, match=f"attacker pool of class '.' is {per_class // 5}; it must be at least {needed}"
        ):
            TrialSpec.from_parameters(dataset=path, forgotten=[1], device="cpu", given=given if own else None)


@pytest.mark.parametrize(("per_class", "samples"), [
    (20, 2), (24, 2), (25, 5), (30, 5), (40, 5), (50, 5), (100, 5), (21, 2), (22, 2), (23, 2),
])  # fmt: skip
def test_heads_of_a_small_data_set_see_half_of_the_pool(tmp_path, per_class, samples):
    with small_trials(tmp_path) as path:
        few = blobs(per_class=per_class)
        np.savez(path, images=few.images[:, 0].numpy(), labels=few.labels.numpy())
        spec = TrialSpec.from_parameters(dataset=path, forgotten=[1], device="cpu")
        attack = spec.settings.attacks["dot_product"]
        assert attack.recipe.samples == samples
        model = classifier.build(spec.model_spec, seed=0)
        evidence, _ = gather(spec, model, "dot_product", attack, "attacker")
        assert np.isfinite(evidence.score).all()


def test_nothing_is_computed_before_parameters_are_checked(monkeypatch):
    def never(*_, **__):
        raise AssertionError("something was computed")

    monkeypatch.setattr(originals, "train", never)
    monkeypatch.setattr(specification, "fingerprint", never)
    monkeypatch.setattr(classifier, "build", never)
    for parameters, *_ in CASES:
        with pytest.raises(ValueError, match=" is "):
            TrialSpec.from_parameters(**parameters)


@pytest.mark.parametrize("name", ["seed", "trial", "device"])
def test_what_needs_no_data_is_checked_before_the_data_are_read(name, monkeypatch):
    def never(*_):
        raise AssertionError("the data were read")

    monkeypatch.setattr(specification, "cached_dataset", never)
    with pytest.raises(ValueError, match=f"^{name} is "):
        TrialSpec.from_parameters(**{name: {"device": "tpu"}.get(name, -1)})
