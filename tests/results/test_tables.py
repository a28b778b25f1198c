"""Tables of leakage against numbers worked out by hand."""

import re

import numpy as np
import pandas as pd
import pytest
from record_samples import frame, pair
from scipy import stats

from labelleak_lib.evidence import Evidence
from labelleak_lib.results import against_paper, leakage, markdown
from labelleak_lib.trials import committed
from labelleak_lib.trials.judging import COLUMNS
from labelleak_lib.trials.schema import FACTS, MODELS
from labelleak_lib.trials.store import Store


def test_a_line_holds_means_in_percent_and_the_excess_of_each_trial_over_its_own_placebo() -> None:
    trials = [(0.10, 0.90), (1.00, 0.50), (0.95, 0.95), (0.85, 0.45), (0.90, 0.80), (0.90, 0.80)]
    records = frame(*(pair(a, p, trial=i, unlearned=i > 0) for i, (a, p) in enumerate(trials)))
    (line,) = leakage.leakage_table(records, "paper", 1).itertuples()
    assert (line.dataset, line.unlearning, line.attack, line.criterion) == ("mnist", "RT", "dot_product", "youden")
    assert line.trials == 6 and line.unlearned == pytest.approx(5 / 6)
    assert line.measured == pytest.approx(92), "of the trials that pass the gate"
    assert line.ungated == pytest.approx(100 * np.mean([a for a, _ in trials]))
    assert line.placebo == pytest.approx(70)
    assert line.excess == pytest.approx(100 * np.mean([0.5, 0.0, 0.4, 0.1, 0.1]))
    peer = stats.ttest_1samp([100, 95, 85, 90, 90], 0).confidence_interval()
    assert (line.low, line.high) == pytest.approx(tuple(peer))
    assert line.excess_low < 22 < line.excess_high
    assert line.published == 90.75  # Table V, retrain


def test_where_no_trial_passes_the_gate_only_the_ungated_rate_is_left() -> None:
    table = leakage.leakage_table(frame(pair(0.9, 0.5, unlearned=False)), "paper", 1)
    (line,) = table.itertuples()
    assert np.isnan([line.measured, line.placebo, line.excess]).all() and line.ungated == 90
    head, _, cells = cells_of(leakage.to_markdown(table))
    row = dict(zip(head, cells, strict=True))
    assert (row["measured %"], row["ungated %"], row["unlearned"]) == ("", "90.0", "0/1")
    assert not {"placebo %", "excess"} & set(row), "there is nothing to say of them"


def test_where_classes_are_judged_no_placebo_stands_beside_the_rate() -> None:
    rows = [("dot_product", "youden"), ("blackbox_inversion", "threshold")]
    table = leakage.leakage_table(frame(*(pair(1, 0.9, attack=a, criterion=c) for a, c in rows)), "paper", 1)
    assert table.placebo.notna().tolist() == [True, False] == table.excess.notna().tolist()
    assert ":name: tbl-x\n" in leakage.to_markdown(table, caption="Rates", name="tbl-x")


def test_a_data_set_that_is_not_the_papers_has_no_published_rate() -> None:
    table = leakage.leakage_table(frame(pair(1, 1), pair(1, 1, dataset="digits")), "paper", 1)
    assert table.set_index("dataset").published.notna().to_dict() == {"digits": False, "mnist": True}


def test_the_placebo_is_paired_by_trial_not_by_place() -> None:
    records = frame(pair(0.9, 0.9, trial=0), pair(0.6, 0.6, trial=1), pair(0.3, 0.3, trial=2))
    shuffled = records.sample(frac=1, random_state=3)
    (line,) = leakage.leakage_table(shuffled, "paper", 1).itertuples()
    assert line.excess == 0
    assert np.isnan(line.excess_low)


def test_a_single_trial_has_no_interval_and_equal_ones_have_one_without_width() -> None:
    (line,) = leakage.leakage_table(frame(pair(1.0, 0.5)), "paper", 1).itertuples()
    assert (line.measured, line.excess) == (100, 50)
    assert np.isnan([line.low, line.high, line.excess_low, line.excess_high]).all()
    (line,) = leakage.leakage_table(frame(*(pair(1.0, 0.5, trial=i) for i in range(5))), "paper", 1).itertuples()
    assert (line.low, line.high, line.excess_low, line.excess_high) == (100, 100, 50, 50)


def test_nothing_is_published_for_other_numbers_of_classes_or_controls() -> None:
    records = frame(pair(1.0, 0.5, k=2), pair(0.9, 0.9, attack="trivial", criterion="none", k=2))
    rows = [("trivial", "none"), ("dot_product", "youden")]
    table = leakage.leakage_table(records, "paper", 2, rows)
    assert table.attack.tolist() == ["trivial", "dot_product"]
    assert table.published.isna().all()
    assert leakage.leakage_table(records, "paper", 1, rows).empty
    assert leakage.leakage_table(records, "attacker", 2, rows).empty
    assert leakage.leakage_table(records, "paper", 2).attack.tolist() == ["dot_product"]


def test_rows_are_pairs_and_records_of_half_a_pair_are_left_out() -> None:
    held = [("dot_product", "kmeans"), ("difference", "kmeans"), ("difference", "decision_tree")]
    records = frame(*(pair(1, 1, attack=attack, criterion=criterion) for attack, criterion in held))
    asked = [held[0], held[2]]
    found = leakage.of_rows(records, asked)
    assert list(dict.fromkeys(zip(found.attack, found.criterion, strict=True))) == asked
    assert leakage.of_rows(records, [("dot_product", "decision_tree")]).columns.equals(records.columns)


def test_lines_stand_in_the_order_of_data_sets_methods_and_rows() -> None:
    cells = [("zebra", "NG"), ("mnist", "mine"), ("mnist", "NG"), ("mnist", "RT"), ("digits", "AU")]
    attacks = [("whitebox_inversion", "entropy"), ("dot_product", "kmeans")]
    records = frame(*(pair(1, 1, dataset=d, unlearning=u, attack=a, criterion=c) for d, u in cells for a, c in attacks))
    table = leakage.leakage_table(records, "paper", 1)
    order = [("digits", "AU"), ("mnist", "RT"), ("mnist", "NG"), ("mnist", "mine"), ("zebra", "NG")]
    assert list(zip(table.dataset, table.unlearning, strict=True))[::2] == order
    assert table.criterion.tolist() == ["kmeans", "entropy"] * 5


def test_every_flag_is_counted_over_trials() -> None:
    flags = ["no better than on M_o", "", "not forgotten; no better than on M_o"]
    records = frame(*(pair(1, 1, trial=i, flags=text) for i, text in enumerate(flags)))
    (line,) = leakage.leakage_table(records, "paper", 1).itertuples()
    assert line.flags == "no better than on M_o (2/3); not forgotten (1/3)"


def test_a_missing_placebo_mixed_settings_and_an_unknown_protocol_are_refused() -> None:
    records = frame(pair(1, 0.5), pair(1, 0.5, trial=1))
    with pytest.raises(ValueError, match="no placebo"):
        leakage.leakage_table(records[records.control == "none"], "paper", 1)
    again = pd.concat([records, records.assign(config_hash="other")])
    with pytest.raises(ValueError, match="several settings"):
        leakage.leakage_table(again, "paper", 1)
    two = pd.concat([records, records.assign(profile="quick", trial=records.trial + 5)])
    with pytest.raises(ValueError, match="several settings"):
        leakage.leakage_table(two, "paper", 1)
    with pytest.raises(ValueError, match="protocol is 'ours'"):
        leakage.leakage_table(records, "ours", 1)


def cells_of(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


def test_markdown_shows_the_gate_the_placebo_and_the_excess_beside_the_number() -> None:
    records = frame(
        *(pair(0.9 + 0.01 * i, 0.7, trial=i, unlearned=i != 5, flags="not forgotten" * (i == 5)) for i in range(6)),
        pair(0.5, 0.5, attack="difference", criterion="decision_tree", unlearning="mine"),
    )
    table = leakage.leakage_table(records, "paper", 1)
    text = leakage.to_markdown(table)
    head, _, first, second = cells_of(text)
    assert head == [
        *("unlearning", "attack", "measured %", "ungated %", "published %", "placebo %", "excess", "unlearned", "flags")
    ]
    assert first[:2] == ["RT", "dot product, Youden"]
    assert first[2] == "92.0 (90.0,\u00a094.0)"
    assert first[3:6] == ["92.5", "90.75", "70.0"]
    assert first[6] == "+22.0 (+20.0,\u00a0+24.0)"
    assert first[7:] == ["5/6", "N\u00a01/6"]
    assert text.endswith("|\n\nFlags (with a number: in so many trials): N not forgotten.")
    assert second == ["mine", "difference, tree", "50.0", "50.0", "", "50.0", "+0.0", "1/1", ""]
    assert repr(text) == text == text._repr_markdown_()


def test_a_table_without_published_rates_has_no_column_for_them() -> None:
    head, _, line = cells_of(
        leakage.to_markdown(leakage.leakage_table(frame(pair(1, 1, unlearning="mine")), "paper", 1))
    )
    assert "published %" not in head and len(head) == len(line) == 7


def test_a_flag_of_every_trial_is_its_letter_and_an_unknown_one_its_name() -> None:
    records = frame(
        *(pair(1, 1, trial=i, flags="no better than on M_o; odd" + "; zero gradient" * i) for i in range(2))
    )
    text = leakage.to_markdown(leakage.leakage_table(records, "paper", 1), caption="All", name="tbl-all")
    assert cells_of(text)[2][-1] == "P, odd, Z\u00a01/2"
    assert text.endswith(":::\n\nFlags (with a number: in so many trials): P no better than on $M_o$, Z zero gradient.")


def test_only_a_table_of_several_data_sets_names_them() -> None:
    records = frame(pair(1, 1, dataset="digits"), pair(1, 1, dataset="mnist"))
    table = leakage.leakage_table(records, "paper", 1)
    assert [line[0] for line in cells_of(leakage.to_markdown(table))][2:] == ["digits", "mnist"]


def test_a_numbered_table_fits_inside_a_tab() -> None:
    table = leakage.leakage_table(frame(pair(1, 1)), "paper", 1)
    numbered = leakage.to_markdown(table, caption="What leaks", name="tbl-what")
    assert numbered.startswith(":::{table} What leaks\n:name: tbl-what\n\n|")
    switcher = markdown.tabs({"digits": numbered, "mnist": "nothing"})
    fences = re.findall(r"^(:{3,})(\{[\w-]+\})?", switcher, flags=re.MULTILINE)
    opened = []
    for colons, directive in fences:
        if directive:
            assert not opened or len(colons) < len(opened[-1])
            opened.append(colons)
        else:
            assert opened.pop() == colons
    assert opened == []
    assert "No long runs" in markdown.tabs({})


def one_line(asr, placebo, *, trials=5, criterion="youden", **others):
    rows = (pair(asr - 0.01 * (t - 2), placebo, trial=t, criterion=criterion, **others) for t in range(trials))
    return frame(*rows)


@pytest.mark.parametrize(
    ("asr", "placebo", "words"),
    [
        (0.9075, 0.5, "**as printed**. 90.8% measured, 90.75% published, 50.0% on the placebo."),
        (0.97, 0.95, "**higher**. 97.0% measured, 90.75% published, 95.0% on the placebo; the placebo reaches what"),
        (0.89, 0.5, "**as printed**. 89.0% measured, 90.75% published, 50.0% on the placebo."),
        (0.70, 0.5, "**lower**. 70.0% measured, 90.75% published, 50.0% on the placebo."),
    ],
)
def test_the_verdict_says_of_each_row_on_which_side_it_lies(asr, placebo, words) -> None:
    rows = [("dot_product", "youden")]
    records = pd.concat([one_line(asr, placebo), one_line(0.1, 0.9, dataset="digits"), one_line(0, 0, unlearning="FT")])
    first, _, sentence = against_paper.verdict(records, rows).splitlines()
    assert first == "k = 1, after retraining alone (RT), mean over mnist:", "digits takes no part"
    assert sentence.startswith(f"- dot product, Youden: {words}")


@pytest.mark.parametrize(("low", "side"), [(80.0, "as printed"), (85.5, "lower"), (float("nan"), "lower")])
def test_a_printed_rate_within_the_interval_comes_out_as_printed(low, side) -> None:
    line = pd.Series({"measured": 86.0, "low": low, "high": 92.0 if low < 85 else 86.5, "published": 90.75})
    assert against_paper.side(line) == side


def test_the_verdict_on_a_row_judged_by_class_speaks_of_no_placebo() -> None:
    records = one_line(0.99, 0.9, criterion="threshold", attack="blackbox_inversion")
    text = against_paper.verdict(records, [("blackbox_inversion", "threshold")])
    assert text.endswith("black-box inversion, threshold: **higher**. 99.0% measured, 78.50% published.")


def test_the_verdict_weighs_data_sets_alike_and_leaves_out_what_fails_the_gate() -> None:
    records = pd.concat([
        one_line(0.9, 0.5, trials=9), one_line(0.7, 0.5, dataset="svhn"),
        frame(pair(0.0, 0.5, trial=20, unlearned=False)),
    ])  # fmt: skip
    text = against_paper.verdict(records, [("dot_product", "youden")])
    first, second = one_line(0.9, 0.5, trials=9), one_line(0.7, 0.5)
    means = [x[x.control == "none"].asr.mean() for x in (first, second)]
    assert (
        "k = 1, after retraining alone (RT), mean over mnist, svhn:" in text
        and f"{100 * np.mean(means):.1f}% measured" in text
    )


def test_the_verdict_names_the_data_sets_of_a_row_that_not_all_have() -> None:
    other = one_line(0.7, 0.5, attack="head_bias", criterion="two_means")
    records = pd.concat([one_line(0.9, 0.5), other, one_line(0.7, 0.5, dataset="svhn")])
    text = against_paper.verdict(records, [("dot_product", "youden"), ("head_bias", "two_means")])
    everywhere, alone = [line for line in text.splitlines() if line.startswith("- ")]
    assert alone.endswith(" On mnist alone.") and "alone" not in everywhere


def test_without_long_runs_of_the_paper_there_is_no_verdict() -> None:
    for records, k in ((one_line(0.9, 0.5), 2), (one_line(0.9, 0.5, dataset="digits"), 1)):
        assert "No long runs" in against_paper.verdict(records, [("dot_product", "youden")], k)
    text = against_paper.verdict(one_line(0.9, 0.5, k=2), [("dot_product", "youden")], 2)
    assert "nothing is published" in text


def stored_cell(dataset, number, profile="paper"):
    """Return models and evidence of one M_u and its M_o, as `Store.write` takes them."""
    original, model = f"{dataset}-o{number}", f"{dataset}-u{number}"
    common = dict.fromkeys(MODELS, "") | {
        "dataset": dataset, "classes": 3, "seed": 0, "trial": number, "split_seed": 0, "train_seed": number,
        "unlearn_seed": number, "accuracy": [1.0, 1.0, 1.0],
        **{f"{side}_acc_{when}": float((side, when) != ("forget", "after")) for side in ("forget", "retain")
           for when in ("before", "after")},
    }  # fmt: skip
    models = [
        {**common, "model": original},
        {**common, "model": model, "original": original, "unlearning": "RT", "forgotten": "1"},
    ]
    facts = dict.fromkeys(FACTS, "") | {"attack": "head_bias", "profile": profile, "attack_seed": number}
    facts |= {"queries": 0, "gradients": 0, "seconds": 0.0}
    evidence = [
        {**facts, "evidence": f"e-{name}", "model": name, "found": Evidence("head_bias", 3, np.array(score))}
        for name, score in ((original, [0.0, 0.1, 0.5]), (model, [0.0, 9.0, 0.5]))
    ]
    return models, evidence


def test_committed_records_hold_the_long_runs_of_every_data_set_folded_or_not(tmp_path) -> None:
    assert committed.committed_records(tmp_path / "absent").empty
    assert committed.committed_records(tmp_path / "absent").columns.tolist() == COLUMNS
    store = Store(tmp_path)
    for name, profile in (("mnist", "paper"), ("digits", "paper"), ("fashion_mnist", "quick")):
        store.write(name, *stored_cell(name, 0, profile))
    store.fold("mnist")
    found = committed.committed_records(tmp_path)
    assert found.dataset.unique().tolist() == ["digits", "mnist"]
    assert len(found) == 40, "two controls, two protocols and five rules, all of them for every score"
    found = found[found.criterion == "two_means"]
    assert len(found) == 8 and (found[found.control == "none"].predicted == "1").all()


def test_leakage_tabs_hold_one_numbered_table_a_protocol_and_number_of_classes() -> None:
    records = frame(
        *(pair(1, 0.5, dataset=d, protocol=p, k=k)
          for d in ("mnist", "digits") for p in ("paper", "attacker") for k in (1, 3) if (d, k) != ("mnist", 3))
    )  # fmt: skip
    text = leakage.leakage_tabs(records, [("dot_product", "youden")], "tbl-x")
    assert re.findall(r"tab-item} (\w+)", text) == ["digits", "mnist"]
    assert re.findall(r":name: (\S+)", text) == [
        *("tbl-x-digits-1-paper", "tbl-x-digits-1-attacker", "tbl-x-digits-3-paper", "tbl-x-digits-3-attacker"),
        *("tbl-x-mnist-1-paper", "tbl-x-mnist-1-attacker"),
    ]
    assert "No long runs" in leakage.leakage_tabs(records[:0], [("dot_product", "youden")], "tbl-x")


def test_committed_evidence_is_that_of_the_records_given(tmp_path) -> None:
    store = Store(tmp_path)
    for name, number in (("mnist", 0), ("mnist", 1), ("digits", 0)):
        store.write(name, *stored_cell(name, number))
    records = committed.committed_records(tmp_path)
    chosen = records[records.config_hash.isin(["mnist-u0", "digits-u0"])]
    found = committed.committed_evidence(chosen, tmp_path)
    assert sorted(found.config_hash) == ["digits-u0"] * 2 + ["mnist-u0"] * 2
    assert sorted(found.control.unique()) == ["none", "placebo"]
    assert committed.committed_evidence(records[:0], tmp_path).empty


def test_a_span_is_written_once_where_its_ends_are_written_alike() -> None:
    assert markdown.span(pd.Series([2, 1, 2])) == "1 to 2"
    assert markdown.span(pd.Series([3, 3])) == "3"
    assert markdown.span(pd.Series([49.6, 50.4]), ".0f", "%") == "50%"
    assert markdown.span(pd.Series([0.5, 0.25]), ".2f") == "0.25 to 0.50"
