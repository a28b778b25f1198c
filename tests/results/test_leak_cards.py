"""The card of a method, against counts by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from record_samples import record, well_formed
from scipy.stats import beta, spearmanr

from labelleak_lib.criteria.reach import Reach
from labelleak_lib.figures import leak_cards as figures
from labelleak_lib.names import PAPER_METHODS
from labelleak_lib.registry import METHODS
from labelleak_lib.results import leak_cards, method_leaks
from labelleak_lib.results.markdown import span
from labelleak_lib.trials.committed import BY_METHOD, committed, committed_records
from labelleak_lib.trials.gate import is_unlearned
from labelleak_lib.trials.judging import judge, pairs
from labelleak_lib.trials.store import Stored

JOINT = method_leaks.JOINT_ROW


def cell(code, i, *, named, on_original="", truth="1", unlearned=True):
    """Return a target and its placebo under joint reach."""
    shared = {"attack": JOINT[0], "criterion": JOINT[1], "protocol": "attacker", "trial": i, "forgotten": truth}
    shared |= {"unlearning": code, "unlearned": unlearned, "forget_acc_after": 0.0 if unlearned else 0.9}
    shared |= {"retain_acc_before": 0.9, "retain_acc_after": 0.8}
    return [
        record(**shared, predicted=named, exact_match=float(named == truth)),
        record(**shared, control="placebo", predicted=on_original, exact_match=float(on_original == truth)),
    ]


def records():
    lines = cell("RT", 0, named="1") + cell("RT", 1, named="1,4", on_original="4") + cell("RT", 2, named="")
    lines += cell("FT", 0, named="1", unlearned=False) + cell("NG", 0, named="1")
    return pd.DataFrame(lines)


def left(code, probe, steps):
    return {"dataset": "mnist", "unlearning": code, "probe_after": probe, "probe_untrained": 0.3, "steps_half": steps}


LEFT = pd.DataFrame([left("RT", 0.5, 30.0), left("RT", 0.6, np.nan), left("RT", 0.7, np.nan), left("NG", 0.9, 4.0)])
COSTS = pd.DataFrame(
    [("mnist", "1", "RT", 8.0), ("mnist", "1", "NG", 2.0), ("mnist", "2", "RT", 4.0), ("mnist", "2", "NG", 3.0)],
    columns=["dataset", "forgotten", "unlearning", "seconds"],
)


def test_who_kept_the_original_does_not_name_what_it_had_out_of_reach_already():
    found = method_leaks.both_models(records())
    assert found[found.unlearning == "RT"].both.tolist() == [1, 1, 0], "4 was out of reach before"
    assert (found.silent == 1).all() and "FT" not in set(found.unlearning), "what fails the gate has nothing to leak"


def test_leaks_are_shares_of_what_passes_with_the_interval_of_trials():
    found = method_leaks.leaks(records()).set_index(["unlearning", "access"])
    line = found.loc[("RT", method_leaks.HEADLINE)]
    assert tuple(line[["n", "exact", "silent", "both"]]) == (
        3,
        pytest.approx(1 / 3),
        pytest.approx(2 / 3),
        pytest.approx(1 / 3),
    )
    assert (line.low, line.high) == pytest.approx((beta.ppf(0.025, 1, 3), beta.ppf(0.975, 2, 2)))
    assert found.loc[("RT", method_leaks.BOTH_MODELS)].both == pytest.approx(2 / 3)
    assert ("RT", "gradients") not in found.index, "no such evidence is stored"


def test_a_trial_counts_once_in_the_share_as_in_its_interval():
    one = [
        line | {"config_hash": f"{label} of trial 0"}
        for label in ("1", "2", "3")
        for line in cell("RT", 0, named="4", on_original="4", truth=label)
    ]
    found = method_leaks.leaks(pd.DataFrame(one + cell("RT", 1, named="1")))
    line = found.set_index("access").loc[method_leaks.HEADLINE]
    assert tuple(line[["n", "exact", "silent", "both"]]) == (4, 0.5, 0.5, 0.5), "not the quarter of the four targets"
    assert (line.low, line.high) == pytest.approx((beta.ppf(0.025, 1, 2), beta.ppf(0.975, 2, 1)))


def test_costs_are_beside_those_of_retraining_in_the_same_trial():
    found = method_leaks.forgetting(records(), LEFT, COSTS).set_index("unlearning")
    assert found.index.tolist() == ["RT", "FT", "NG"], "in the order of the registry"
    assert (found.ratio["RT"], found.ratio["NG"]) == (1, np.median([2 / 8, 3 / 4])) and np.isnan(found.ratio["FT"])
    assert (found.passed["RT"], found.trials["RT"], found.passed["FT"]) == (3, 3, 0)
    assert found.steps["RT"] == np.inf and found.steps["NG"] == 4, "most gave up"
    assert found.lost["NG"] == pytest.approx(0.1)


def test_the_least_leakage_comes_first_and_what_never_passes_is_left_out():
    leaked, forgot = method_leaks.leaks(records()), method_leaks.forgetting(records(), LEFT, COSTS)
    ranked = method_leaks.ranking(leaked, forgot)
    assert ranked.unlearning.tolist() == ["RT", "NG"]
    assert (
        "least often after retrain (RT), 33.3 (0.8,\u00a090.6)%; after 1 of them it did so on every target that passed"
        in leak_cards.sentences(ranked)[0]
    )
    seldom = ranked.assign(trials=10)
    assert leak_cards.sentences(seldom) == ["No method passes the gate on half of its targets."]
    well_formed(figures.ranked(ranked))


def test_a_mean_over_data_sets_that_differ_is_told_with_their_range():
    one = {"unlearning": "RT", "passed": 9, "trials": 10, "low": 0.2, "high": 0.6, "leak": 0.4, "probe": 0.5}
    ranked = pd.DataFrame([{**one, "steps": 3.0, "least": 0.1, "most": 1.0}])
    assert "by data set from 10 to 100%" in leak_cards.sentences(ranked)[0]
    assert "10 to 100" in leak_cards.ranked(ranked)
    assert "by data set" not in leak_cards.sentences(ranked.assign(least=0.4, most=0.4))[0]


def test_whether_less_forgetting_means_less_leakage_is_said_by_rank_correlation():
    passed = {"passed": 9, "trials": 10, "low": 0.0, "high": 1.0, "least": 0.0, "most": 0.0}
    ranked = pd.DataFrame({"unlearning": list("abcdefg"), **passed, "leak": [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
                           "probe": [0.9, 0.85, 0.8, 0.7, 0.75, 0.6, 0.5]})  # fmt: skip
    said = leak_cards.sentences(ranked)[1]
    assert "finds more of the class leak less:" in said and f"{spearmanr(ranked.probe, ranked.leak)[0]:.2f}" in said
    assert "leak more:" in leak_cards.sentences(ranked.assign(leak=ranked.leak[::-1].to_numpy()))[1]
    mixed = ranked.assign(leak=[0.3, 0.1, 0.5, 0.0, 0.6, 0.2, 0.4])
    assert (
        spearmanr(mixed.probe, mixed.leak)[1] > leak_cards.LEVEL
        and "These cannot tell:" in leak_cards.sentences(mixed)[1]
    )


def test_what_an_access_is_called_is_what_was_asked():
    models, evidence = committed()["digits"]
    named = ["query_reach", "joint_reach", "passive_reach", "passive_answers"]
    asked = judge(models, evidence[evidence.attack.isin(named)], [Reach()]).groupby("attack").queries.max()
    assert method_leaks.ACCESSES["probabilities, 240 queries a class"][0] == "query_reach" and asked.query_reach == 2400
    assert method_leaks.ACCESSES[method_leaks.HEADLINE][0] == "joint_reach" and asked.joint_reach == 2400
    assert asked.passive_reach == asked.passive_answers == 2400


def test_a_card_says_what_was_measured_and_nothing_else():
    leaked, forgot = method_leaks.leaks(records()), method_leaks.forgetting(records(), LEFT, COSTS)
    text = leak_cards.card("RT", leaked, forgot)
    assert "3 of 3 targets pass" in text and "more steps than were tried" in text
    assert "33.3 (0.8,\u00a090.6)" in text and "6.0 s of the processor, 1 times what retraining takes" in text
    failing = leak_cards.card("FT", leaked, forgot)
    assert "0 of 1 targets pass" in failing and "nothing to leak" in failing and "cost" not in failing
    folded = leak_cards.cards(leaked, forgot)
    assert "{dropdown} retrain (RT): 33% exact and silent; 3 of 3 targets pass the gate" in folded
    assert "fine-tune (FT): nothing to leak; 0 of 1 targets pass the gate" in folded
    assert leak_cards.failing(forgot).startswith("- fine-tune (FT) passes the gate on 0 of 1 targets: on average")
    assert leak_cards.failing(forgot[forgot.unlearning == "RT"]) == "Every method passes the gate on most targets."


def test_tables_hold_a_line_a_method_and_name_where_each_is_from():
    leaked, forgot = method_leaks.leaks(records()), method_leaks.forgetting(records(), LEFT, COSTS)
    lines = leak_cards.short(leaked).splitlines()
    assert [cell.strip() for cell in lines[0].split("|")][1:3] == ["method", method_leaks.HEADLINE]
    assert [cell.strip() for cell in lines[2].split("|")][1:3] == ["RT", "33"]
    ranked = leak_cards.ranked(method_leaks.ranking(leaked, forgot)).splitlines()
    assert "retrain (RT)" in ranked[2] and "| more " in ranked[2] and "3 of 3" in ranked[2]
    listed = leak_cards.listed()
    assert all(f"| {code} " in listed for code in METHODS) and listed.count("| paper, section V-C") == 4
    assert "CVPR 2025" in next(line for line in listed.splitlines() if line.startswith("| DELETE"))


def test_ten_queries_a_class_are_a_look_at_what_passive_reach_saw_first():
    part = committed()["digits"]
    some = part.models[(part.models.trial < 2) & part.models.unlearning.isin(["RT", "NG", "FT"])]
    models = part.models[part.models.model.isin({*some.model, *some.original})]
    evidence = part.evidence[part.evidence.model.isin(models.model)]
    early = pd.DataFrame(method_leaks.early_lines(Stored(models, evidence)), columns=method_leaks.CELLS)
    passing, told = set(), {}
    for cell, found in pairs(models, evidence[evidence.attack == "passive_reach"]):
        sides = [replace(e, reach=next(row for row in e.probe if row[0] == 100)[11:21]) for _, e in found[0]]
        target, placebo = (Reach().decide(side) for side in sides)
        told[cell["model"]] = (target == frozenset(map(int, cell["forgotten"].split(","))), not placebo)
        passing |= {cell["model"]} if is_unlearned(cell) else set()
    assert set(early.config_hash) == passing < set(told), "some model fails the gate"
    assert {line.config_hash: (line.exact == 1, line.silent == 1) for line in early.itertuples()} == {
        model: told[model] for model in passing
    }
    assert (early.both == early.exact * early.silent).all()


def test_probes_count_on_the_data_sets_where_every_method_was_probed():
    known = method_leaks.measured()
    assert known.left.groupby("dataset").unlearning.nunique().eq(known.records.unlearning.nunique()).all()
    assert set(known.records.unlearning) == set(METHODS) and len(known.left)


def test_the_papers_methods_count_on_the_same_trials_as_the_others():
    known = method_leaks.measured()
    targets = {code: set(zip(*(group[c] for c in ("dataset", "seed", "trial", "forgotten")), strict=True))
               for code, group in known.records.groupby("unlearning")}  # fmt: skip
    others = set().union(*(targets[code] for code in targets if code not in PAPER_METHODS))
    assert all(targets[code] <= others for code in PAPER_METHODS)
    assert set(known.early.config_hash) <= set(known.records.config_hash)
    assert not known.left.duplicated(["dataset", "seed", "trial", "unlearning"]).any()


def test_data_sets_weigh_alike_whatever_their_trials():
    def of(dataset, i, named):
        return [line | {"dataset": dataset, "config_hash": f"{dataset}{i}", "original": f"{dataset}{i}"}
                for line in cell("RT", i, named=named)]  # fmt: skip

    lines = pd.DataFrame(of("mnist", 0, "1") + of("mnist", 1, "1") + of("mnist", 2, "1") + of("svhn", 0, ""))
    found = method_leaks.leaks(lines).set_index("access")
    assert found.both[method_leaks.HEADLINE] == found.exact[method_leaks.HEADLINE] == 0.5
    assert found.loc[method_leaks.HEADLINE, ["least", "most"]].tolist() == [0, 1]
    lines.loc[lines.dataset == "svhn", ["forget_acc_after", "retain_acc_after"]] = (0.04, 0.7)
    probes = pd.DataFrame([left("RT", 0.9, 1.0)] * 3 + [left("RT", 0.5, 1.0) | {"dataset": "svhn"}])
    told = method_leaks.forgetting(lines, probes, COSTS).iloc[0]
    assert (told.forget, told.lost, told.probe) == pytest.approx((0.02, 0.15, 0.7))


def test_what_seldom_passes_is_told_with_the_sign_of_what_it_changes():
    _, forgot = method_leaks.leaks(records()), method_leaks.forgetting(records(), LEFT, COSTS)
    line = forgot[forgot.unlearning == "RT"]
    assert "changes by -10.0 points" in leak_cards.failing(line.assign(passed=7, trials=10))
    assert leak_cards.failing(line.assign(passed=8, trials=10)) == "Every method passes the gate on most targets."
    assert "that on retained ones changes by -10.0 points" in leak_cards.card(
        "RT", method_leaks.leaks(records()), forgot
    )


def test_the_basis_counts_trials_by_number_of_classes_and_tables_are_apart():
    one, three = records(), records().assign(k=3, predicted="")
    costs = COSTS.assign(trial=[0, 0, 1, 1])
    both = method_leaks.Measured(
        pd.concat([one, three]), pd.DataFrame(columns=method_leaks.CELLS), LEFT.assign(trial=0), costs
    )
    said = leak_cards.basis(both)
    assert "`mnist`, k = 1 (3 trials), `mnist`, k = 3 (3 trials)" in said
    assert "probes and steps on `mnist` (1); costs on `mnist` (2)." in said
    tables = leak_cards.by_count(both)
    assert tables == {
        "k = 1": leak_cards.short(method_leaks.leaks(one)),
        "k = 3": leak_cards.short(method_leaks.leaks(three)),
    }
    assert tables["k = 1"] != tables["k = 3"]
    numbered = leak_cards.by_count(both, name="tbl-x")["k = 3"]
    n = method_leaks.leaks(three).n
    assert f"k = 3, targets: {span(n)}\n:name: tbl-x-3\n\n{tables['k = 3']}" in numbered


def test_what_the_accesses_are_called_is_what_was_asked():
    records = committed_records(BY_METHOD).query("dataset == 'digits' and control == 'none'")
    asked = records.assign(each=records.queries / records.classes).groupby("attack")[["queries", "each"]].max()
    titles = {attack: title for title, (attack, _) in method_leaks.ACCESSES.items()}
    assert f"{asked.each['query_reach']:.0f} queries a class" in titles["query_reach"]
    assert f"{asked.queries['joint_reach']:,.0f} queries" in titles["joint_reach"] == method_leaks.HEADLINE
    assert (records[records.attack == "head_row_sum"].queries == 0).all() and "no query" in titles["head_row_sum"]
