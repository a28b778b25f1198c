"""What is committed was made with today's settings, code and data: nothing stale or mixed stands in the book."""

import socket

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from labelleak_lib.authoring import form_pages
from labelleak_lib.files import COMMITTED
from labelleak_lib.results import survey, surveyed
from labelleak_lib.trials import verify
from labelleak_lib.trials.committed import PROFILE, committed, committed_records
from labelleak_lib.trials.identity import numerics_digest
from labelleak_lib.trials.schema import EVIDENCE, MODELS, SCHEMA_VERSION
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.store import Store, thinned
from labelleak_lib.trials.threads import one_thread

STORED = committed()
ELSEWHERE = verify.ABSENT
"""How a sentence begins that says why a cell cannot be checked here."""


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Let no test download what a fresh clone lacks."""

    def refuse(*_, **__):
        raise OSError("tests use no network")

    monkeypatch.setattr(socket, "create_connection", refuse)


def unlearned(name):
    models = STORED[name].models
    return models[models.unlearning != ""]


def test_something_is_committed():
    assert set(STORED) >= {"mnist", "fashion_mnist", "svhn", "cifar10"}


@pytest.mark.parametrize("dataset", STORED)
def test_every_identity_comes_out_again_of_its_row(dataset):
    found = {cell.model: verify.specification(cell) for cell in unlearned(dataset).itertuples()}
    sentences = {said for said in found.values() if isinstance(said, str)}
    for said in sorted(sentences):
        if said.startswith(ELSEWHERE):
            pytest.skip(f"{dataset}: {said}")
    assert sentences == set()
    originals = {spec.original_id(spec.method(code)) for spec, code in zip(
        found.values(), unlearned(dataset).unlearning, strict=True)}  # fmt: skip
    models = STORED[dataset].models
    assert originals == set(models.model[models.unlearning == ""])


@pytest.mark.parametrize("dataset", STORED)
def test_every_identity_of_evidence_comes_out_again(dataset):
    models, evidence = STORED[dataset]
    pieces = evidence.drop_duplicates("evidence")[["evidence", "model", "attack", "protocol", "staged"]]
    by_model = {model: list(own.itertuples()) for model, own in pieces.groupby("model")}
    for cell in unlearned(dataset).itertuples():
        spec = verify.specification(cell)
        if isinstance(spec, str):
            pytest.skip(f"{dataset}: {spec}")
        # the settings are built anew each time that they are asked for
        attacks = spec.settings.attacks
        for model in (cell.model, cell.original):
            for row in (row for row in by_model[model] if row.staged in ("", cell.forgotten)):
                assert spec.evidence_id(model, attacks[row.attack], row.attack, row.protocol) == row.evidence
    assert set(evidence.model) == set(models.model)


def test_the_page_of_what_is_stored_says_of_how_many_models_the_code_was_another(tmp_path):
    form_pages.stored_page(tmp_path)
    numerics = pd.concat([part.models.numerics for part in STORED.values()])
    other = sum(digest not in ("", numerics_digest()) for digest in numerics)
    said = (tmp_path / "stored.md").read_text()
    assert f"Of {len(numerics):,} committed models {sum(numerics != ''):,} say" in said
    assert f"for {other:,} of these it was another than today's" in said


def test_every_file_of_the_records_can_be_taken_from_the_page_and_its_lines_are_counted(tmp_path):
    form_pages.stored_page(tmp_path)
    said = (tmp_path / "stored.md").read_text()
    files = sorted(COMMITTED.rglob("*.parquet"))
    assert said.count("{download}`") == len(files)
    for path in files:
        name = path.relative_to(COMMITTED).as_posix()
        assert f"{{download}}`{name} <records/{name}>` | {len(pd.read_parquet(path)):,} |" in said


@pytest.mark.parametrize("dataset", STORED)
def test_committed_files_say_what_they_hold(dataset):
    for kind, columns in (("models", MODELS), ("evidence", EVIDENCE)):
        schema = pq.read_schema(COMMITTED / f"{dataset}.{kind}.parquet")
        assert int(schema.metadata[b"labelleak_schema"]) == SCHEMA_VERSION
        meanings = {field.name: field.metadata[b"meaning"].decode() for field in schema}
        assert meanings == {name: text for name, (_, text) in columns.items()}
    assert not list((COMMITTED / "cells" / dataset).glob("*.npz")), "everything is folded in"


@pytest.mark.parametrize("dataset", STORED)
def test_what_is_committed_is_thinned(dataset):
    models, evidence = STORED[dataset]
    pd.testing.assert_frame_equal(thinned(evidence, models), evidence)


@pytest.mark.parametrize("dataset", STORED)
def test_no_two_original_models_of_one_identity_are_mixed(dataset):
    models, evidence = Store(COMMITTED).read(dataset)
    raw = pq.read_table(COMMITTED / f"{dataset}.evidence.parquet").to_pandas()
    assert len(raw) == len(evidence), "nothing is stored of other weights"
    weights = models.set_index("model").weights
    cells = models[models.unlearning != ""]
    assert (cells.original.map(weights) == cells.original_weights).all()
    sums = raw[raw.attack == "head_row_sum"]
    assert sums.groupby("model").size().eq(1).all() and set(sums.model) == set(models.model)
    # before anything is unlearned, accuracies are those of M_o
    before = cells.groupby(["original", "forgotten"])[["forget_acc_before", "retain_acc_before"]].nunique()
    assert before.eq(1).all(axis=None)
    shared = cells[cells.unlearning != "AU"].groupby(["split_seed", "train_seed"]).original.nunique()
    assert shared.eq(1).all()


@pytest.mark.parametrize("dataset", STORED)
def test_accuracies_on_forgotten_and_retained_classes_are_of_one_original_model(dataset):
    cells = unlearned(dataset)
    spec = verify.specification(next(cells.itertuples()))
    if isinstance(spec, str):
        pytest.skip(f"{dataset}: {spec}")
    share = np.bincount(spec.part("test").labels) / len(spec.part("test"))
    gone = cells.forgotten.map(lambda named: share[[int(c) for c in named.split(",")]].sum())
    whole = gone * cells.forget_acc_before + (1 - gone) * cells.retain_acc_before
    spread = whole.groupby(cells.original).agg(np.ptp)
    assert spread.max() < 1e-9, spread[spread >= 1e-9].to_dict()


def test_every_committed_cell_is_judged():
    records = committed_records()
    judged = records.groupby("dataset").config_hash.nunique().to_dict()
    assert judged == {name: len(unlearned(name)) for name in STORED}
    assert (records.profile == PROFILE).all()
    assert records.groupby(["config_hash", "attack", "criterion", "protocol"]).control.agg(set).eq(
        {"none", "placebo"}).all()  # fmt: skip


def test_surveys_are_of_todays_settings():
    lines = pd.concat(surveyed.stored("agreement").values()).to_dict("records")
    stale = [
        (line["dataset"], line["method"])
        for line in lines
        if line["settings"] != survey.settings_of(line["method"], line["profile"], line["architecture"])
    ]
    assert lines
    assert stale == []


def test_the_survey_of_digits_comes_out_again(tmp_path, monkeypatch):
    # a cache of its own, since a stored M_o may be of older code
    monkeypatch.setenv("LABELLEAK_CACHE", str(tmp_path))
    kept = surveyed.stored("agreement")["digits"].set_index("method")
    spec = TrialSpec.from_parameters(dataset="digits", profile="paper")
    with one_thread():
        again = survey.agreement_of(spec, ["NG"]).set_index("method")
    numbers = ["early", "late", "deployed", "probe_forgotten", "probe_retained"]
    # another processor rounds otherwise and training amplifies it: 0.05 apart without vector instructions
    np.testing.assert_allclose(again[numbers], kept.loc[again.index, numbers], atol=0.1)
