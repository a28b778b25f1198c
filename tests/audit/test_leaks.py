"""What leaks, judged by the truth beside the original model."""

import json

import numpy as np
import pytest
from forgetful import fitted, pictures
from sklearn.metrics import roc_auc_score

import labelleak_lib
from labelleak_lib import InputSpace

SHAPE = (12,)
SPACE = InputSpace(SHAPE)


@pytest.fixture(scope="module")
def report():
    return labelleak_lib.audit(
        fitted(5, SHAPE, (2,)), SPACE, samples=pictures(5, SHAPE), original=fitted(5, SHAPE), forgotten=[2],
        progress=False,
    )  # fmt: skip


def test_every_reading_is_judged_on_both_models(report):
    table = report.leaks.set_index(["reading", "access"])
    assert table.index.tolist() == [
        ("reach", "labels"), ("reach", "probabilities"), ("head_bias", "head"), ("head_row_sum", "head"),
        ("dot_product", "head and samples"), ("difference", "head and samples"), ("accuracy", "samples"),
        ("reach lost", "both models"),
    ]  # fmt: skip
    for access in ("labels", "probabilities"):
        assert tuple(table.loc[("reach", access), ["auc", "named", "exact", "accused"]]) == (1, (2,), True, ())
    assert table.named[("accuracy", "samples")] == (2,) and table.accused[("accuracy", "samples")] == ()
    assert table.accused[("reach lost", "both models")] is None and table.exact[("reach lost", "both models")]
    truth = np.arange(5) == 2
    for name in ("head_bias", "head_row_sum", "dot_product", "difference"):
        score = report.classes[name]
        assert table.auc[(name, table.loc[name].index[0])] == pytest.approx(roc_auc_score(truth, score))
    assert all(exact == (named == (2,)) for exact, named in zip(table.exact, table.named, strict=True))


def test_the_verdict_does_not_look_at_the_truth(report):
    alone = labelleak_lib.audit(fitted(5, SHAPE, (2,)), SPACE, samples=pictures(5, SHAPE), progress=False)
    assert alone.leaks is None and alone.classes.equals(report.classes) and alone.forgotten == report.forgotten
    wrong = labelleak_lib.audit(
        fitted(5, SHAPE, (2,)), SPACE, original=fitted(5, SHAPE), forgotten={0}, progress=False, labels_only=True
    )
    assert wrong.forgotten == {2} and not wrong.leaks.exact.any()
    assert wrong.leaks.access[wrong.leaks.reading == "reach"].tolist() == ["labels"]


def test_the_table_stands_in_text_json_and_html(report):
    assert "head and samples" in str(report) and "reach lost" in report.to_html()
    rows = json.loads(report.to_json())["leaks"]
    assert rows[0] == {
        "reading": "reach", "access": "labels", "auc": 1.0, "named": [2], "exact": True, "accused": []
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"original": None, "forgotten": [1]}, "forgotten is .1.; it must be given with original"),
        ({"forgotten": None}, "forgotten is None; it must be given with original"),
        ({"forgotten": [5]}, "forgotten is 5; it must be an integer from 0 to 4"),
        ({"forgotten": []}, r"forgotten is \[\]; it must be some classes, not all"),
        ({"forgotten": range(5)}, "it must be some classes, not all"),
        ({"forgotten": ["2"]}, "forgotten is '2'; it must be an integer"),
        ({"original": fitted(4, SHAPE)}, "columns"),
    ],
)
def test_a_wrong_truth_is_refused_in_one_sentence(options, words):
    given = {"original": fitted(5, SHAPE), "forgotten": [2]} | options
    with pytest.raises(ValueError, match=words):
        labelleak_lib.audit(fitted(5, SHAPE, (2,)), SPACE, progress=False, **given)
