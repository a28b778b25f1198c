"""Committed cells run again: equal ones pass, altered ones are named."""

import dataclasses

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from data_samples import isolate
from scipy import stats
from toys import RECIPE, SMALL_SETTINGS, small_trials

from labelleak_lib.trials import specification, verify
from labelleak_lib.trials.engine import sweep
from labelleak_lib.trials.grid import Grid
from labelleak_lib.trials.schema import EVIDENCE, MODELS, table
from labelleak_lib.trials.store import Store, thinned
from labelleak_lib.unlearning.retrain import Retrain


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify")
    brief = dataclasses.replace(RECIPE, epochs=2)
    few = dataclasses.replace(
        SMALL_SETTINGS, recipe=brief, methods={"RT": Retrain(brief), "NG": SMALL_SETTINGS.methods["NG"]}
    )
    with small_trials(folder), pytest.MonkeyPatch.context() as patch:
        # every test trains its cells anew
        patch.setattr(specification, "settings", lambda profile, architecture: few)
        kept = Store(folder / "records")
        sweep(Grid(dataset="digits", methods=("RT", "NG"), profile="paper"), kept)
        kept.fold("digits")
        yield kept


def altered(store, folder, change):
    """Store models and evidence as `change` returns them, and return options that verify all of it."""
    folder.mkdir()
    kept = zip(("models", "evidence"), (MODELS, EVIDENCE), change(*store.read("digits")), strict=True)
    for kind, columns, frame in kept:
        pq.write_table(table(frame, columns), folder / f"digits.{kind}.parquet")
    return ["--store", str(folder), "--sample", "5"]


@pytest.mark.parametrize("thin", [False, True])
def test_cells_run_again_are_identical(store, tmp_path, capsys, thin):
    def change(models, evidence):
        return models, thinned(evidence, models) if thin else evidence

    assert verify.main(altered(store, tmp_path / "same", change)) == 0
    out = capsys.readouterr().out
    assert out.count(": identical\n") == 2
    assert "0 with a problem; of 2 from the same model 2 are identical and 0 beyond 0.02; of 0 from another" in out


def test_an_altered_accuracy_is_found(store, tmp_path, capsys):
    def change(models, evidence):
        hit = models.unlearning == "NG"
        return models.assign(
            retain_acc_after=models.retain_acc_after.mask(hit, models.retain_acc_after - 0.125)
        ), evidence

    assert verify.main(altered(store, tmp_path / "changed", change)) == 1
    out = capsys.readouterr().out
    assert "NG: differs by up to 0.1250" in out and "RT: differs by up to 0.1" not in out
    assert "of 2 from the same model" in out and "1 beyond 0.02" in out


def test_altered_evidence_is_found_by_what_is_decided_on_it(store, tmp_path, capsys):
    def change(models, evidence):
        (rt,) = models.model[models.unlearning == "RT"]
        hit = (evidence.model == rt) & (evidence.attack == "direct_probe")
        turned = evidence[hit]["values"].map(lambda kept: (1 - np.frombuffer(kept, "<f8")).tobytes())
        return models, evidence.assign(values=turned.reindex(evidence.index).fillna(evidence["values"]))

    assert verify.main(altered(store, tmp_path / "changed", change)) == 1
    out = capsys.readouterr().out
    assert "RT: differs by up to 1.0000" in out and "1 beyond 0.02" in out


def test_lost_evidence_and_an_undefined_metric_are_problems(store, tmp_path, capsys):
    def change(models, evidence):
        (rt,) = models.model[models.unlearning == "RT"]
        lost = (evidence.model == rt) & (evidence.attack == "dot_product") & (evidence.protocol == "paper")
        gone = models.forget_acc_after.mask(models.unlearning == "NG")
        return models.assign(forget_acc_after=gone), evidence[~lost]

    assert verify.main(altered(store, tmp_path / "lost", change)) == 1
    out = capsys.readouterr().out
    assert "RT: only one of its two models has evidence of dot_product" in out
    assert "NG: a metric is defined on one side only" in out and "2 with a problem" in out


def test_a_lost_original_and_other_settings_are_problems(store, tmp_path, capsys):
    def lose(models, evidence):
        return models[models.unlearning != ""], evidence

    assert verify.main(altered(store, tmp_path / "alone", lose)) == 1
    assert "2 cells run again: 2 with a problem" in capsys.readouterr().out

    def rename(models, evidence):
        return models.assign(model=models.model + "0"), evidence.assign(model=evidence.model + "0")

    assert verify.main(altered(store, tmp_path / "other", rename)) == 1
    assert capsys.readouterr().out.count("made with other settings, data or code") == 2


def test_the_sample_is_drawn_by_its_seed_among_unlearned_models_and_is_no_larger_than_the_store(store):
    models = store.models("digits")
    assert len(models) == 3 and len(verify.draw(models, 50, 0)) == 2
    drawn = [verify.draw(models, 1, seed).model.tolist() for seed in range(20)]
    assert drawn[0] == verify.draw(models, 1, 0).model.tolist()
    assert {model for (model,) in drawn} == set(models.model[models.unlearning != ""])


def test_a_specification_is_that_of_the_stored_model_or_a_sentence(store, tmp_path):
    models = store.models("digits")
    for cell in models[models.unlearning != ""].itertuples():
        spec = verify.specification(cell)
        assert spec.unlearned_id(cell.unlearning, spec.method(cell.unlearning)) == cell.model
        assert spec.original_id(spec.method(cell.unlearning)) == cell.original
        for change, words in (
            ({"data_variant": "another copy"}, "the data here are another variant"),
            ({"unlearning": "XX"}, "no unlearning method is called XX"),
            ({"unlearn_seed": 5}, "made with other settings, data or code"),
            ({"dataset": "nothing_here"}, "its data are not here"),
        ):
            said = verify.specification(cell._replace(**change))
            assert isinstance(said, str) and words in said


def test_cells_of_data_that_are_not_here_are_named_and_not_downloaded(store, tmp_path, monkeypatch):
    isolate(tmp_path, monkeypatch)
    (cell, *_) = store.models("digits").query("unlearning != ''").itertuples()
    for name in ("mnist", "fashion_mnist", "svhn", "cifar10"):
        said = verify.specification(cell._replace(dataset=name), str(tmp_path / "empty"))
        assert isinstance(said, str) and said.startswith("its data are not here: ")


def test_cells_whose_data_are_not_here_do_not_fail_a_verification(capsys):
    absent = [verify.Verdict(f"cell {i}", float("nan"), f"{said}: x") for i, said in enumerate(verify.ABSENT)]
    identical = verify.Verdict("cell", 0.0, "")
    assert verify.conclude([*absent, identical], 0.02) == 0
    assert verify.conclude([*absent, verify.Verdict("cell", float("nan"), "made with other settings")], 0.02) == 1
    capsys.readouterr()


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
    assert verify.conclude(other_processor(0.0), 0.02) == 0
    assert "of 20 from another, 0 metrics beyond chance" in capsys.readouterr().out
    assert verify.conclude(other_processor(-0.1), 0.02) == 1
    assert "of 20 from another, 1 metrics beyond chance" in capsys.readouterr().out


@pytest.mark.parametrize(("cells", "few"), [(1, True), (2, True), (9, True), (10, False)])
def test_few_cells_of_another_model_are_not_judged_and_that_is_said(cells, few, capsys):
    # of four metrics the least probability is 4 * 2^(1 - n)
    verdicts = other_processor(-5.0, cells)
    assert verify.conclude(verdicts, 0.02) == (0 if few else 1)
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
    assert verify.conclude([first._replace(same_model=True), *others], 0.02) == 1
    assert (
        "of 1 from the same model 0 are identical and 1 beyond 0.02; of 19 from another, 0" in capsys.readouterr().out
    )


def half(kept):
    return (np.frombuffer(kept, "<f8") / 2).tobytes()


def test_another_model_is_known_by_its_stored_scores(store, tmp_path, capsys):
    def change(models, evidence):
        originals = evidence.model.isin(models.model[models.unlearning == ""])
        bent = originals & (evidence.kind == "score") & (evidence.attack == "dot_product")
        halved = evidence[bent]["values"].map(half).reindex(evidence.index).fillna(evidence["values"])
        return models, evidence.assign(values=halved)

    assert verify.main(altered(store, tmp_path / "bent", change)) == 0
    assert "of 0 from the same model 0 are identical and 0 beyond 0.02; of 2 from another" in capsys.readouterr().out


def test_a_problem_fails_on_another_processor_too(capsys):
    assert verify.conclude([*other_processor(0.0), verify.Verdict("x", float("nan"), "lost")], 0.02) == 1
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
