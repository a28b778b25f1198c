"""The page of lessons says what the records say, and says otherwise where they say otherwise."""

import pandas as pd
import pytest
from record_samples import full_records

from labelleak_lib.authoring import pages
from labelleak_lib.results import learned


@pytest.fixture
def written(tmp_path, monkeypatch):
    def write(records, everything=None):
        monkeypatch.setattr(pages, "front_records", lambda known: records)
        monkeypatch.setattr(pages, "committed_records", lambda: records if everything is None else everything)
        pages.learned_page(tmp_path / "generated")
        return (tmp_path / "generated" / "learned.md").read_text()

    return write


def changed(records, attack, value, **where):
    same = records.attack == attack
    for name, wanted in where.items():
        same &= records[name] == wanted
    return records.assign(**{
        name: records[name].mask(same, value) for name in ("asr", "balanced_accuracy", "exact_match")
    })  # fmt: skip


def test_the_lesson_for_providers_follows_the_labels_and_the_retrained_models(written):
    records = changed(full_records(target=1.0, placebo=0.0), "passive_answers", 0.8, control="none")
    text = written(changed(records, "joint_reach", 0.6, control="none", unlearning="RT"))
    assert "mostly says which class it was" in text
    assert "nobody on the original model, for 80.0% (" in text and "of 15 targets" in text
    assert "A perfect method does not help" in text and "labels name it for 80.0% (" in text
    assert "and the search for 60.0% (" in text
    other = written(full_records(target=0.2, placebo=0.1))
    assert "sometimes says" in other and "A perfect method does help." in other


def test_an_accused_original_takes_the_lesson_back(written):
    records = full_records(target=1.0, placebo=0.0)
    accused = (records.attack == "passive_answers") & (records.control == "placebo")
    text = written(records.assign(predicted=records.predicted.mask(accused, "3")))
    assert "sometimes says" in text and "nobody on the original model, for 0.0% (" in text


def test_targets_that_were_not_unlearned_count_for_no_lesson(written):
    records = full_records(target=0.9, placebo=0.1)
    kept = records[records.trial > 0]
    spoilt = records.assign(unlearned=records.trial > 0, queries=records.queries.mask(records.trial == 0, 9e9))
    metrics = ["asr", "balanced_accuracy", "exact_match"]
    spoilt[metrics] = spoilt[metrics].mask(records.trial == 0, 0.0)
    for lesson in (learned.provider, learned.auditor, learned.reader, lambda r: learned.attacker(r, r)):
        assert lesson(spoilt) == lesson(kept)


def test_the_lesson_for_auditors_names_the_highest_placebo_and_the_most_restrained_rule(written):
    records = changed(full_records(target=0.9, placebo=0.4), "difference", 0.73, control="placebo")
    restless = records.criterion.isin(["threshold", "kmeans", "entropy"]) & (records.control == "placebo")
    text = written(records.assign(predicted=records.predicted.mask(restless & (records.trial > 0), "3")))
    assert "scores up to 73% there" in text and "right for 90% of the classes" in text
    assert "silent on 33% of the models" in text and "the rule of reach is on 100%" in text


def test_the_lesson_for_authors_counts_what_was_not_forgotten(written):
    records = full_records()
    text = written(records)
    assert "All 15 runs passed." in text
    known = records.assign(unlearned=records.unlearning != "FT", forget_acc_before=0.9, forget_acc_after=0.0)
    known = known.assign(forget_acc_after=known.forget_acc_after.mask(known.unlearning == "FT", known.trial * 0.4))
    text = written(known)
    assert "3 of 15 runs did not pass (FT 3); in 1 of them the model still knew" in text


def test_the_lesson_for_attackers_compares_the_search_with_labels_under_one_rule(written):
    records = full_records().assign(queries=100)
    records = records.assign(queries=records.queries.mask(records.attack == "blackbox_inversion", 5000))
    text = written(changed(records, "passive_answers", 0.6))
    assert "search earns its queries. On the 15 targets that have both, under one rule, up to 5,000 queries" in text
    assert "labels of 100 images that search for nothing for 60.0% (" in text
    assert "search does not earn its queries" in written(changed(records, "blackbox_inversion", 0.6))


def test_the_collapse_is_told_where_there_are_runs_on_both_sides_of_it(written):
    few, many = (full_records(k=k).assign(predicted=said) for k, said in ((4, "1"), (5, "")))
    assert (
        "Below that share it named a class of 100% of the targets and 100% of the originals, from there on of 0% of"
        in written(full_records(), pd.concat([few, many]))
    )
    assert learned.collapse(few) == [] == learned.collapse(many)


def test_the_lesson_for_readers_counts_the_rates_that_are_reached(written):
    # means of the seven rows: 86.17, 85.22, 91.56, 98.45, 98.52, 77.75, 76.65
    told = "Of its 7 mean rates, measured here: 1 as printed, 4 higher (by 4 to 13 points), 2 lower (by 8 to 9 points)."
    assert told in written(full_records(target=0.9))
    text = written(full_records(target=0.5))
    assert "0 as printed, 0 higher, 7 lower (by 27 to 49 points)" in text
    assert (
        "2 accuracies of retrained models" in text
        and "3 rates that no count" in text
        and "1 of the printed means" in text
    )


def test_without_measured_assumptions_nothing_is_said_of_them(written, monkeypatch):
    monkeypatch.setattr(learned.surveyed, "stored", lambda kind: {})
    text = written(full_records())
    assert "assumptions" not in text and "auxiliary head" not in text and "nan" not in text
