"""The paper's tables in their own shape, from records."""

import re

import pytest

from labelleak_lib.names import PAPER_ROWS
from labelleak_lib.paper.published import published_asr
from labelleak_lib.results import exact_silent, paper_shape
from labelleak_lib.results.accuracies import accuracy_table, of_records
from labelleak_lib.results.summary import of_the_paper, passing
from labelleak_lib.trials.committed import committed_records


@pytest.fixture(scope="module")
def records():
    return committed_records()


def test_a_cell_is_the_mean_over_data_sets_beside_what_is_printed(records):
    found = paper_shape.cells(records, 1, PAPER_ROWS[:1])
    assert found.unlearning.tolist() == ["NG", "FT", "RL", "AU", "RT", "mean"]
    own = passing(of_the_paper(records))
    same = own[(own.k == 1) & (own.attack == "dot_product") & (own.criterion == "youden") & (own.control == "none")]
    for line in found[found.unlearning != "mean"].itertuples():
        of_method = same[same.unlearning == line.unlearning]
        rate = of_method[of_method.protocol == "paper"].groupby("dataset").asr.mean().mean()
        assert line.measured == pytest.approx(100 * rate)
        assert line.published == published_asr("dot_product", "youden", line.unlearning, 1)
        chosen = exact_silent.cells(of_method_with_originals(records, line.unlearning), "dot_product", "youden")
        assert line.both == pytest.approx(
            chosen.groupby(["dataset", "trial"]).both.mean().groupby("dataset").mean().mean()
        )
        assert line.n == len(chosen)


def of_method_with_originals(records, code):
    own = of_the_paper(records)
    return own[(own.k == 1) & (own.unlearning == code)]


def test_the_table_has_a_row_an_attack_and_k_and_says_its_trials(records):
    text = paper_shape.success(records, PAPER_ROWS[3:5], name="tbl-x")
    rows = [line for line in text.splitlines() if line.startswith(("| 1", "| 3"))]
    assert len(rows) == 4 and all(line.count('class="leak') == 6 for line in rows)
    heads = next(line for line in text.splitlines() if line.startswith("| k"))
    assert [cell.strip() for cell in heads.strip("|").split("|")] == [
        "k",
        "attack, criterion",
        *paper_shape.COLUMNS,
        "mean",
    ]
    assert "mnist" in text and "digits" not in text and ":name: tbl-x" in text
    for line in paper_shape.cells(records, 1, PAPER_ROWS[3:4]).itertuples():
        told = f'title="{100 * line.both:.0f}% of {line.n} targets"'
        shown = f'shade-{paper_shape.step(line.both)}" {told}>{line.measured:.1f}'
        assert f"{shown}<br><small>{line.published:.1f}<" in rows[0]


def test_accuracies_stand_below_one_another_by_data_set_k_and_side(records):
    text = paper_shape.accuracy(accuracy_table(of_records(records)), name="tbl-y")
    own = of_the_paper(records)
    datasets = own.dataset.nunique()
    assert len(re.findall(r"^\| \w+ +\| [13] ", text, re.M)) == 4 * datasets
    line = next(line for line in text.splitlines() if line.startswith("| mnist") and "| 1 " in line and "D_r" in line)
    cells = own[(own.dataset == "mnist") & (own.k == 1) & (own.unlearning == "RT")].drop_duplicates("config_hash")
    assert f">{100 * cells.retain_acc_after.mean():.1f}<br><small>" in line.split("|")[-2]


def test_who_accuses_the_original_has_no_colour_however_exact(records):
    row = PAPER_ROWS[3]
    cells = paper_shape.cells(records, 1, [row]).set_index("unlearning")
    known = exact_silent.cells(of_method_with_originals(records, "RT"), *row)
    assert known.exact.mean() > 0.5 > known.both.mean(), "the two differ here"
    by_trial = known.groupby(["dataset", "trial"]).both.mean()
    assert cells.both["RT"] == pytest.approx(by_trial.groupby("dataset").mean().mean())


def test_the_caption_counts_the_trials_of_the_cells_and_not_of_their_neighbours(records):
    own = of_the_paper(records)
    fewer = own[(own.dataset == "mnist") & (own.k == 1) & ((own.attack != "dot_product") | (own.trial < 2))]
    text = paper_shape.success(fewer, PAPER_ROWS[:1], name="tbl-z")
    assert "trials a cell at k = 1: mnist 2\n" in text
    assert "mnist 2 to " in paper_shape.success(fewer, (PAPER_ROWS[0], PAPER_ROWS[3]), name="tbl-z")
    kept = fewer[(fewer.unlearning != "AU") | (fewer.trial < 1)]
    assert "k = 1: mnist 1 to 2\n" in paper_shape.success(kept, PAPER_ROWS[:1], name="tbl-z")


def test_without_long_runs_both_say_so(records):
    assert "No long runs" in paper_shape.success(records[:0], PAPER_ROWS, name="x")
    assert "No long runs" in paper_shape.accuracy(
        accuracy_table(of_records(records[records.dataset == "digits"])), name="x"
    )


def test_what_rests_on_fewer_data_sets_than_others_is_named(records):
    own = records[records.dataset.isin(["mnist", "fashion_mnist"])]
    some = own[(own.dataset != "mnist") | ((own.attack != "difference") & (own.unlearning != "AU"))]
    text = paper_shape.success(some, PAPER_ROWS, name="tbl-z")
    assert text.endswith("of the targets. Over fashion_mnist alone: difference, tree; AU.")
    assert paper_shape.success(own, PAPER_ROWS, name="tbl-z").endswith("of the targets.")
