"""Every parameter of every notebook, by hand, as text or a list: what is meant, or one sentence before any training."""

import ast
import types

import jupytext
import numpy as np
import pytest
import torch
from project import ROOT
from toys import trained

from labelleak_lib.authoring import parameters
from labelleak_lib.authoring.parameters import meant, require_declared
from labelleak_lib.models.checkpoints import save_checkpoint
from labelleak_lib.trials import originals

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.py"))
CODE = {
    path.stem: [cell.source for cell in jupytext.read(path).cells if cell.cell_type == "code"] for path in NOTEBOOKS
}
PARAMETERS = {
    name: [node.targets[0].id for node in ast.parse(cells[0]).body if isinstance(node, ast.Assign)]
    for name, cells in CODE.items()
}

MEANT = [
    ("k", "2", 2), ("k", 2.0, 2), ("k", np.int64(2), 2), ("trials", "3", 3), ("seed", " 7 ", 7), ("seed", 0, 0),
    ("trials", np.float64(2), 2), ("budget", "5000", 5000), ("budget", "None", None), ("budget", None, None),
    ("labels_only", "false", False), ("labels_only", "False", False), ("labels_only", "no", False),
    ("labels_only", "yes", True), ("labels_only", "true", True), ("labels_only", 0, False), ("labels_only", 1, True),
    ("labels_only", np.True_, True), ("methods", "RT", ("RT",)), ("methods", "RT, RL", ("RT", "RL")),
    ("methods", "['RT', 'RL']", ("RT", "RL")), ("methods", ["RT"], ["RT"]), ("defences", "mask", ("mask",)),
    ("data_dir", "", None), ("data_dir", "null", None), ("model", "none", None), ("shape", "", None),
    ("references", "None", None), ("factory", "", None), ("shape", "3,32,32", "3,32,32"),
    ("data_dir", "~/a b", "~/a b"),
    ("forgotten", "3,5", "3,5"), ("forgotten", "", ""), ("dataset", "digits", "digits"),
    # what is refused where it is used
    ("k", "two", "two"), ("k", True, True), ("k", 1.5, 1.5), ("k", None, None), ("k", [2], [2]), ("trials", "", ""),
    ("seed", float("inf"), float("inf")), ("budget", "many", "many"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "expected"), MEANT, ids=str)
def test_text_is_read_as_what_it_stands_for(name, value, expected):
    found = meant(name, value)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "valid"),
    [
        ("labels_only", "maybe", "True or False"), ("labels_only", "", "True or False"),
        ("labels_only", None, "True or False"), ("labels_only", 2, "True or False"),
        ("labels_only", [True], "True or False"), ("methods", 3, "a list"), ("methods", None, "a list"),
        ("methods", "", "a list"), ("methods", [], "a list"), ("defences", {"mask": 1}, "a list"),
    ],
)  # fmt: skip
def test_what_nothing_else_would_refuse_is_one_sentence(name, value, valid):
    with pytest.raises(ValueError, match=f"^{name} is .*; it must be {valid}") as caught:
        meant(name, value)
    assert repr(value) in str(caught.value) and "\n" not in str(caught.value)


def run(notebook, monkeypatch, **injected):
    """Run a notebook's cells, with parameters injected, until one fails."""

    def never(*_, **__):
        raise AssertionError("something was trained")

    values = {"In": []}
    monkeypatch.setattr(parameters, "get_ipython", lambda: types.SimpleNamespace(user_ns=values))
    monkeypatch.setattr(originals, "train", never)
    monkeypatch.setattr(originals, "_kept", never)
    first, *rest = CODE[notebook]
    given = "\n".join(["# Parameters", *(f"{name} = None" for name in injected)])
    for cell in [first, given, *rest]:
        values["In"].append(cell)
        exec(cell, values)
        values.update(injected if cell.startswith("# Parameters") else {})


BAD = {
    "dataset": [(["digits", "mnist"], "dataset is"), (None, "dataset is None"), ("no/such", "dataset 'no/such'"),
                ("", "dataset ''"), ("~/no such", "dataset '~/no such'"), ("données/é", "dataset 'données/é'")],
    "trials": [("many", "trials is 'many'"), (0, "trials is 0"), (1.5, "trials is 1.5"), (None, "trials is None"),
               ("", "trials is ''"), ([1], r"trials is \[1\]"), (True, "trials is True")],
    "seed": [("one", "seed is 'one'"), (-1, "seed is -1"), (0.5, "seed is 0.5"), (None, "seed is None"),
             (2**63, f"seed is {2**63}; it must be at most {2**63 - 1}")],
    "k": [("few", "k is 'few'"), (10, "k is 10"), (0, "k is 0"), (2.5, "k is 2.5"), (None, "k is None"), ([1], "k is")],
    "forgotten": [("3,cat", "forgotten class is 'cat'"), ("", "forgotten class is ''"), ([], "forgotten is"),
                  ([12], "forgotten class is 12"), ({3}, r"forgotten is \{3\}"), (True, "forgotten class is True"),
                  ("3,99", "forgotten class is '99'"), ([1.0], "forgotten class is 1.0"), (2.5, "forgotten is 2.5")],
    "methods": [("RT,XX", "unknown unlearning method 'XX'|method is 'XX'"), (3, "methods is 3"), ([], "methods is"),
                (["RT", 3], "methods is|method is 3|unknown unlearning method 3"), (None, "methods is None")],
    "defences": [("mask,nothing", "defence is 'nothing'"), (None, "defences is None"), ([3], "defence is 3")],
    "device": [("warp", "device is 'warp'"), (None, "device is None"), (0, "device is 0"), ("", "device is ''"),
               ("cuda:" + 20 * "9", "device is 'cuda:")],
    "profile": [("huge", "profile is 'huge'"), (None, "profile is None"), (["quick"], "profile is"),
                ("", "profile is")],
    "records": [("burn", "records is 'burn'"), (True, "records is True"), (None, "records is None"),
                ("", "records is")],
    "data_dir": [("no/where", "data folder no/where"), (3, "data folder 3"), ("~/no where", "data folder .*no where")],
    "model": [("no.safetensors", "model is 'no.safetensors'"), ("~/no model.pt", "model is .*no model.pt")],
    "shape": [("3x32x32", "shape is '3x32x32'"), ([3, "a"], "shape is"),
              ([0, 8, 8], r"shape is \[0, 8, 8\]"), ([3, 8], "shape")],
    "budget": [("all", "budget is 'all'"), (0, "budget is 0"), (1.5, "budget is 1.5")],
    "labels_only": [("maybe", "labels_only is 'maybe'"), (None, "labels_only is None")],
    "factory": [("nowhere", "factory is 'nowhere'"), ("no.such:build", "factory is 'no.such:build'"),
                (3, "factory is 3")],
    "references": [("no/where", "references is 'no/where'"), ("~/no where", "references is .*no where")],
}  # fmt: skip


@pytest.fixture
def file(tmp_path):
    """Return the path of a model file, beside which lies a state dict."""
    save_checkpoint(trained(), tmp_path / "a model é.safetensors")
    torch.save(trained().state_dict(), tmp_path / "its state.pt")
    return str(tmp_path / "a model é.safetensors")


@pytest.mark.parametrize(
    ("notebook", "name", "value", "said"),
    [
        pytest.param(notebook, name, *one, id=f"{notebook[:2]}-{name}-{i}")
        for number, (notebook, names) in enumerate(PARAMETERS.items())
        for name in names for i, one in enumerate(BAD.get(name, ()))
        # every third value of what most notebooks have, another third in each
        if i % 3 == number % 3 or sum(name in own for own in PARAMETERS.values()) < 4
    ],
)  # fmt: skip
def test_a_bad_value_is_one_sentence_before_anything_is_trained(notebook, name, value, said, monkeypatch, file):
    beside = {"model": file} if name in ("shape", "budget", "references") else {}
    beside = {"model": file.replace("a model é.safetensors", "its state.pt")} if name == "factory" else beside
    with pytest.raises(ValueError, match=said) as caught:
        run(notebook, monkeypatch, **{**beside, name: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", sorted({name for own in PARAMETERS.values() for name in own}))
def test_every_parameter_has_bad_values_and_says_what_it_holds(name):
    assert name in BAD and name in parameters._KINDS


DECLARED = "dataset = 'digits'\ntrials = 1\nseed = 0\nk = 1\nforgotten = None\ndevice = 'auto'\n"


@pytest.mark.parametrize(
    ("slip", "near"),
    [("tirals = 3", "trials"), ("datset = 'mnist'", "dataset"), ("sed = 1", "seed"), ("forgoten = [3]", "forgotten"),
     ("devise = 'cpu'", "device"), ("Dataset = 'mnist'", "dataset"), ("method = ('RT',)", "methods"),
     ("label_only = True", "labels_only"), ("reference = 'a'", "references"), ("profil = 'paper'", "profile"),
     ("datadir = 'a'", "data_dir"), ("record = 'recompute'", "records")],
)  # fmt: skip
def test_a_slip_of_a_hand_among_the_parameters_is_noticed(slip, near):
    with pytest.raises(ValueError, match=f"is not a parameter of this notebook; the nearest is {near}$"):
        require_declared([DECLARED + slip, "import os", "require_declared()"], {})


def test_a_name_of_ones_own_among_the_parameters_is_none_of_ours():
    require_declared(["root = '/somewhere'\n" + DECLARED, "trials = 5; print(trials)"], {})


def test_what_is_injected_and_what_is_written_by_hand_is_read_in_place(monkeypatch):
    values = {"trials": "3", "k": 2.0, "forgotten": None, "own": "3"}
    require_declared([DECLARED, "# Parameters\ntrials = '3'"], values)
    assert values == {"trials": 3, "k": 2, "forgotten": None, "own": "3"}
    values = {"trials": "2", "k": "1"}
    require_declared([DECLARED], values)
    assert values == {"trials": 2, "k": 1}


@pytest.mark.parametrize(
    ("k", "forgotten", "fits"), [(3, [1], False), (1, [1, 2], False), (2, [1, 2], True), (3, None, True), (1, 3, True)]
)
def test_a_number_of_classes_beside_other_classes_is_one_sentence(k, forgotten, fits):
    cells, values = [DECLARED, "# Parameters\nk = 0\nforgotten = 0"], {"k": k, "forgotten": forgotten}
    if fits:
        require_declared(cells, values)
    else:
        with pytest.raises(ValueError, match=f"^k is {k}; it must be the number of classes in forgotten, .*, or not"):
            require_declared(cells, values)
