"""The headline of a row, false alarms and the dose, against counts by hand."""

import pandas as pd
import pytest
from record_samples import record, well_formed
from scipy.stats import beta

from labelleak_lib.figures import controls
from labelleak_lib.results import exact_silent, false_alarms, front
from labelleak_lib.results.intervals import clopper_pearson

ROW = ("query_reach", "reach")


def cell(i, *, named, on_original, truth="1", dataset="mnist", unlearned=True, **more):
    """Return the records of one target and its placebo."""
    shared = {"attack": ROW[0], "criterion": ROW[1], "protocol": "attacker", "dataset": dataset, "trial": i}
    shared |= {
        "forgotten": truth,
        "config_hash": f"{dataset}{i}",
        "original": f"{dataset}-o{i}",
        "unlearned": unlearned,
    }
    return [
        record(**{**shared, **more}, control="none", predicted=named, exact_match=float(named == truth)),
        record(**{**shared, **more}, control="placebo", predicted=on_original, exact_match=float(on_original == truth)),
    ]


def records():
    lines = cell(0, named="1", on_original="") + cell(1, named="1", on_original="4") + cell(2, named="", on_original="")
    lines += cell(3, named="1", on_original="", unlearned=False)
    lines += cell(0, named="1", on_original="", dataset="svhn")
    return pd.DataFrame(lines)


def test_a_target_counts_when_its_set_is_exact_and_its_original_is_met_with_silence():
    found = exact_silent.cells(records(), *ROW)
    assert found.both.tolist() == [True, False, False, True], "what fails the gate is left out"
    assert found.exact.tolist() == [True, True, False, True] and found.silent.tolist() == [True, False, True, True]


def test_data_sets_weigh_alike_and_the_interval_counts_trials():
    (line,) = exact_silent.table(records(), [ROW]).itertuples()
    assert line.n == line.trials == 4 and line.originals == 4
    assert line.both == pytest.approx((1 / 3 + 1) / 2) and line.exact == pytest.approx((2 / 3 + 1) / 2)
    assert line.silent == pytest.approx((2 / 3 + 1) / 2)
    n = 4 / (1 / 3 + 1)  # trials of a single data set that would say as much
    hits = line.both * n
    expected = beta.ppf(0.025, hits, n - hits + 1), beta.ppf(0.975, hits + 1, n - hits)
    assert (line.low, line.high) == pytest.approx(expected)


def test_both_is_never_more_often_than_either_part():
    # three targets of one original that is met with silence, and three trials whose own original is accused
    lines = [cell(0, named="1", on_original="", unlearning=code, original="o") for code in ("RT", "FT", "RL")]
    lines += [cell(i, named="1", on_original="4", config_hash=f"x{i}") for i in (1, 2, 3)]
    lines = [line | {"config_hash": f"{line['unlearning']}{line['trial']}"} for pair in lines for line in pair]
    (line,) = exact_silent.table(pd.DataFrame(lines), [ROW]).itertuples()
    assert (line.both, line.exact, line.silent) == (1 / 4, 1, 1 / 4)
    lines += [other | {"trial": 0} for pair in [cell(9, named="1", on_original="4", config_hash="y")] for other in pair]
    (line,) = exact_silent.table(pd.DataFrame(lines), [ROW]).itertuples()
    assert line.both <= min(line.exact, line.silent)


def test_targets_that_share_their_original_are_one_trial():
    lines = [cell(0, named="1", on_original="", unlearning=code) for code in ("RT", "FT", "RL", "NG")]
    lines = [line | {"config_hash": f"{line['unlearning']}"} for pair in lines for line in pair]
    (line,) = exact_silent.table(pd.DataFrame(lines), [ROW]).itertuples()
    assert (line.n, line.trials, line.originals, line.both) == (4, 1, 1, 1)
    assert (line.low, line.high) == (pytest.approx(0.025), 1), "one trial, whatever the number of its targets"


def test_a_row_that_was_not_run_is_no_line():
    assert exact_silent.table(records(), [("gradient_reach", "reach")]).empty


def test_hard_cells_are_those_with_a_target_that_is_missed():
    (line,) = exact_silent.hard_cells(records(), *ROW).itertuples()
    assert (line.dataset, line.n, line.both) == ("mnist", 3, pytest.approx(1 / 3))


@pytest.mark.parametrize(("auc", "ranked"), [(1.0, 1), (0.9, 0)])
def test_of_missed_sets_those_are_counted_that_the_evidence_ranks_first(auc, ranked):
    lines = cell(0, named="", on_original="", auc=auc) + cell(1, named="1", on_original="1", auc=1.0)
    (line,) = exact_silent.hard_cells(pd.DataFrame(lines), *ROW).itertuples()
    assert (line.n, line.both, line.missed, line.ranked) == (2, 0, 1, ranked), "who is accused wrongly is no missed set"


def judged():
    shared = {"attack": "query_reach", "criterion": "reach", "dataset": "digits", "architecture": "small"}
    plain = [{**shared, "kind": "Plain", "named": named, "silent": not named} for named in ((), (), (2,), (2, 3))]
    rare = [
        {**shared, "kind": "RareClass", "share": share, "label": 1, "named": named, "silent": not named}
        for share, named in ((0.1, ()), (0.1, (1,)), (0.01, (1,)), (0.01, (4,)), (0.01, (1, 4)))
    ]
    return pd.DataFrame([*plain, *rare])


def test_false_alarms_leave_models_with_a_rare_class_out():
    (line,) = false_alarms.alarms(judged(), ["attack", "criterion"]).itertuples()
    assert (line.n, line.alarms, line.rate) == (4, 2, 0.5)
    assert (line.low, line.high) == pytest.approx((beta.ppf(0.025, 2, 3), beta.ppf(0.975, 3, 2)))


def test_the_gain_of_a_row_is_paired_and_data_sets_weigh_alike():
    lines = []
    for dataset, trials, misses in (("mnist", 5, 1), ("svhn", 5, 3)):
        for i in range(trials):
            lines += cell(i, named="1", on_original="", dataset=dataset)
            lines += cell(i, named="" if i < misses else "1", on_original="", dataset=dataset, attack="joint_reach")
    lines += cell(9, named="", on_original="", attack="joint_reach")
    more = exact_silent.gain(pd.DataFrame(lines), ROW, ("joint_reach", "reach"))
    assert (more.mean, more.n) == (pytest.approx((1 / 5 + 3 / 5) / 2), 10), "what one row alone has is left out"


def test_kinds_are_compared_where_more_than_one_was_trained():
    plain = judged()[:4]
    also = pd.concat([plain, plain.assign(kind="Short"), plain.assign(dataset="mnist")], ignore_index=True)
    assert false_alarms.several_kinds(also).dataset.unique().tolist() == ["digits"]
    assert false_alarms.several_kinds(judged()).empty, "rare classes are no kind to compare with"


def test_accidents_are_counted_apart_from_those_of_other_data_sets_and_networks():
    plain = judged()[:4]
    also = pd.concat([plain, plain.assign(architecture="wide", silent=True), plain.assign(attack="other")])
    here, others = false_alarms.accidents(also, plain, [ROW])
    assert here[["n", "alarms"]].to_numpy().tolist() == [[4, 2]]
    assert others[["architecture", "n", "alarms"]].to_numpy().tolist() == [["wide", 4, 0]]


def test_accidents_are_told_as_counted():
    plain = judged()[:4]
    rows = [plain.assign(attack=row[0], criterion=row[1]) for row in (exact_silent.LABEL_ROW, exact_silent.JOINT_ROW)]
    rows[0] = rows[0].assign(silent=[True, True, True, False])
    also = pd.concat([*rows, *(part[:3].assign(architecture="wide") for part in rows)])
    (told,) = front.accidents(plain, also)
    low, high = (100 * bound for bound in clopper_pearson(1, 4))
    assert "Of 4 other models that forgot nothing" in told and f"the labels accuse 1 ({low:.1f} to {high:.1f}%)" in told
    assert "of 3 such models they accuse 0 (0 to 0% by" in told and " and 1 (33 to 33% by" in told
    assert front.accidents(plain.assign(dataset="mnist"), also) == []


def test_the_accused_are_counted_by_class():
    found = false_alarms.accused_classes(judged()).set_index("class")
    assert found.n.to_dict() == {2: 2, 3: 1} and found.rate.to_dict() == {2: 0.5, 3: 0.25}


def test_the_dose_counts_accusations_of_the_rare_class_alone():
    found = false_alarms.dose(judged()).set_index("share")
    assert found.accused.to_dict() == {0.1: 0.5, 0.01: pytest.approx(2 / 3)} and list(found.index) == [0.1, 0.01]


def test_no_alarm_in_58_models_leaves_up_to_six_percent():
    assert clopper_pearson(0, 58) == (0.0, pytest.approx(1 - 0.025 ** (1 / 58)))


def test_the_dose_is_drawn():
    (ax,) = well_formed(controls.dose(false_alarms.dose(judged())))
    assert ax.get_title() == "digits (n = 2 to 3)" and [label.get_text() for label in ax.get_xticklabels()] == [
        "1",
        "10",
    ]
    assert controls.dose(false_alarms.dose(judged().iloc[:4])).axes, "without a rare class a sentence stands there"
