"""Limits from the null bank: what enters them, and what a data set left out does not."""

import json

import numpy as np
import pandas as pd
import pytest

from labelleak_lib.criteria import calibrated
from labelleak_lib.criteria.calibrated import Calibrated, limit
from labelleak_lib.nulls import bank, calibration
from labelleak_lib.nulls.stored import stored
from labelleak_lib.results import false_alarms


@pytest.fixture(scope="module")
def committed():
    return stored()


@pytest.fixture(scope="module")
def measured(committed):
    return calibration.statistics(committed)


def test_the_librarys_limits_are_those_of_the_committed_bank(measured):
    held = json.loads(calibrated.LIMITS.read_text())
    assert held["level"] == calibrated.LEVEL
    assert held["limits"] == pytest.approx(calibration.limits_of(measured), rel=1e-5)
    assert held["models"] == measured[measured.kind != calibration.RARE].model.nunique()


def test_every_model_of_the_bank_never_forgot_and_says_what_it_is(committed):
    assert (committed.models.unlearning == "").all() and (committed.models.forgotten == "").all()
    told = calibration.kinds(committed.models)
    assert told.kind.notna().all() and told.share[told.kind == calibration.RARE].between(0, 1).all()
    # no seed of the book's trials, nor of tuning
    assert committed.models.seed.between(bank.SEED, 999).all()


def test_on_the_bank_itself_the_calibrated_rule_accuses_at_most_its_level(committed):
    judged = false_alarms.decided(committed, [Calibrated()])
    counts = false_alarms.alarms(judged, ["attack"])
    assert len(counts) > 5 and (counts.rate <= calibrated.LEVEL).all()


def test_what_is_left_out_has_no_part_in_its_limit():
    draw = np.random.default_rng(0)
    table = pd.DataFrame({
        "attack": "query_reach", "dataset": np.repeat(["a", "b"], 100), "kind": "Plain",
        "statistic": np.concatenate([draw.normal(size=100), 10 + draw.normal(size=100)]),
    })  # fmt: skip
    found = calibration.left_out(table, "dataset").set_index("left_out")
    a, b = (table.statistic[table.dataset == name] for name in "ab")
    assert found.alarms["b"] == (b > limit(a)).sum() == 100 and found.alarms["a"] == (a > limit(b)).sum() == 0


def test_models_with_a_rare_class_enter_no_limit():
    table = pd.DataFrame(
        {"attack": "x", "kind": ["Plain"] * 19 + ["RareClass"] * 5, "statistic": [*range(19), *[99] * 5]}
    )
    assert calibration.limits_of(table) == {"x": 18.0}
