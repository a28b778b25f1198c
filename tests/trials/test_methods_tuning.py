"""The search for the settings of the methods beside the paper's, and that its winners are what the classes hold."""

import json

import pandas as pd
import pytest

from labelleak_lib.registry import METHODS
from labelleak_lib.results import searched
from labelleak_lib.trials import methods_tuning as tuning


def line(code, setting, *, dataset="digits", trial=0, forget=0.0, retain=0.9):
    return {
        "dataset": dataset, "architecture": "small", "seed": 1000, "trial": trial, "k": 1, "forgotten": "3",
        "unlearning": code, "setting": json.dumps(setting), "method": f"{code}{setting}", "forget_acc_before": 0.9,
        "forget_acc_after": forget, "retain_acc_before": 0.9, "retain_acc_after": retain, "seconds": 1.0,
    }  # fmt: skip


@pytest.fixture(scope="module")
def stored():
    return tuning.stored()


def test_who_passes_most_often_wins_and_then_who_keeps_and_loses_most():
    a, b, c = {"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3}
    table = pd.DataFrame([
        line("DELETE", a), line("DELETE", a, trial=1, forget=0.5),
        line("DELETE", b, retain=0.885), line("DELETE", b, trial=1, retain=0.885),
        line("DELETE", c, retain=0.895, forget=0.04), line("DELETE", c, trial=1, retain=0.895, forget=0.04),
    ])  # fmt: skip
    order = [json.loads(text)["lr"] for text in tuning.tried(table).setting]
    assert order == [0.2, 0.3, 0.1], "0.3 keeps a point more, but leaves four of the class"
    found = searched.searched(table).iloc[0]
    assert (found.tried, found.passed, found.of) == (3, 2, 2)
    assert searched.shown(searched.searched(table)).chosen.tolist() == ["`lr` 0.2"]


def test_data_sets_weigh_alike_and_a_model_that_broke_kept_nothing():
    a, b = {"lr": 0.1}, {"lr": 0.2}
    many = [line("SSD", a, trial=i) for i in range(4)] + [line("SSD", b, trial=i, forget=0.5) for i in range(4)]
    few = [line("SSD", s, dataset="mnist", forget=f) for s, f in ((a, 0.5), (b, 0.0))]
    found = tuning.tried(pd.DataFrame(many + few)).set_index("setting").share
    assert found.tolist() == [0.5, 0.5], "four of four and none of one"
    broken = tuning.tried(pd.DataFrame([line("SSD", a, forget=float("nan"), retain=float("nan"))])).iloc[0]
    assert (broken.passed, broken.kept, broken.lost) == (0, -1, 1)


def test_a_setting_is_measured_on_seeds_that_no_page_reports():
    assert all(spec.seed >= 1000 and spec.train_seed >= 1000 for spec in tuning.specs("digits"))
    spec = tuning.specs("digits")[0]
    found = tuning.measure(spec, "IU", {"penalty": 0.002})
    assert found["method"] == tuning.digest_of(tuning.made(spec, "IU", {"penalty": 0.002})) and found["seed"] >= 1000
    again = tuning.measure(spec, "IU", {"penalty": 0.002})
    assert {**found, "seconds": 0} == {**again, "seconds": 0}


def test_the_stored_search_is_of_todays_methods_and_every_setting_is_in_it(stored):
    assert (stored.seed >= 1000).all()
    held = set(zip(stored.dataset, stored.trial, stored.method, strict=True))
    for dataset in ("digits", "glyphs10"):
        for spec in tuning.specs(dataset):
            for code, settings in tuning.settings_of(spec).items():
                for setting in settings:
                    digest = tuning.digest_of(tuning.made(spec, code, setting))
                    assert (dataset, spec.trial, digest) in held, (dataset, code, setting)


@pytest.mark.parametrize("architecture", tuning.SETTINGS)
def test_what_won_stands_in_the_classes(stored, architecture):
    for code in tuning.SETTINGS[architecture]:
        won = json.loads(tuning.best(stored, architecture, code).setting)
        assert METHODS[code].presets[architecture] == won, code


def test_the_table_of_the_search_says_what_won_and_how():
    table = pd.DataFrame([line("DELETE", {"lr": 0.1}, retain=0.88), line("DELETE", {"lr": 0.1}, trial=1, forget=0.2)])
    found = searched.searched(table).iloc[0]
    assert (found.passed, found.of) == (1, 2) and (found.kept, found.lost) == pytest.approx((-0.01, 0.1))
    assert searched.shown(searched.searched(table)).iloc[0].tolist()[-3:] == ["1 of 2", "-1.0", "10.0"]


def test_every_trial_is_searched_and_what_is_held_is_not(monkeypatch):
    monkeypatch.setitem(tuning.SETTINGS, "small", {"IU": [{"scale": 0.9}, {"scale": 1.0}]})
    nothing = pd.DataFrame(columns=["dataset", "trial", "method"])
    open_ones = list(tuning.missing("digits", nothing, None))
    assert [spec.trial for spec, _, _ in open_ones] == [0, 0, 1, 1, 2, 2]
    spec, code, setting = open_ones[2]
    one = {"dataset": "digits", "trial": 1, "method": tuning.digest_of(tuning.made(spec, code, setting))}
    assert [s.trial for s, _, _ in tuning.missing("digits", pd.DataFrame([one]), None)] == [0, 0, 1, 2, 2]


def test_where_a_method_had_a_second_round_that_alone_decides():
    a, b = {"lr": 0.1}, {"lr": 0.2}
    first = [line("SSD", a), line("SSD", a, trial=1), line("SSD", b, forget=0.5), line("SSD", b, trial=1, forget=0.5)]
    again = [line("SSD", a, trial=tuning.FINAL, forget=0.5), line("SSD", b, trial=tuning.FINAL)]
    assert json.loads(tuning.best(pd.DataFrame(first), "small", "SSD").setting) == a
    assert json.loads(tuning.best(pd.DataFrame(first + again), "small", "SSD").setting) == b
    found = searched.searched(pd.DataFrame(first + again)).iloc[0]
    assert (found.tried, found.passed, found.of) == (2, 1, 1)


def test_trials_of_the_second_round_have_an_original_model_each_and_seeds_that_no_page_reports(monkeypatch):
    monkeypatch.setitem(tuning.AGAIN, "digits", 3)
    monkeypatch.setitem(tuning.FINALS, "small", {"IU": [{"scale": 2.0}]})
    *first, x, y, z = tuning.specs("digits")
    assert {spec.train_seed for spec in first} == {tuning.SEED}
    assert len({spec.train_seed for spec in (x, y, z)} - {tuning.SEED}) == 3
    assert all(spec.train_seed > tuning.SEED and len(spec.forgotten) == 1 for spec in (x, y, z))
    assert tuning.settings_of(x) == {"IU": [{"scale": 2.0}]} and "DELETE" in tuning.settings_of(first[0])


def test_the_trials_of_the_search_are_counted_by_the_number_of_forgotten_classes(stored):
    said = searched.counted(stored)
    for architecture in ("lenet", "small"):
        for k in (1, 3):
            chosen = stored[(stored.architecture == architecture) & (stored.k == k)]
            trials = set(zip(chosen.dataset, chosen.trial, strict=True))
            assert f"{architecture}, k = {k}: {len(trials)}" in said
    second = stored[stored.trial >= tuning.FINAL]
    assert len(second) and set(second.k) == {1}, "as the page says of the second round"
