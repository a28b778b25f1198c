"""Thresholds of reach: chosen from stored runs apart from what is reported."""

import numpy as np
import pandas as pd
import pytest

from labelleak_lib.files import COMMITTED
from labelleak_lib.nulls.tuning import SEED, grids
from labelleak_lib.registry import ATTACKS
from labelleak_lib.results import tuning
from labelleak_lib.trials.store import Store


@pytest.fixture(scope="module")
def stored():
    return tuning.models()


def made(*lines):
    rows = [(d, u, len(f), "x", frozenset(f), np.array(relative)) for d, u, f, relative in lines]
    return pd.DataFrame(rows, columns=["dataset", "unlearning", "k", "attack", "forgotten", "relative"])


def test_data_sets_methods_and_numbers_of_classes_weigh_alike():
    table = made(
        ("a", "RT", [0], [0.0, 1, 1]), ("a", "RT", [0], [0.0, 1, 1]), ("a", "RT", [0], [0.0, 1, 1]),
        ("b", "NG", [0], [0.3, 1, 1]), ("a", "", [], [0.4, 1, 1]), ("b", "", [], [0.2, 1, 1]),
    )  # fmt: skip
    found = tuning.curve(table, np.array([0.1, 0.25, 0.35]))
    assert found.exact.tolist() == [0.5, 0.5, 1.0], "one of two cells, though three of four targets"
    assert found.silent.tolist() == [1.0, 0.5, 0.5]
    assert found.right.tolist() == [0.75, 0.5, 0.75]


def test_a_set_is_named_exactly_or_not_at_all():
    table = made(("a", "RT", [0, 1], [0.0, 0.2, 1]), ("a", "", [], [0.9, 0.9, 1]))
    assert tuning.curve(table, np.array([0.1, 0.3, 1.0])).exact.tolist() == [0.0, 1.0, 0.0]


def test_a_second_threshold_breaks_no_silence_and_takes_in_what_lies_just_above_the_first():
    table = made(("a", "NG", [0, 1], [0.1, 0.2, 1]), ("a", "RT", [0], [0.1, 0.2, 1]), ("a", "", [], [0.2, 0.2, 1]))
    found = tuning.curve(table, np.array([0.1, 0.3]), first=0.15)
    assert found.exact.tolist() == [0.5, 0.5] and found.silent.tolist() == [1.0, 1.0]
    counted = tuning.with_a_second(table, 0.15, 0.3).set_index("method")
    assert counted.one.to_dict() == {"NG": 0, "others": 1} and counted.two.to_dict() == {"NG": 1, "others": 0}
    assert counted.n.to_dict() == {"NG": 1, "others": 1}, "a model that forgot nothing is no target"


def test_one_attack_read_alone_is_that_of_all(stored):
    alone = tuning.models(attack="joint_reach")
    kept = stored[stored.attack == "joint_reach"].reset_index(drop=True)
    assert len(alone) and alone.drop(columns="relative").equals(kept.drop(columns="relative"))
    assert all(map(np.array_equal, alone.relative, kept.relative))


def test_the_runs_lie_apart_from_what_is_reported(stored):
    reported = set(Store(COMMITTED).datasets())
    assert not reported & set(stored.dataset)
    assert set(stored.dataset) <= {grid.dataset for grid in grids(1)}
    assert all(grid.seed == SEED == 1000 for grid in grids(3))


@pytest.mark.parametrize("attack", ["joint_reach", "gradient_reach"])
def test_an_attacks_threshold_is_the_one_that_the_stored_runs_choose(stored, attack):
    assert ATTACKS[attack].threshold == tuning.chosen(tuning.curve(stored[stored.attack == attack]))
