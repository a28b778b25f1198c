"""What is offered of a trial under a defence, what that grants, and the lines that are measured of it."""

import numpy as np
import pandas as pd
import pytest

from labelleak_lib.data.samples import split_classes
from labelleak_lib.registry import DEFENCES
from labelleak_lib.results import defended as results
from labelleak_lib.trials import defended
from labelleak_lib.trials.offers import NONE, granted, offer
from labelleak_lib.trials.specification import TrialSpec

SPEC = TrialSpec.from_parameters(dataset="digits", seed=40)
(GONE,) = SPEC.forgotten


@pytest.fixture
def cheap(monkeypatch):
    monkeypatch.setattr(defended, "READINGS", {"passive_answers": "reach", "missing_by_samples": "above_half"})
    monkeypatch.setattr(defended, "SLOW", {})


def test_each_output_is_called_by_its_class_and_dummies_by_numbers_beyond():
    every, kept = tuple(range(10)), tuple(c for c in range(10) if c != GONE)
    assert offer(SPEC, "RT", NONE).names == offer(SPEC, "RT", "mask").names == every
    assert offer(SPEC, "RT", "drop_rows").names == kept and offer(SPEC, "", "drop_rows").names == every
    assert offer(SPEC, "RT", "surplus").names == (*every, 10, 11, 12, 13, 14)


def test_rows_that_are_removed_leave_the_other_answers_as_they_are():
    retain, _ = split_classes(SPEC.part("test"), SPEC.forgotten)
    plain, without = offer(SPEC, "RT", NONE), offer(SPEC, "RT", "drop_rows")
    left = plain.answers(retain.images)[:, list(without.names)].double()
    np.testing.assert_allclose(without.answers(retain.images), left / left.sum(1, keepdim=True), atol=1e-6)
    assert defended.accuracy(plain, retain) <= defended.accuracy(without, retain)


def test_who_publishes_answers_grants_no_parameters():
    answers, model = offer(SPEC, "RT", "label_only"), offer(SPEC, "RT", "mean_row")
    assert granted(SPEC, answers, "white_box") is None and granted(SPEC, answers, "white_box_with_samples") is None
    assert granted(SPEC, model, "white_box").classes == 10
    assert granted(SPEC, answers, "labels_only").classes == granted(SPEC, answers, "black_box").classes == 10


def test_lines_are_read_where_they_are_stored_and_are_the_same_when_measured_anew(cheap, tmp_path, monkeypatch):
    monkeypatch.setattr(defended.stored, "__defaults__", (tmp_path,))
    fresh = defended.collect([SPEC], ["mask"], ("RT",))
    assert set(fresh.unlearning) == {"", "RT"} and set(fresh.attack) == {
        "passive_answers",
        "missing_by_samples",
        "always_zero",
    }
    defended.write(fresh.assign(seconds=77.0), tmp_path / "digits.parquet")
    reused = defended.collect([SPEC], ["mask"], ("RT",))
    assert (reused.seconds == 77).all()
    anew = defended.collect([SPEC], ["mask"], ("RT",), records="recompute")
    pd.testing.assert_frame_equal(anew.drop(columns="seconds"), fresh.drop(columns="seconds"))
    judged = results.judged(reused)
    assert judged.exact[judged.attack == "always_zero"].tolist() == [1.0]


def test_a_defence_is_tried_behind_the_methods_and_alone_where_it_unlearns_by_itself():
    assert defended.codes(NONE, ("RT", "NG")) == ["", "RT", "NG"]
    assert defended.codes("trew", ("RT",)) == ["", "RT", NONE]
    assert defended.codes("dp_sgd", ("RT", "NG")) == ["", "RT"]
    assert all(defended.codes(name)[0] == "" for name in DEFENCES)


def test_without_a_defence_a_retrained_model_gives_its_class_away(cheap):
    (row,) = (
        results.judged(defended.collect([SPEC], [NONE], ("RT",), records="recompute"))
        .query("attack == 'passive_answers'")
        .to_dict("records")
    )
    assert row["forgot"] and row["exact"] == row["silent"] == 1
