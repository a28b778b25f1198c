"""What rows are worth, as the chapters write it, against counts by hand."""

import pandas as pd
from record_samples import full_records, record

from labelleak_lib.results import exact_silent, worth

ROWS = [("blackbox_inversion", "reach"), exact_silent.LABEL_ROW]


def cells_of(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


def missed(records, attack, **where):
    """Return the records with the targets of one attack missed."""
    same = (records.attack == attack) & (records.control == "none")
    for name, value in where.items():
        same &= records[name] == value
    return records.assign(exact_match=records.exact_match.mask(same, 0.0))


def test_data_sets_that_are_not_the_papers_stand_beside_the_mean_and_not_in_it():
    records = pd.concat([full_records(), missed(full_records("digits"), "passive_answers")])
    head, _, search, labels = cells_of(worth.exact_and_silent(records, ROWS))
    assert head == ["row", "exact and silent %", "exact %", "silent %", "targets", "trials", "digits", "mnist"]
    assert labels[0] == "passive reach, labels only" and labels[1].startswith("100.0 (") and labels[2:4] == ["100"] * 2
    assert labels[4:] == ["15", "3", "0", "100"] and search[-2:] == ["100", "100"]
    alone = cells_of(worth.exact_and_silent(full_records("digits"), ROWS))
    assert alone[3][1].startswith("100.0 (") and len(alone[0]) == 6


def test_searches_and_free_readings_stand_under_one_rule():
    records = missed(full_records().assign(queries=7), "passive_answers", trial=0)
    scores = ("blackbox_inversion", "passive_answers", "head_bias")
    text = worth.under_one_rule(records, scores, rules=("reach", "two_means"), caption="Rules", name="tbl-rules")
    head, _, *lines = cells_of(text)
    assert head == ["score", "reach", "two means", "queries"]
    assert lines == [
        ["black-box inversion", "100", "", "7"],
        ["passive reach, labels only", "67", "", "7"],
        ["head bias", "", "100", "7"],
    ]


def test_one_rule_is_asked_of_the_same_targets_of_the_papers_data_sets():
    records = missed(full_records(), "passive_answers", trial=0)
    records = records[(records.attack != "blackbox_inversion") | (records.trial > 0)]
    records = pd.concat([records, missed(full_records("digits"), "passive_answers")])
    scores = ("blackbox_inversion", "passive_answers")
    text = worth.under_one_rule(records, scores, rules=("reach",), caption="Rules", name="tbl-rules")
    assert "Rules; on the 10 targets that have every score" in text
    assert [line[1] for line in cells_of(text)[2:]] == ["100", "100"]


def test_the_cells_where_a_row_fails_are_named_the_worst_first():
    records = missed(
        missed(full_records(), "passive_answers", unlearning="NG"), "passive_answers", unlearning="FT", trial=1
    )
    text = worth.hard_cells(records, *exact_silent.LABEL_ROW)
    assert (
        text == "Passive reach, labels only fails most for NG on mnist, k = 1 (0% of 3); FT on mnist, k = 1 (67% of 3)."
    )
    assert worth.hard_cells(records, *exact_silent.LABEL_ROW, most=1).endswith("(0% of 3); and 1 more cell.")
    assert worth.hard_cells(records, *ROWS[0]) == "Black-box inversion, reach is exact and silent for every target."
    never = missed(records, "passive_answers")
    assert worth.hard_cells(never, *exact_silent.LABEL_ROW).endswith("is exact and silent for no target.")


def test_a_search_earns_its_queries_on_the_targets_that_have_both():
    records = missed(full_records(trials=3), "passive_answers", trial=0)
    assert "search earns its queries. On the 15 targets" in worth.search_or_not(records)
    short = records[(records.attack != "blackbox_inversion") | (records.trial > 0)]
    text = worth.search_or_not(short)
    assert "search does not earn its queries. On the 10 targets" in text and text.count("100.0% (") == 2
    assert worth.search_or_not(pd.DataFrame([record()])) == ""
