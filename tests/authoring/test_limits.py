"""The page of limits, against the committed records."""

import re

from project import ROOT

from labelleak_lib.nulls import bank, tuning
from labelleak_lib.trials.committed import committed_records

TEXT = " ".join((ROOT / "book/limits.md").read_text(encoding="utf-8").split())
SHOWN = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "svhn": "SVHN", "cifar10": "CIFAR-10"}


def test_the_class_counts_that_are_missing_are_those_without_records():
    records = committed_records()
    (said,) = re.findall(r"beyond three: (.*?)\.", TEXT)
    told = dict(re.findall(r"(?:^|, )([A-Z][\w-]+) (none|\d.*? trials each\))", said))
    for dataset, title in SHOWN.items():
        trials = records[records.dataset == dataset].groupby("k").trial.nunique()
        assert {1, 3} <= set(trials.index)
        beyond = trials[trials.index > 3]
        assert set(trials.index) - set(beyond.index) == {1, 3}
        *first, last = map(str, beyond.index) if len(beyond) else ("",)
        expected = f"{', '.join(first)} and {last} ({beyond.max()} trials each)" if last else "none"
        assert told[title] == expected and beyond.nunique() <= 1


def test_tables_of_the_null_bank_share_data_sets_with_the_choice_of_thresholds_and_no_seed():
    models = bank.bank()
    assert set(tuning.KS) <= {model.dataset for model in models}, "so no page may say that no table reports on them"
    assert all(model.seed < tuning.SEED for model in models)
    chapter = (ROOT / "notebooks/08_controls.py").read_text(encoding="utf-8")
    assert "null bank below has models of both" in chapter and "seeds of their own, which no table" not in chapter
