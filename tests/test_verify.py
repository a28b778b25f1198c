"""Committed cells run again: equal ones pass, altered ones are named."""

import pandas as pd
import pytest
from toys import small_trials

from labelleak_lib import verify
from labelleak_lib.records import RecordStore
from labelleak_lib.sweep import Grid, sweep


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify")
    with small_trials(folder):
        kept = RecordStore(folder / "records")
        sweep(Grid(dataset="digits", methods=("RT", "NG"), profile="paper"), kept)
        kept.compact("digits")
        yield kept


def altered(store, folder, change):
    rows = change(store.read("digits"))
    folder.mkdir()
    rows.to_parquet(folder / "digits.parquet")
    return ["--store", str(folder), "--sample", "5"]


def test_cells_run_again_are_identical(store, capsys):
    assert verify.main(["--store", str(store.root), "--sample", "5"]) == 0
    out = capsys.readouterr().out
    assert out.count(": identical\n") == 2
    assert out.endswith("2 cells run again: 2 identical, 0 beyond 0.02\n")


def test_an_altered_metric_is_found(store, tmp_path, capsys):
    def change(rows):
        hit = (rows.unlearning == "NG") & (rows.attack == "dot_product")
        return rows.assign(asr=rows.asr.where(~hit, rows.asr - 0.125))

    assert verify.main(altered(store, tmp_path / "changed", change)) == 1
    out = capsys.readouterr().out
    assert "NG: differs by up to 0.1250" in out
    assert out.count("identical\n") == 1


def test_a_lost_record_an_undefined_metric_and_other_settings_are_problems(store, tmp_path, capsys):
    rt = {"RT": lambda rows: rows.unlearning == "RT", "NG": lambda rows: rows.unlearning == "NG"}

    def change(rows):
        rows = pd.concat([rows[rt["NG"](rows)], rows[rt["RT"](rows)].iloc[1:]])
        return rows.assign(auc=rows.auc.where(~rt["NG"](rows)))

    assert verify.main(altered(store, tmp_path / "lost", change)) == 1
    out = capsys.readouterr().out
    assert "RT: " in out and "records stored" in out
    assert "a metric is defined on one side only" in out
    other = altered(store, tmp_path / "other", lambda rows: rows.assign(config_hash=rows.config_hash + "0"))
    assert verify.main(other) == 1
    assert capsys.readouterr().out.count("made with other settings, data or code") == 2


def test_the_sample_is_drawn_by_its_seed_and_no_larger_than_the_store(store):
    records = store.read("digits")
    assert len(verify.draw(records, 50, 0)) == 2
    drawn = [[row.config_hash for row in verify.draw(records, 1, seed)] for seed in range(20)]
    assert drawn[0] == [row.config_hash for row in verify.draw(records, 1, 0)]
    assert len({hashes[0] for hashes in drawn}) == 2


@pytest.mark.parametrize(
    ("options", "words"), [(["--sample", "0"], "sample is 0"), (["--tolerance", "2"], "tolerance is 2")]
)
def test_a_bad_option_is_one_sentence(options, words, capsys):
    assert verify.main(options) == 2
    assert words in capsys.readouterr().err


def test_a_store_without_records_is_one_sentence(tmp_path, capsys):
    assert verify.main(["--store", str(tmp_path)]) == 2
    assert "store is" in capsys.readouterr().err
