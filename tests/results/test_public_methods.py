"""The table of public methods, against counts by hand on a toy run."""

import functools

import pandas as pd
import pytest
from toys import SMALL_SETTINGS, small_trials

from labelleak_lib.adapters.foreign import Foreign
from labelleak_lib.registry import ATTACKS
from labelleak_lib.results import public_methods
from labelleak_lib.trials.cells import run_cell
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.store import Stored

ROWS = (("passive_answers", "reach"),)


def silence(model, forget_loader, bias):
    for _, labels in forget_loader:
        model.head.weight.data[labels] = 0
        model.head.bias.data[labels] = bias


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    attacks = {"passive_answers": ATTACKS["passive_answers"]()}
    own = {
        "silent": Foreign(silence, {"bias": -1e3}, package="own 1.0"),
        "idle": Foreign(functools.partial(silence, bias=1e3), package="own 1.0"), "RT": None,
    }  # fmt: skip
    parts = []
    with small_trials(tmp_path_factory.mktemp("public")) as path:
        for trial in (0, 1):
            spec = TrialSpec.from_parameters(dataset=path, forgotten=[1], trial=trial, device="cpu")
            parts += [run_cell(spec, code, method=method, attacks=attacks).stored for code, method in own.items()]
    assert set(SMALL_SETTINGS.methods) >= {"RT"}
    models, evidence = (pd.concat(side, ignore_index=True) for side in zip(*parts, strict=True))
    return Stored(models.drop_duplicates("model"), evidence.drop_duplicates(["evidence", "kind"]))


def test_a_line_counts_the_trials_that_pass_and_those_found(stored):
    table = public_methods.method_table(stored, ROWS)
    assert table.unlearning.tolist() == ["RT", "idle", "silent"], "the built-in ones first"
    assert table.package.tolist() == ["", "own 1.0", "own 1.0"] and table.trials.tolist() == [2, 2, 2]
    line = table.set_index("unlearning").loc["silent"]
    assert (line.passed, line.forget, line.retain > 0.9) == (2, 0, True)
    records = public_methods.judge(*stored)
    records = records[records.protocol == "attacker"]
    target = records[(records.unlearning == "silent") & (records.attack == "passive_answers")]
    target = target[(target.criterion == "reach") & (target.control == "none")]
    placebo = records[(records.control == "placebo") & (records.criterion == "reach")]
    placebo = placebo[placebo.config_hash.isin(target.config_hash)]
    named, accused = target.predicted.tolist(), placebo.predicted.tolist()
    assert line.passive_answers == sum((n, a) == ("1", "") for n, a in zip(named, accused, strict=True))
    idle = table.set_index("unlearning").loc["idle"]
    assert (idle.passed, idle.passive_answers) == (0, 0), "all images are answered with the class to forget"


def test_the_table_says_where_nothing_can_be_found(stored):
    table = public_methods.method_table(stored, ROWS)
    text = public_methods.to_markdown(table, ROWS, caption="C", name="tbl-x")
    idle = next(line for line in text.splitlines() if line.startswith("| idle"))
    assert [cell.strip() for cell in idle.strip("|").split("|")][1:3] == ["own 1.0", "0 of 2"] and "–" in idle
    assert ":name: tbl-x" in text and "| retrain " in text and "built in" in text
    said = public_methods.sentence(table)
    assert said.startswith("Of 4 trials of 2 methods of others, 2 pass the gate; labels alone are exact and silent in ")
    assert "Of 2 trials of 1 built-in methods" in said
