"""Decisions are kept for as long as the files, the code and the registered rules are the same."""

import shutil

import pandas as pd
import pytest

from labelleak_lib.criteria.scores import LargestGap
from labelleak_lib.files import COMMITTED
from labelleak_lib.registry import CRITERIA
from labelleak_lib.trials import committed, decided
from labelleak_lib.trials.judging import judge
from labelleak_lib.trials.store import Store


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A store with two trials of one method of the committed one, and a cache of its own."""
    monkeypatch.setenv("LABELLEAK_CACHE", str(tmp_path / "cache"))
    models, evidence = Store(COMMITTED).read("digits")
    few = models[(models.trial < 2) & models.unlearning.isin(["", "NG"])]
    Store(tmp_path / "records")._write_folded("digits", few, evidence[evidence.model.isin(few.model)])
    return tmp_path / "records"


@pytest.fixture
def judgements(monkeypatch):
    """Count how often a data set is judged."""
    counted = []
    monkeypatch.setattr(committed, "judge", lambda *stored: counted.append(1) or judge(*stored))
    return counted


def test_what_is_kept_is_what_judging_gives(root, judgements):
    anew = judge(*committed.committed(root)["digits"])
    for _ in range(2):
        pd.testing.assert_frame_equal(committed.committed_records(root), anew)
    assert len(judgements) == 1


def test_other_files_and_other_code_are_judged_anew(root, judgements, monkeypatch):
    committed.committed_records(root)
    models, evidence = Store(root).read("digits")
    one = models[models.trial < 1]
    Store(root)._write_folded("digits", one, evidence[evidence.model.isin(one.model)])
    assert set(committed.committed_records(root).trial) == {0} and len(judgements) == 2
    monkeypatch.setattr(decided, "code_digest", lambda: "another")
    committed.committed_records(root)
    assert len(judgements) == 3
    assert len(list((root.parent / "cache" / "decided").glob("*.parquet"))) == 1, "what no longer holds goes"


def test_the_digest_is_of_all_code_that_may_decide(tmp_path, monkeypatch):
    copy = tmp_path / "labelleak_lib"
    shutil.copytree(decided.LIBRARY, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(decided, "LIBRARY", copy)

    def after(path):
        decided.code_digest.cache_clear()
        (copy / path).write_text((copy / path).read_text() + "\n# changed\n")
        return decided.code_digest()

    decided.code_digest.cache_clear()
    before = decided.code_digest()
    assert after("figures/layout.py") == before
    assert len({before, *map(after, ("criteria/scores.py", "metrics.py", "trials/gate.py", "evidence.py"))}) == 5
    decided.code_digest.cache_clear()


def test_nothing_is_kept_where_a_rule_of_another_package_is_registered(root, judgements, monkeypatch):
    monkeypatch.setattr(CRITERIA, "_classes", dict(CRITERIA._classes))

    @CRITERIA.register("of_another_package")
    class Other(LargestGap):
        everywhere = True

    assert "of_another_package" in set(committed.committed_records(root).criterion)
    committed.committed_records(root)
    assert len(judgements) == 2


def test_a_store_with_open_files_is_judged_anew(root, judgements):
    committed.committed_records(root)
    (root / "cells" / "digits").mkdir(parents=True)
    committed.committed_records(root)
    committed.committed_records(root)
    assert len(judgements) == 3, "each time"
