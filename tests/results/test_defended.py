"""What leaks behind a defence, and what it costs: counted on made-up lines whose answers are known."""

import re

import numpy as np
import pandas as pd
import pytest
from defended_samples import ATTACKS, cost, leak, line, lines
from scipy import stats

from labelleak_lib.results import defended, defended_tables
from labelleak_lib.results.defences import ACCESSES, UNIT
from labelleak_lib.trials import defended as runner


def judged(target, original, **values):
    """Judge one trial in which an attack names `target` on M_u and `original` on M_o."""
    return defended.judged(lines(line(original, code="", **values), line(target, **values))).iloc[0]


@pytest.mark.parametrize(
    ("target", "original", "exact", "silent"),
    [((2,), (), 1, 1), ((2,), (2,), 1, 0), ((2,), (0,), 1, 0), ((1, 2), (), 0, 1), ((), (), 0, 1), ((0,), (), 0, 1)],
)
def test_exact_is_the_set_and_nothing_else_and_silent_is_nobody_on_the_defended_original(
    target, original, exact, silent
):
    for attack in ("passive_answers", "missing_by_samples"):
        found = judged(target, original, attack=attack)
        assert (found.exact, found.silent, found.both) == (exact, silent, exact * silent)


def test_outputs_are_called_by_the_classes_that_they_belong_to():
    # class 2 has no output: the third one is class 3
    assert judged((3,), (), names=(0, 1, 3)).exact == 0
    assert judged((2,), (), names=(3, 2, 0, 1)).exact == 1
    # a dummy that is named beside the class is one too many
    assert judged((2, 5), (), names=range(6)).exact == 0


@pytest.mark.parametrize(
    ("score", "forgotten", "expected"),
    [
        ([0, 0, 5, 1], "2", 1), ([0, 6, 5, 1], "2", 0), ([5, 0, 5, 5], "2", 1 / 3), ([0, 4, 5, 1], "1,2", 1),
        ([4, 4, 5, 1], "1,2", 1 / 2), ([7, 4, 5, 1], "1,2", 0), ([3, 3, 3, 3], "1,2", 1 / 6),
    ],
)  # fmt: skip
def test_classes_are_first_by_score_and_ties_are_broken_at_random(score, forgotten, expected):
    values = {"attack": "missing_by_samples", "forgotten": forgotten, "score": np.array(score, float)}
    found = defended.judged(lines(line((), code="", **values), line((), **values))).iloc[0]
    assert found["first"] == pytest.approx(expected)


def test_a_class_without_an_output_is_never_first():
    assert judged((3,), (), names=(0, 1, 3))["first"] == 0


def test_a_target_meets_the_original_of_its_own_trial_and_defence():
    table = defended.judged(
        lines(
            line((0,), code="", trial=0),
            line((), code="", trial=1),
            line((0,), code="", trial=1, defence="top_k"),
            line((2,), trial=0),
            line((2,), trial=1),
            line((2,), trial=1, defence="top_k"),
            line((2,), trial=1, code="NG"),
        )
    )
    silent = table.set_index(["defence", "unlearning", "trial"]).silent
    expected = {("mask", "RT", 0): 0, ("mask", "RT", 1): 1, ("mask", "NG", 1): 1, ("top_k", "RT", 1): 0}
    assert silent.to_dict() == expected


def test_what_the_original_knows_is_met_by_a_defence_that_was_handed_it():
    table = defended.judged(lines(line((), code=""), line((2,), code="none")))
    assert table.unlearning.tolist() == ["alone"]


def test_a_guess_is_among_the_classes_or_among_what_is_like_a_dummy():
    assert judged((2,), ()).chance == 1 / 4
    dummies = {"parameters": '{"dummies": 2}', "defence": "surplus", "names": range(6)}
    table = defended.judged(lines(line((), code="", **dummies), line((2,), **dummies), line((), code="")))
    assert table.chance.tolist() == [pytest.approx(1 / 3)]


def test_models_that_still_know_the_class_count_for_no_share():
    rows = [line((), code="", trial=t) for t in range(5)]
    rows += [line((2,), trial=t, forget_acc_after=0.06 if t == 4 else 0.05) for t in range(5)]
    table = defended.judged(lines(*rows))
    assert table.forgot.tolist() == [True] * 4 + [False]
    assert defended.leaks(table).n.tolist() == [4]
    assert defended.prices(lines(*rows)).iloc[0][["n", "forgot"]].tolist() == [5, 4]


def test_shares_have_their_trials_for_denominator_and_scipys_interval():
    rows = [line((0,) if t == 3 else (), code="", trial=t) for t in range(8)]
    rows += [line((2,) if t > 1 else (), trial=t) for t in range(8)]
    (found,) = defended.leaks(defended.judged(lines(*rows))).to_dict("records")
    assert (found["n"], found["exact"], found["silent"], found["both"]) == (8, 6 / 8, 7 / 8, 5 / 8)
    peer = stats.binomtest(5, 8).proportion_ci(method="exact")
    np.testing.assert_allclose((found["low"], found["high"]), peer)
    assert found["verdict"] == ("leaks" if peer.low > 1 / 4 else "open")


def test_the_strongest_attack_leaves_inputs_of_the_task_out_and_says_how_many_it_is_of():
    table = pd.DataFrame([
        leak("mask", 2, 5), leak("mask", 3, 5, attack="row_distance"), leak("mask", 1, 5, attack="query_reach"),
        leak("mask", 5, 5, attack="missing_by_samples"), leak("mask", 0, 5, unlearning="NG"),
    ])  # fmt: skip
    found = defended.worst(table).set_index("unlearning")
    assert found.attack.to_dict() == {"RT": "row_distance", "NG": "passive_answers"}
    assert found.loc["RT", ["both", "attacks", "plain", "plain_attack"]].tolist() == [0.6, 3, 0.4, "passive_answers"]
    accesses = defended.by_access(table).set_index(["unlearning", "access"])
    assert accesses.special[accesses.special].index.tolist() == [("RT", "parameters")]
    assert accesses.both["RT", "inputs of the task"] == 1


def test_a_rank_counts_when_chance_does_not_explain_it_among_all_attacks_that_were_asked():
    def one(share, others):
        rows = [leak("mask", 0, 10, attack=name) | {"first": 0.0} for name in others]
        table = defended.with_ranks(pd.DataFrame([leak("mask", 0, 10) | {"first": share}, *rows]))
        assert not table.ranks[1:].any()
        return bool(table.ranks[0])

    # among one, two and three: the exact test at 5%, 2.5% and 1.67%, both sides
    for others in ((), ("query_reach",), ("query_reach", "gradient_reach")):
        level = 0.05 / (1 + len(others)) / 2
        least = min(k for k in range(11) if stats.binom.sf(k - 1, 10, 0.1) < level)
        assert one(least / 10, others) and not one((least - 1) / 10, others)
    assert one(0.4, ("missing_by_samples",)) == one(0.4, ()), "the ceiling is not counted"


def test_where_attacks_get_the_same_the_one_that_knows_nothing_speaks():
    table = pd.DataFrame([leak("mask", 3, 5, attack="row_distance"), leak("mask", 3, 5, attack="gradient_reach")])
    assert defended.worst(table).attack.tolist() == ["gradient_reach"]
    assert not defended.by_access(table).special.any()


def test_a_price_is_against_the_model_that_was_handed_over():
    after = [0.80, 0.85, 0.90, 0.75, 0.95]
    rows = [line((), trial=t, retain_acc_after=x, brier_after=0.15, seconds=t) for t, x in enumerate(after)]
    rows += [line((), trial=t, attack="query_reach", retain_acc_after=x, brier_after=0.15, seconds=t)
             for t, x in enumerate(after)]  # fmt: skip
    (found,) = defended.prices(lines(*rows, line((), code="", retain_acc_after=0.1))).to_dict("records")
    lost = 100 * (0.9 - np.array(after))
    peer = stats.ttest_1samp(lost, 0).confidence_interval()
    assert (found["n"], found["points"], found["seconds"]) == (5, pytest.approx(lost.mean()), 2.0)
    assert (found["low"], found["high"], found["brier"]) == pytest.approx((peer.low, peer.high, 0.05))


def test_data_sets_weigh_alike_where_they_are_pooled():
    table = pd.DataFrame([leak("mask", 5, 5), leak("mask", 0, 2, dataset="mnist"), leak("none", 1, 1)])
    assert defended.by_access(table).both.tolist() == [1.0, 0.5], "no defence first"
    pooled = defended.cost_and_leak(defended.worst(table), cost(table, mask=2.0))
    assert pooled[["defence", "both", "points"]].values.tolist() == [["none", 1.0, 0.0], ["mask", 0.5, 2.0]]


def test_tables_have_a_tab_a_data_set_and_say_what_was_not_granted():
    table = pd.DataFrame([
        leak("mask", 1, 5), leak("none", 4, 5), leak("none", 5, 5, attack="gradient_reach"),
        leak("none", 4, 5, dataset="mnist"), leak("mean_row", 2, 5, attack="row_distance"), leak("mean_row", 1, 5),
    ])  # fmt: skip
    worst = defended.worst(table)
    text = defended_tables.leaks_by_set(defended.strongest(table, [*UNIT, "access"]), worst)
    assert text.count("{tab-item}") == 2 and "no defence after RT" in text
    (masked,) = [row for row in text.splitlines() if row.startswith("| masked output after RT")]
    cells = [cell.strip() for cell in masked.split("|")[1:-1]]
    assert cells[1] == "5" and cells[2].startswith("20.0 (") and "(of 1)" in cells[3]
    assert cells[4:8] == ["10", "20", "20", "–"]
    nothing = pd.DataFrame([leak("mask", 0, 5)])
    alone = defended_tables.leaks_by_set(defended.strongest(nothing, [*UNIT, "access"]), defended.worst(nothing))
    assert "| none of 1 |" in re.sub(" +", " ", alone), "where no attack gets anything, none is the strongest"
    recovered = defended_tables.recovered_by_set(table[table.dataset == "digits"], worst)
    (row,) = [row for row in recovered.splitlines() if "mean row after RT" in row]
    assert "row distance" in row and "| 40.0 (" in row and row.rstrip(" |").endswith("20")
    prices = defended_tables.prices_by_set(cost(table, mask=1.5))
    assert "+1.5" in prices and "no defence" not in prices


def test_the_table_of_every_tab_has_a_number_of_its_own_and_says_its_trials():
    table = pd.DataFrame([
        leak("none", 4, 5), leak("none", 2, 3, attack="row_distance"), leak("none", 1, 2, dataset="fashion_mnist"),
    ])  # fmt: skip
    worst, shown = defended.worst(table), {"caption": "What leaks", "name": "tbl-x"}
    text = defended_tables.leaks_by_set(defended.strongest(table, [*UNIT, "access"]), worst, **shown)
    assert re.findall(r"^:::\{table\} (.*)\n:name: (.*)$", text, re.M) == [
        ("What leaks; digits, trials: 5", "tbl-x-digits"),
        ("What leaks; fashion_mnist, trials: 2", "tbl-x-fashion-mnist"),
    ]
    recovered = defended_tables.recovered_by_set(table, worst, **shown)
    assert "trials: 3\n:name: tbl-x-digits" in recovered and recovered.count("{tab-item}") == 1
    assert "{table} What leaks; digits, trials: " in defended_tables.prices_by_set(cost(table, mask=1.5), **shown)
    own = defended.judged(lines(line({2}), line(code="", named=())))
    assert defended_tables.named_in(own, **shown).startswith(":::{table} What leaks\n:name: tbl-x\n\n|")


def test_every_access_of_an_attack_that_a_defence_meets_has_a_name():
    kinds = {runner.ATTACKS[name]().access_kind for name in runner.READINGS if name in list(runner.ATTACKS)}
    kinds |= {runner.ADAPTIVE[name]().access_kind for name in runner.ADAPTIVE}
    assert kinds | set(ATTACKS.values()) <= set(ACCESSES)


def test_evidence_whose_score_is_minus_its_reach_is_stored_once():
    (row,) = lines(line((2,))).itertuples(index=False)
    found = runner.evidence_of(row)
    assert found.score.tolist() == [-1.0, -1.0, 1.0, -1.0] and found.reach.tolist() == [1.0, 1.0, -1.0, 1.0]
    (row,) = lines(line((2,), attack="missing_by_samples")).itertuples(index=False)
    assert runner.evidence_of(row).score.tolist() == [0.0, 0.0, 1.0, 0.0]


def test_who_never_knew_the_class_has_forgotten_nothing():
    rows = [line({2}), line(code="", named=())]
    never = [row | {"forget_acc_before": 0.03} for row in rows]
    assert defended.judged(lines(*rows)).forgot.tolist() == [True]
    assert defended.judged(lines(*never)).forgot.tolist() == [False]
