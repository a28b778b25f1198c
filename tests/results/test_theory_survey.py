"""The survey of section IV-B on trained models, as the book stores it."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from labelleak_lib.models import classifier
from labelleak_lib.results import survey, surveyed
from labelleak_lib.trials.originals import unlearned_model
from labelleak_lib.trials.specification import TrialSpec


@pytest.fixture(scope="module")
def spec() -> TrialSpec:
    return TrialSpec.from_parameters(dataset="digits", seed=1000)


def test_the_attackers_sets_hold_one_class_each_and_the_models_own_head(spec):
    model = unlearned_model(spec, "RT")
    head, sets, own = survey.attacker_view(model, spec)
    assert head.shape == (10, model.head.in_features + 1)
    assert sets.shape == (100, 20, model.head.in_features + 1)
    assert np.bincount(own).tolist() == [10] * 10
    phi = classifier.extract_features(model, spec.data.pool_images).cpu().numpy()
    known = LogisticRegression(max_iter=500).fit(phi, spec.data.pool_labels.numpy())
    assert (known.predict(sets[..., :-1].reshape(-1, phi.shape[1])) == np.repeat(own, 20)).mean() > 0.99


def test_the_survey_agrees_with_the_models_own_answers(spec, tmp_path):
    survey.store(spec, ["RT"], tmp_path)
    (found,) = surveyed.stored("agreement", tmp_path).values()
    assert found.method.tolist() == ["M_o", "RT"]
    labels = spec.data.pool_labels
    answers = classifier.predict_proba(unlearned_model(spec, "RT"), spec.data.pool_images).argmax(1).cpu()
    kept = ~np.isin(labels.numpy(), spec.forgotten)
    assert found.probe_retained[1] == pytest.approx((answers == labels).numpy()[kept].mean(), abs=0.03)
    assert found.probe_forgotten.tolist() == [pytest.approx(1, abs=0.1), 0]
    assert (found.early > 0.99).all(), "the first-order expansion"
    (table,) = surveyed.stored("assumptions", tmp_path).values()
    assert table[table.equation == 17].measured.abs().max() < 1e-9, "the zero row"
    assert len(surveyed.assumption_lines(table).splitlines()) == len(table) + 2
    assert len(surveyed.agreement_lines(found).splitlines()) == 4


def test_every_row_of_a_written_table_has_a_cell_for_each_column():
    for table in surveyed.stored("assumptions").values():
        assert table.quantity.str.contains("|", regex=False).any()
        rows = [re.split(r"(?<!\\)\|", line) for line in surveyed.assumption_lines(table).splitlines()]
        assert {len(row) for row in rows} == {2 + 6}


def test_heads_without_the_attacks_momentum_are_not_shown_as_the_attacks_own(tmp_path):
    row = {"method": "RT", "early": 1.0, "late": 0.9, "deployed": 0.8, "probe_forgotten": 0.0, "probe_retained": 1.0}
    for name, more in (("mnist", {}), ("digits", {"momentum": 0.9})):
        pd.DataFrame([row | more]).to_csv(tmp_path / f"{name}.agreement.csv", index=False)
    tables = surveyed.stored("agreement", tmp_path)
    assert tables["digits"].deployed.tolist() == [0.8] and tables["mnist"].deployed.isna().all()
    assert surveyed.agreement_lines(tables["mnist"]).splitlines()[2].split("|")[4].strip() == ""


def test_surveys_come_in_the_books_order_of_data_sets():
    assert list(surveyed.stored("agreement")) == ["digits", "mnist", "fashion_mnist", "svhn", "cifar10"]


def test_every_data_set_has_a_tab_with_two_tables_under_labels_of_their_own():
    text, names = surveyed.by_set("tbl-x"), list(surveyed.stored("assumptions"))
    labels = [f"tbl-x-{name}-{kind}".replace("_", "-") for name in names for kind in ("assumptions", "agreement")]
    assert re.findall(r"^:name: (.*)$", text, re.M) == labels
    captions = re.findall(r"^:::\{table\} (.*)$", text, re.M)
    assert all(f"{name}, one trial" in caption for name, caption in zip(np.repeat(names, 2), captions, strict=True))


def test_the_same_trial_gives_the_same_survey(spec):
    pd.testing.assert_frame_equal(survey.assumptions_of(spec), survey.assumptions_of(spec))


def test_an_unknown_data_set_is_one_sentence_and_nothing_is_written(tmp_path, capsys):
    assert survey.main(["nowhere", "--folder", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("error: dataset 'nowhere' is no known name")
    assert not (tmp_path / "out").exists()
