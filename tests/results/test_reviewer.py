"""The page for a busy reviewer says what the records say."""

import re

import pytest
from record_samples import full_records

from labelleak_lib.authoring import pages
from labelleak_lib.results import reviewer


@pytest.fixture
def records():
    return full_records(target=1.0, placebo=0.4).assign(dataset="mnist")


def test_every_row_of_the_paper_is_said_once_and_on_its_side(records):
    text = "\n".join(reviewer.reproduced({1: records}))
    assert text.count("- ") >= 7 and "lower" not in text
    assert "**Comes out higher, k = 1, mean over the methods** (5 of 7 rows)" in text
    assert "**Comes out as printed, k = 1, mean over the methods** (2 of 7 rows)" in text, "98.45 and 98.52, beside 100"
    low = "\n".join(reviewer.reproduced({1: records.assign(asr=0.1)}))
    assert "**Comes out lower, k = 1, mean over the methods** (7 of 7 rows)" in low and "higher" not in low


def test_rows_that_accuse_the_original_are_counted_and_silent_ones_are_not(records):
    silent = reviewer.measure(records)[0]
    assert "0 of 7 rows accuse somebody" in silent and "more than half of the targets: 7 of 7" in silent
    accused = records.assign(predicted=records.predicted.mask(records.control == "placebo", "3"))
    text = reviewer.measure(accused)[0]
    assert "7 of 7 rows accuse somebody" in text and "more than half of the targets: 0 of 7" in text
    assert "Cheap questions find less than published" in text and "The leak is real" in silent


def test_the_floor_and_the_control_are_those_of_the_records(records):
    text = reviewer.measure(records)[0]
    assert "scores 90%" in text and "on a model that forgot nothing** scores 40%" in text
    assert re.search(r"for 0 of the rows that have such a control", text)


def test_without_long_runs_the_page_says_so(tmp_path, monkeypatch, records):
    monkeypatch.setattr(pages, "committed_records", lambda: records.assign(dataset="digits"))
    pages.reviewer_page(tmp_path)
    assert "No long runs" in (tmp_path / "reviewer.md").read_text()
