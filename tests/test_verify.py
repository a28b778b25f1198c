"""Committed cells run again: equal ones pass, altered ones are named."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from toys import small_trials

from labelleak_lib.trials import verify
from labelleak_lib.trials.engine import sweep
from labelleak_lib.trials.grid import Grid
from labelleak_lib.trials.records import RecordStore


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
    store.evidence("digits").to_parquet(folder / "digits.evidence.parquet")
    return ["--store", str(folder), "--sample", "5"]


def test_cells_run_again_are_identical(store, capsys):
    assert verify.main(["--store", str(store.root), "--sample", "5"]) == 0
    out = capsys.readouterr().out
    assert out.count(": identical\n") == 2
    assert "0 with a problem; of 2 from the same model 2 are identical and 0 beyond 0.02; of 0 from another" in out


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


def other_processor(shift, cells=20):
    """Make verdicts of cells that all differ: by noise alone, and by `shift` in one metric of the targets."""
    draw = np.random.default_rng(0)
    lines = pd.MultiIndex.from_product([["none", "placebo"], ["asr", "auc"]])
    verdicts = []
    for i in range(cells):
        stored, found = 0.8 + 0.05 * draw.standard_normal((2, 4))
        found[0] += shift
        verdicts.append(
            verify.Verdict(f"cell {i}", 0.2, "", False, pd.DataFrame({"stored": stored, "found": found}, lines))
        )
    return verdicts


def test_on_another_processor_noise_passes_and_a_shift_does_not(capsys):
    assert verify.judge(other_processor(0.0), 0.02) == 0
    assert "of 20 from another, 0 metrics beyond chance" in capsys.readouterr().out
    assert verify.judge(other_processor(-0.1), 0.02) == 1
    assert "of 20 from another, 1 metrics beyond chance" in capsys.readouterr().out


@pytest.mark.parametrize(("cells", "few"), [(1, True), (2, True), (9, True), (10, False)])
def test_few_cells_of_another_model_are_not_judged_and_that_is_said(cells, few, capsys):
    # of four metrics the least probability is 4 * 2^(1 - n)
    verdicts = other_processor(-5.0, cells)
    assert verify.judge(verdicts, 0.02) == (0 if few else 1)
    out = capsys.readouterr().out
    assert ("too few to tell a shift from chance" in out) == few
    assert f"of {cells} from another, {0 if few else 1} metrics beyond chance" in out


def test_the_comparison_of_samples_is_a_paired_test():
    verdicts = other_processor(0.05)
    table = verify.compare_samples([v.means for v in verdicts]).set_index(["control", "metric"])
    pairs = pd.concat([v.means.loc[[("none", "asr")]] for v in verdicts])
    expected = stats.ttest_rel(pairs.found, pairs.stored).pvalue
    assert table.loc[("none", "asr"), "p"] == pytest.approx(expected, abs=0.01)
    assert table.loc[("none", "asr"), "found"] == pytest.approx(pairs.found.mean())


def test_a_cell_of_the_same_model_must_be_the_same_whatever_the_others_are(capsys):
    first, *others = other_processor(0.0)
    assert verify.judge([first._replace(same_model=True), *others], 0.02) == 1
    assert (
        "of 1 from the same model 0 are identical and 1 beyond 0.02; of 19 from another, 0" in capsys.readouterr().out
    )


def test_another_model_is_known_by_its_stored_scores(store, tmp_path, capsys):
    evidence = store.evidence("digits")
    bent = (evidence.control == "placebo") & (evidence.kind == "score") & (evidence.attack == "dot_product")
    halved = evidence["values"].map(lambda kept: (np.frombuffer(kept, "<f4") * np.float32(0.5)).tobytes())
    options = altered(store, tmp_path / "bent", lambda rows: rows)
    evidence.assign(values=evidence["values"].mask(bent, halved)).to_parquet(tmp_path / "bent/digits.evidence.parquet")
    assert verify.main(options) == 0
    assert "of 0 from the same model 0 are identical and 0 beyond 0.02; of 2 from another" in capsys.readouterr().out


def test_a_problem_fails_on_another_processor_too(capsys):
    assert verify.judge([*other_processor(0.0), verify.Verdict("x", float("nan"), "lost")], 0.02) == 1
    assert "21 cells run again: 1 with a problem" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"), [(["--sample", "0"], "sample is 0"), (["--tolerance", "2"], "tolerance is 2")]
)
def test_a_bad_option_is_one_sentence(options, words, capsys):
    assert verify.main(options) == 2
    assert words in capsys.readouterr().err


def test_a_store_without_records_is_one_sentence(tmp_path, capsys):
    assert verify.main(["--store", str(tmp_path)]) == 2
    assert "store is" in capsys.readouterr().err
