"""The class-count sweep: rules on evidence made by hand, and figures."""

from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from record_samples import evidence_of, full_records, record, well_formed
from scipy.optimize import brentq
from sklearn.metrics import balanced_accuracy_score

from labelleak_lib.figures import class_count
from labelleak_lib.names import PAPER_ROWS
from labelleak_lib.results import class_counts, intervals


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def perfect(classes, low=0.2, high=0.99, methods=("RT",), trials=2):
    """Return records and evidence of a sweep whose inversions succeed for retained classes only."""
    rows, arrays = [], []
    for code in methods:
        for trial in range(trials):
            for k in range(1, classes):
                lost = ",".join(map(str, range(k)))
                rows.append(record("whitebox_inversion", "threshold", trial=trial, k=k, forgotten=lost, unlearning=code,
                                   classes=classes, protocol="attacker"))  # fmt: skip
                peak = np.where(np.arange(classes) < k, low, high)
                ipv = np.tile(((1 - peak) / (classes - 1))[:, None], (1, classes))
                ipv[np.arange(classes), np.arange(classes)] = peak
                arrays.append(np.log(ipv))
    records = pd.DataFrame(rows)
    return records, evidence_of(records, "ipv", arrays, "whitebox_inversion")


@pytest.mark.parametrize("classes", [4, 7, 10])
def test_perfect_inversions_collapse_exactly_where_predicted(classes):
    stored = class_counts.stored_ipvs(*perfect(classes, low=0.6))
    swept = class_counts.alpha_sweep(stored, [0.5, 0.9, 1.0, 1.3, 2.0])
    for row in swept.to_dict("records"):
        alpha = Fraction(row["alpha"]).limit_denominator(10)
        limit = Fraction(classes) / (1 + alpha**2)
        if row["k"] != limit:
            assert row["recall"] == float(row["k"] < limit), row
        assert row["limit"] == pytest.approx(float(limit))
    (line,) = class_counts.agreement(swept).itertuples()
    assert (line.share, line.share_noisy) == (1.0, 1.0)


def test_imperfect_inversions_shift_the_limit_by_their_spread_and_work_from_half_found_on():
    records, _ = perfect(6, trials=1)
    one, k = records[records.k == 3], 3
    peak = np.array([0.1, 0.5, 0.6, 0.8, 0.9, 1.0])
    ipv = np.full((6, 6), 0.01)
    ipv[np.arange(6), np.arange(6)] = peak
    stored = class_counts.stored_ipvs(one, evidence_of(one, "ipv", [np.log(ipv)], "whitebox_inversion"))
    (row,) = class_counts.alpha_sweep(stored, [1.0]).itertuples()
    # below 0.65 - 0.298 lies one of the three
    assert (row.recall, row.works) == (pytest.approx(1 / k), False)
    assert class_counts.alpha_sweep(stored, [0.3]).works.all()
    noise = np.std([*(peak[:3] - peak[:3].mean()), *(peak[3:] - peak[3:].mean())]) / (0.9 - 0.4)
    share = brentq(lambda q: (1 - q) ** 2 - (q * (1 - q) + noise**2), 0, 1)
    assert row.noisy_limit == pytest.approx(6 * share, rel=1e-5)
    assert row.limit == pytest.approx(3)


def test_stored_vectors_come_with_the_forgotten_classes_of_their_cell():
    records, evidence = perfect(5)
    placebo = evidence.assign(control="placebo")
    stored = class_counts.stored_ipvs(records, pd.concat([evidence, placebo]))
    assert stored.control.value_counts().to_dict() == {"none": len(evidence), "placebo": len(evidence)}
    assert all(cell["forgotten"].sum() == cell["k"] for cell in stored.to_dict("records"))


def test_rules_without_mean_and_deviation_keep_finding_the_forgotten():
    records, evidence = perfect(10)
    labels = records.assign(attack="passive_answers", criterion="reach", exact_match=0.0, predicted="")
    told = labels.assign(protocol="paper", exact_match=1.0)
    labels = labels.assign(protocol="attacker")
    judged = class_counts.rules_by_k(class_counts.stored_ipvs(records, evidence), pd.concat([records, labels, told]))
    table = judged.pivot_table("exact", "rule", "k")
    assert (table.loc[["two-means on maxima", "two-means on the class aimed at"]] == 1).all(axis=None)
    assert (table.loc["threshold", :4] == 1).all() and (table.loc["threshold", 6:] == 0).all()
    assert (table.loc[class_counts.LABELS] == 0).all() and judged[judged.rule == class_counts.LABELS].silent.all()


def test_lines_against_k_hold_the_same_trials_and_methods_throughout():
    rows = [record(trial=t, unlearning=code, k=k, forgotten=",".join(map(str, range(k))), unlearned=passes)
            for t, code, k, passes in [(0, "RT", 1, True), (0, "RT", 2, True), (1, "RT", 1, True), (0, "NG", 1, True),
                                       (0, "NG", 2, False)]]  # fmt: skip
    kept = class_counts.same_at_every_k(pd.DataFrame(rows))
    assert kept[["trial", "unlearning", "k"]].values.tolist() == [[0, "RT", 1], [0, "RT", 2]]
    text = class_counts.composition(pd.DataFrame(rows))
    # the second trial was run at one k alone, and has failed at none
    assert text.endswith("run at every $k$, those that pass the gate at all of them, by method: RT 1 of 1, NG 0 of 1.")


def test_the_data_set_with_most_attacks_at_most_k_is_shown_and_of_several_the_last():
    rows = [("dot_product", "kmeans"), ("blackbox_inversion", "threshold")]

    def runs(dataset, *cells):
        return [record(dataset=dataset, attack=rows[i][0], criterion=rows[i][1], k=k) for i, k in cells]

    whole, part = [(0, 1), (0, 3), (0, 5), (1, 1), (1, 3), (1, 5)], [(0, 1), (1, 1), (1, 3), (1, 5)]
    two = [cell for cell in whole if cell[1] < 5]
    frame = pd.DataFrame([*runs("a", *whole), *runs("b", *whole), *runs("c", *part), *runs("d", *two)])
    assert class_counts.swept(frame) == ["a", "b", "c"]
    assert class_counts.most_complete(frame[frame.dataset != "d"], rows) == "b"
    assert class_counts.most_complete(frame[frame.dataset.isin(["a", "c"])], rows) == "a"


def test_answers_stand_by_k_gated_and_ungated_and_count_the_cases():
    records, evidence = perfect(10, trials=3)
    blind = [np.full((10, 10), np.log(0.1))] * len(evidence)
    placebo = evidence_of(records, "ipv", blind, "whitebox_inversion", control="placebo")
    text = class_counts.answers(records, pd.concat([evidence, placebo]), [0.9])
    lines = {
        tuple(cells[:3]): cells[3:]
        for cells in ([c.strip() for c in row.split("|")[1:-1]] for row in text.splitlines())
        if cells
    }
    assert lines["attack", "rule", "targets"] == [str(k) for k in range(1, 10)]
    for targets in ("gated", "ungated"):
        exact = lines["white-box inversion", "threshold", targets]
        del exact[4]  # a tie: half of the classes are forgotten
        assert exact == ["100"] * 4 + ["0"] * 4
    assert lines["white-box inversion", "threshold", "$M_o$, silent"] == ["100"] * 9
    assert "right for white-box inversion 100.0% of 27 cases, of 27 targets (where it is to work" in text
    numbered = class_counts.answers(records, pd.concat([evidence, placebo]), [0.9], name="tbl-x")
    caption, label, _, *rest = numbered.splitlines()
    assert caption.startswith(":::{table} How often") and caption.endswith("; mnist, trials: 3")
    assert label == ":name: tbl-x" and "\n".join(line for line in rest if line != ":::") == text


def test_a_line_by_k_holds_the_same_trials_at_every_k():
    records, evidence = perfect(6, trials=3)
    # two trials were run at k = 1 alone, and their placebos accuse somebody there
    kept = ((records.trial == 0) | (records.k == 1)).to_numpy()
    few, evidence = records[kept], evidence[kept]
    sure = np.where(np.eye(6), np.array([[0.1, *[0.9] * 5]]).T, 0.01)
    blind = [np.full((6, 6), np.log(1 / 6)) if trial == 0 else np.log(sure) for trial in few.trial]
    placebo = evidence_of(few, "ipv", blind, "whitebox_inversion", control="placebo")
    text = class_counts.answers(few, pd.concat([evidence, placebo]), [0.9])
    (line,) = [row for row in text.splitlines() if "threshold" in row and "silent" in row]
    assert [cell.strip() for cell in line.split("|")[4:-1]] == ["100"] * 5, "a third where all trials count at k = 1"
    assert "(trials a line: 1)" in text


def test_a_rule_that_was_run_at_some_k_alone_has_no_cell_at_the_others():
    records, evidence = perfect(6, trials=1)
    blind = [np.full((6, 6), np.log(1 / 6))] * len(evidence)
    evidence = pd.concat([evidence, evidence_of(records, "ipv", blind, "whitebox_inversion", control="placebo")])
    once = records[records.k == 1]
    also = evidence[evidence.config_hash.isin(once.config_hash)]
    both = [frame.assign(attack="blackbox_inversion") for frame in (once, also)]
    text = class_counts.answers(pd.concat([records, both[0]]), pd.concat([evidence, both[1]]), [0.9])
    lines = [row for row in text.splitlines() if "black-box" in row and "threshold" in row and "ungated" in row]
    assert [[cell.strip() for cell in line.split("|")[4:-1]] for line in lines] == [["100", "", "", "", ""]]
    assert "nan" not in text


def test_agreement_counts_what_it_averages_and_tells_failure_from_success():
    shared = {"attack": "whitebox_inversion", "unlearning": "RT", "alpha": 1.0, "limit": 5.0, "noisy_limit": 4.5}
    cells = [(0, 4, True), (1, 4, False), (2, 6, False), (0, 5, True), (1, 5, False)]
    swept = pd.DataFrame([shared | {"trial": t, "k": k, "works": works} for t, k, works in cells])
    (line,) = class_counts.agreement(swept).itertuples()
    assert (line.cells, line.share) == (3, pytest.approx(2 / 3)), "the two ties are neither averaged nor counted"
    assert (line.works, line.fails, line.targets) == (0.5, 1.0, 3)
    assert (line.cells_noisy, line.share_noisy) == (5, pytest.approx(3 / 5))
    assert "where it is to work, it works: 50.0%; where it is to fail, it fails: 100.0%" in class_counts.in_words(line)
    (early,) = class_counts.agreement(swept[swept.k == 4]).itertuples()
    assert "it fails: no case" in class_counts.in_words(early)


def test_the_class_aimed_at_tells_apart_what_the_maximum_does_not():
    # one class is left, and takes nearly everything of every sample
    ipv = np.full((4, 4), 0.01)
    ipv[:, 3] = 0.97
    called = {rule: decide(ipv) for rule, decide in class_counts.RULES.items()}
    truth = np.array([True, True, True, False])
    assert balanced_accuracy_score(truth, called["two-means on the class aimed at"]) == 1
    assert balanced_accuracy_score(truth, called["two-means on maxima"]) < 1


def test_intervals_are_over_trials_of_means_over_methods():
    values = {(0, "RT"): 1.0, (0, "RL"): 0.8, (1, "RT"): 0.6, (1, "RL"): 0.4, (2, "RT"): 0.5, (2, "RL"): 0.5}
    rows = pd.DataFrame([record(trial=t, unlearning=c, asr=v) for (t, c), v in values.items()])
    (line,) = intervals.summarise(rows, ["attack", "k"], "asr").itertuples()
    assert (line.mean, line.n) == (pytest.approx(np.mean([0.9, 0.5, 0.5])), 3)
    few = intervals.summarise(rows[rows.trial < 2], ["attack", "k"], "asr")
    assert few.low.isna().all()


@pytest.mark.parametrize(("classes", "trials"), [(3, 1), (10, 4)])
def test_figures_of_the_sweep_are_drawn_for_any_number_of_classes(classes, trials):
    records = pd.concat([full_records(trials=trials, k=k, classes=classes) for k in range(1, classes)])
    shown = well_formed(class_count.success_by_k(class_counts.success_by_k(records, PAPER_ROWS)))
    limit = [line for line in shown[2].lines if line.get_label() == "predicted collapse of the threshold"]
    assert limit[0].get_xdata()[0] == pytest.approx(classes / 2)
    stored = class_counts.stored_ipvs(*perfect(classes, trials=trials))
    swept = class_counts.alpha_sweep(stored, np.arange(0.4, 2.5, 0.3))
    (panel,) = (ax for ax in well_formed(class_count.recall_map(class_counts.recall_map(swept))) if ax.get_title())
    curve = next(line for line in panel.lines if line.get_label().startswith("predicted"))
    np.testing.assert_allclose(curve.get_xdata(), classes / (1 + curve.get_ydata() ** 2))
    well_formed(class_count.rules(class_counts.rule_summary(class_counts.rules_by_k(stored, records))))


def heads_and_titles(figure):
    return [text.get_text() for text in (figure.legends[0].get_title(), *(ax.title for ax in figure.axes))]


def two_sets():
    """Return summaries of rules on two data sets; on the second the labels were not asked for."""
    records, evidence = perfect(10, trials=3)
    stored = class_counts.stored_ipvs(records, evidence)
    labels = records.assign(attack="passive_answers", criterion="reach")
    summary = class_counts.rule_summary
    with_labels = summary(class_counts.rules_by_k(stored, pd.concat([records, labels])))
    return {"mnist": with_labels, "svhn": summary(class_counts.rules_by_k(stored[stored.trial > 0], records))}


def test_a_rule_that_was_not_asked_on_a_data_set_is_named_in_its_panel():
    figure = class_count.rules_by_dataset(two_sets())
    first, second = well_formed(figure)
    assert not first.texts
    assert [text.get_text() for text in second.texts] == [
        "not run at\nevery k:\n" + class_counts.LABELS.replace(", ", ",\n")
    ]
    assert heads_and_titles(figure) == [
        "n: trials a mark", "mnist (n = 3): white-box inversion", "svhn (n = 2): white-box inversion"
    ]  # fmt: skip


def test_marks_of_rules_that_agree_lie_side_by_side():
    figure = class_count.rules_by_dataset(two_sets())
    figure.canvas.draw()
    ax = figure.axes[0]
    lines = [line for line in ax.lines if line.get_marker() in tuple("osD^")]
    assert len(lines) == 4 and {line.get_ydata()[0] for line in lines} == {100.0}
    places = sorted(ax.transData.transform((line.get_xdata()[0], 100))[0] for line in lines)
    wide = lines[0].get_markersize() * figure.dpi / 72
    assert np.diff(places).min() > 0.8 * wide
    assert len({line.get_linewidth() for line in lines}) == 4


def test_figures_of_the_sweep_say_on_what_they_rest():
    records = pd.concat([full_records("digits", trials=6, k=k) for k in (1, 3)])
    figure = class_count.success_by_k(class_counts.success_by_k(records, PAPER_ROWS))
    assert figure.get_suptitle() == "digits"
    assert heads_and_titles(figure)[0] == "trials a mark: n = 6"
    stored = class_counts.stored_ipvs(*perfect(10, trials=3))
    swept = class_counts.alpha_sweep(stored, [0.5, 1.0])
    assert heads_and_titles(class_count.recall_map(class_counts.recall_map(swept)))[0] == "target models a cell: n = 3"
    judged = class_counts.rule_summary(class_counts.rules_by_k(stored, records.iloc[:0]))
    assert heads_and_titles(class_count.rules(judged))[0] == "trials a mark: n = 3"
