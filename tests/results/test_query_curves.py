"""Curves of exactness against queries: what was known on the way, shares by hand, and the stored evidence."""

import numpy as np
import pandas as pd
import pytest
import torch
from record_samples import well_formed
from scipy.stats import beta

from labelleak_lib.attacks.passive_reach import PassiveAnswers, PassiveReach
from labelleak_lib.attacks.query_reach import QueryReach
from labelleak_lib.attacks.reach import answered_margins
from labelleak_lib.figures import reach
from labelleak_lib.models.access import BlackBox
from labelleak_lib.names import PAPER_METHODS
from labelleak_lib.results import query_curves
from labelleak_lib.trials.committed import BUDGETS


class Asked:
    """A box that answers by the mean of an image, and keeps every answer."""

    def __init__(self, *, labels_only=False):
        self.answers = []
        self.box = BlackBox(self.answer, 4, (1, 6, 6), labels_only=labels_only)

    def answer(self, images):
        level = images.mean((1, 2, 3))[:, None]
        self.answers.append(torch.softmax(-8 * (level - torch.tensor([0.2, 0.4, 0.6, 2.0])).abs(), dim=1))
        return self.answers[-1]


@pytest.mark.parametrize("attack", [PassiveReach(500), PassiveAnswers(500), QueryReach(25, 25, 3)], ids=repr)
def test_a_look_on_the_way_is_what_the_first_answers_say(attack):
    asked = Asked()
    found = attack.evidence(asked.box, generator=torch.Generator().manual_seed(0))
    answers, seen = torch.cat(asked.answers), query_curves.looks(found)
    assert list(seen) == ([10, 30, 100, 300, 500] if attack.name != "query_reach" else [100, 300, 400])[: len(seen)]
    for queries, evidence in seen.items():
        first = answers[:queries]
        counts, best = np.bincount(first.argmax(1), minlength=4), answered_margins(first).amax(0)
        expected = counts if attack.name == "passive_answers" else best
        np.testing.assert_allclose(evidence.reach, expected)
        np.testing.assert_allclose(evidence.score, -evidence.reach)
        assert evidence.queries == queries
    assert max(seen) == found.queries == len(answers)


def table():
    lines = [
        ("digits", 0, "RT", "o0", "query_reach", "reach", 30, 0.0, 0.0),
        ("digits", 1, "NG", "o1", "query_reach", "reach", 30, 1.0, 0.0),
        ("digits", 0, "RT", "o0", "query_reach", "reach", 100, 1.0, 1.0),
        ("digits", 1, "NG", "o1", "query_reach", "reach", 100, 1.0, 1.0),
        ("digits", 0, "RT", "o0", "query_reach", "reach", 1000, 1.0, 1.0),
        ("digits", 1, "NG", "o1", "query_reach", "reach", 1000, 0.0, 1.0),
        ("digits", 0, "RT", "o0", "blackbox_inversion", "threshold", 100, 1.0, 0.0),
    ]
    return pd.DataFrame([(*line, line[-2] * line[-1]) for line in lines], columns=query_curves.DECIDED)


def test_shares_are_counted_and_carry_an_exact_interval():
    found = query_curves.curves(table()).set_index(["attack", "queries"])
    line = found.loc["query_reach", 1000]
    assert (line.exact, line.silent, line.both, line.n) == (0.5, 1.0, 0.5, 2)
    assert (line.low, line.high) == (pytest.approx(beta.ppf(0.025, 1, 2)), pytest.approx(beta.ppf(0.975, 2, 1)))
    assert found.loc["query_reach", 30].both == 0 and found.access.unique().tolist() == ["probabilities"]


def test_silence_counts_with_each_target_so_that_both_is_never_more_often():
    said = [("RT", "o0", 1.0), ("FT", "o0", 1.0), ("RL", "o0", 1.0), ("AU", "o1", 0.0)]
    lines = [("digits", 0, code, original, "query_reach", "reach", 30, 1.0, silent, silent)
             for code, original, silent in said]  # fmt: skip
    (line,) = query_curves.curves(pd.DataFrame(lines, columns=query_curves.DECIDED)).itertuples()
    assert (line.exact, line.silent, line.both) == (1.0, 0.75, 0.75)


def test_the_cheapest_budget_is_the_first_that_is_enough():
    rows = query_curves.cheapest(query_curves.curves(table())).set_index("attack")
    assert (rows.queries["query_reach"], rows["last"]["query_reach"], rows.most["query_reach"]) == (100, 0.5, 1000)
    assert pd.isna(rows.queries["blackbox_inversion"]) and rows.best["blackbox_inversion"] == 0
    first, second, third = query_curves.sentences(table())
    assert first == "`digits` (2 targets), query reach: 100 queries (100%; with 1,000 queries 50%)."
    assert second.endswith("threshold: no budget; on no target.") and third.endswith("NG 1 of 1 (`digits`).")


def test_the_curves_are_drawn():
    assert len(well_formed(reach.queries(query_curves.curves(table())))) == 2
    assert reach.queries(query_curves.curves(table().iloc[:0])).axes


def test_the_stored_curves_reach_from_ten_queries_to_the_published_search():
    found = query_curves.decided()
    by_attack = found.groupby("attack").queries
    assert by_attack.min()["passive_answers"] == by_attack.min()["query_reach"] == 10
    assert by_attack.max()["blackbox_inversion"] == 190_050 and by_attack.max()["joint_reach"] == 10_000
    assert set(found.unlearning) <= set(PAPER_METHODS) and {"digits"} <= set(found.dataset)
    assert not found.duplicated(query_curves.DECIDED[:7]).any()
    per_target = found.groupby(["dataset", "trial", "unlearning"]).size()
    assert per_target.nunique() == 1, "every target was asked at every budget"
    assert not list((BUDGETS / "cells").rglob("*.npz")), "everything is folded in"
