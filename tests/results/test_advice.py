"""The advice follows the records, and turns where they turn."""

import pandas as pd
import pytest
from defended_samples import cost, leak

from labelleak_lib.results import advice, defended

EVERY = ("passive_answers", "query_reach", "gradient_reach")
OPEN = [leak("none", 5, 5, attack=attack) for attack in EVERY]


def sentences(*rows, **points):
    table = defended.with_ranks(pd.DataFrame([*OPEN, *rows]))
    return advice.sentences(table, defended.worst(table), cost(table, **points))


def behind(name, hits, n=5, attacks=EVERY, **values):
    return [leak(name, hits, n, attack=attack, **values) for attack in attacks]


def test_a_defence_that_holds_everywhere_is_named_with_its_price_and_what_is_not_ruled_out():
    holds, _, do = sentences(*behind("smoothing", 0), *behind("mean_row", 5), smoothing=1.25)
    assert "Of 2 defences, each behind a method, 1 leave no attack more than a guess" in holds
    assert "label smoothing after RT (1.2 points of accuracy, +0.013 Brier score)" in holds
    assert "mean row" not in holds and "digits 5" in holds
    assert f"up to {100 * defended.clopper_pearson(0, 5)[1]:.0f}% is not ruled out" in holds
    assert do.startswith("**What to do.** Publish behind label smoothing after RT: of 1 that hold against whoever asks")


def test_of_several_that_hold_the_cheapest_is_advised_and_the_others_are_named():
    rows = [*behind("smoothing", 0), *behind("decoy", 0), *behind("trew", 0, unlearning="alone")]
    _, _, do = sentences(*rows, smoothing=2.0, decoy=0.5, trew=1.0)
    assert "behind decoys after RT: of 3 that hold" in do
    assert "The same holds behind label smoothing after RT, TREW alone." in do


def test_a_gain_is_no_reason_to_prefer_a_defence():
    rows = [*behind("smoothing", 0), *behind("decoy", 0)]
    assert "Publish behind label smoothing after RT" in sentences(*rows, smoothing=0.0, decoy=-3.0)[2]
    assert "Publish behind decoys after RT" in sentences(*rows, smoothing=0.2, decoy=-3.0)[2]


def test_a_defence_that_did_not_meet_every_data_set_does_not_hold_whatever_it_costs():
    rows = [*behind("smoothing", 0), *behind("smoothing", 0, dataset="mnist"), *behind("decoy", 0)]
    holds, _, do = sentences(*rows, smoothing=2.0)
    assert "Of 2 defences, each behind a method, 1 leave" in holds
    assert "Publish behind label smoothing after RT: of 1 that hold" in do and "decoys" not in do


def test_where_none_holds_the_least_leak_is_said_and_nothing_is_promised():
    holds, _, do = sentences(*behind("smoothing", 3), *behind("mean_row", 5), smoothing=4.0)
    assert "None of 2 defences" in holds and "silent behind label smoothing after RT: 60% (15 to 95)" in holds
    assert "4.0 points of accuracy" in holds
    assert do.startswith("**What to do.** Count on no defence") and "at least 5 trials" in do


def test_one_data_set_on_which_it_leaks_is_enough_to_count_a_defence_out():
    holds, _, do = sentences(*behind("smoothing", 0), *behind("smoothing", 5, dataset="mnist"))
    assert "None of 1 defences" in holds and "Count on no defence" in do
    assert "0% (0 to 52) on digits" in holds and "100% (48 to 100) on mnist" in holds


def test_too_few_trials_are_no_ground_for_advice():
    holds, _, do = sentences(*behind("smoothing", 0, n=4))
    assert "None of 1 defences" in holds and "Count on no defence" in do
    both = [*behind("smoothing", 0, n=3), *behind("smoothing", 0, n=2, dataset="mnist")]
    assert "Publish behind label smoothing" in sentences(*both)[2], "five, of both data sets together"


@pytest.mark.parametrize(
    ("leaking", "words"),
    [
        ("class_list", "Publish, without names of the outputs, behind rows removed after RT"),
        ("gradient_reach", "Keep the parameters, and answer behind rows removed after RT"),
        ("query_reach", "Keep the parameters and the probabilities, and answer behind rows removed after RT"),
        ("passive_answers", "Count on no defence"),
    ],
)
def test_what_is_kept_back_is_what_the_defence_does_not_hold_against(leaking, words):
    attacks = (*EVERY, "class_list")
    rows = [leak("drop_rows", 5 * (attack == leaking), 5, attack=attack) for attack in attacks]
    holds, _, do = sentences(*rows)
    assert words in do and "None of 1" in holds


def test_who_cannot_do_what_is_advised_is_told_the_next_thing_that_holds():
    rows = [leak("drop_rows", 5 * (attack == "class_list"), 5, attack=attack) for attack in (*EVERY, "class_list")]
    rows += [leak("decoy", 5 * (attack == "gradient_reach"), 5, attack=attack) for attack in EVERY]
    _, _, do = sentences(*rows, decoy=0.3)
    first, second = do.split(" Who cannot do that: ")
    assert "without names of the outputs, behind rows removed after RT: of 1 that" in first
    assert second.startswith(
        "keep the parameters, and answer behind decoys after RT: of 1 that hold against who may ask"
    )
    assert "0.3 points of accuracy" in second and "up to 52% is not ruled out" in second


def test_who_publishes_answers_alone_is_told_to_answer():
    assert "Keep the parameters, and answer behind masked output" in sentences(*behind("mask", 0, attacks=EVERY[:2]))[2]


def test_what_brings_the_label_back_is_named_with_both_shares():
    _, known, _ = sentences(*behind("decoy", 0), leak("decoy", 5, 5, attack="row_distance"))
    assert "brings the label back" in known and "decoys after RT on digits, 0% to 100% by row distance" in known
    _, known, _ = sentences(*behind("decoy", 0), leak("decoy", 2, 5, attack="row_distance"))
    assert "not beyond doubt" in known and "0% to 40% by row distance" in known
    _, known, _ = sentences(*behind("decoy", 3), leak("decoy", 3, 5, attack="row_distance"))
    assert "Behind none of 1 defences" in known


def test_scores_that_tell_where_rules_do_not_are_named_and_the_defence_is_not_advised():
    hidden = [row | {"first": 0.1} for row in behind("decoy", 0, n=10)]
    row = leak("decoy", 0, 10, attack="row_distance")
    holds, known, do = sentences(*hidden, row | {"first": 0.9})
    assert "is right by row distance 90% behind decoys after RT on digits (a guess: 10%)." in known
    assert "None of 1 defences" in holds and "Keep the parameters, and answer behind decoys after RT" in do
    for share in (0.4, 0.3):
        holds, known, do = sentences(*hidden, row | {"first": share})
        assert "ranks first" not in known and "1 leave no attack" in holds and "Publish behind decoys" in do
    assert defended.clopper_pearson(4, 10)[0] > 0.1, "above a guess, were it asked alone"
    assert "ranks first" not in sentences(*behind("mean_row", 10, n=10))[1], "where a rule names it, that is said"


def test_inputs_of_the_task_are_held_against_no_defence_and_are_mentioned_where_they_tell():
    told = leak("smoothing", 5, 5, attack="missing_by_samples")
    holds, _, do = sentences(*behind("smoothing", 0), told)
    assert "1 leave no attack" in holds and "exact and silent for 100% of what was published" in do
    untold = leak("smoothing", 0, 5, attack="missing_by_samples")
    assert "inputs of the task" not in sentences(*behind("smoothing", 0), untold)[2]


def test_where_nothing_is_stored_the_advice_says_so():
    assert sentences() == ["No defence is stored for these trials."]
    assert advice.absent(pd.DataFrame(columns=["dataset"]), ("mask",)) == "No defence is stored for these trials."


def test_defences_with_fewer_trials_than_others_are_named():
    facts = {"dataset": "digits", "unlearning": "RT", "seed": 0}
    lines = pd.DataFrame(
        [facts | {"defence": "mask", "trial": t} for t in (0, 1)] + [facts | {"defence": "trew", "trial": 0}]
    )
    assert advice.absent(lines, ("mask", "trew", "top_k")) == (
        "digits has 2 trials, behind RT; fewer of TREW (1), highest probabilities (0)."
    )
    assert advice.absent(lines, ("mask",)) == "digits has 2 trials, behind RT; fewer of none."


def test_what_one_attack_met_too_seldom_is_not_advised():
    rows = [*behind("smoothing", 0, attacks=EVERY[:2], n=9), *behind("smoothing", 0, attacks=EVERY[2:], n=4)]
    do = sentences(*rows)[2]
    assert do.startswith("**What to do.** Keep the parameters, and answer behind label smoothing after RT")


def test_the_largest_rate_that_is_not_ruled_out_is_told_with_the_data_sets():
    rows = [*behind("smoothing", 0, n=20), *behind("smoothing", 0, dataset="mnist", n=5)]
    do = sentences(*rows)[2]
    assert f"up to {100 * defended.clopper_pearson(0, 5)[1]:.0f}% is not ruled out" in do
    assert "+0.000 Brier score, on digits, mnist; up to" in do


def test_a_ceiling_is_told_only_where_it_is_one():
    def ceiling(hits):
        return sentences(*behind("smoothing", 0), *behind("smoothing", hits, attacks=("missing_by_samples",)))[2]

    assert "nothing helps that forgets" in ceiling(5) and "nothing helps that forgets" not in ceiling(2)
