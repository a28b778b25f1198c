"""Figures only draw: what they import, and what they say where there is nothing to draw."""

import ast
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from record_samples import evidence_of, full_records

from labelleak_lib import figures as package
from labelleak_lib.figures import class_count, controls, inversion, overview, parameter_attacks, success, unlearning
from labelleak_lib.names import PAPER_ROWS
from labelleak_lib.results import accuracies, class_counts, inverted, leakage, readings
from labelleak_lib.results.worth import UNITS
from labelleak_lib.trials.judging import COLUMNS, EVIDENCE_COLUMNS

MODULES = sorted(Path(package.__file__).parent.glob("*.py"))
DRAWING = {"matplotlib", "numpy", "pandas", "seaborn"}
OWN = {"labelleak_lib.names", "labelleak_lib.figures.layout"}
STANDARD = {"__future__", "collections", "typing"}


def imported(source):
    """Return the full names of the modules that a source imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found.add(node.module)
    return found


def foreign(source):
    return {name for name in imported(source) - OWN if name.split(".")[0] not in DRAWING | STANDARD}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_figure_imports_what_draws_and_nothing_that_computes(path):
    assert foreign(path.read_text(encoding="utf-8")) == set()


def test_the_check_of_imports_finds_a_computing_one():
    assert foreign("def f():\n    from labelleak_lib.results import summary") == {"labelleak_lib.results"}
    assert foreign("import scipy.stats") == {"scipy.stats"}


def empty_figures():
    """Return every figure of records and evidence, by name, drawn from frames without a row."""
    records, evidence = pd.DataFrame(columns=COLUMNS), pd.DataFrame(columns=EVIDENCE_COLUMNS)
    single = readings.head_frame(records, evidence, "dot_product", "dot")
    peaks = inverted.peak_frame(records, evidence, "whitebox_inversion")
    stored = class_counts.stored_ipvs(records, evidence)
    swept = class_counts.alpha_sweep(stored, [1.0])
    success_frame = leakage.success_frame(records, PAPER_ROWS)
    table = accuracies.accuracy_table(pd.DataFrame(columns=accuracies.COLUMNS))
    answers = readings.random_answers(records, evidence)
    return {
        "by_class": lambda: parameter_attacks.by_class(single, "dot product"),
        "distributions": lambda: parameter_attacks.distributions(single, "dot product"),
        "peaks": lambda: inversion.peaks(inverted.with_means(peaks, "dataset"), "dataset"),
        "screening": lambda: inversion.screening(inverted.screened(peaks)),
        "highest_probabilities": lambda: controls.highest_probabilities(answers, peaks),
        "readings": lambda: controls.readings(readings.zero_query_scores(records, evidence)),
        "recall_map": lambda: class_count.recall_map(class_counts.recall_map(swept)),
        "rules": lambda: class_count.rules(class_counts.rule_summary(class_counts.rules_by_k(stored, records))),
        "success_by_k": lambda: class_count.success_by_k(class_counts.success_by_k(records, PAPER_ROWS)),
        "success_rates": lambda: success.success_rates(success_frame),
        "at_a_glance": lambda: success.at_a_glance(success_frame),
        "attack_rows": lambda: overview.attack_rows({"a": success_frame, "b": success_frame}, UNITS),
        "accuracies": lambda: unlearning.accuracies(table),
    }


@pytest.mark.parametrize("name", list(empty_figures()))
def test_a_figure_of_nothing_says_that_nothing_is_stored(name):
    figure = empty_figures()[name]()
    figure.canvas.draw()
    (text,) = figure.axes[0].texts
    assert text.get_text().startswith("No ") and text.get_text().endswith("stored for these trials.")
    plt.close(figure)


def test_where_no_single_head_is_stored_the_sentences_say_so():
    none = readings.head_frame(
        pd.DataFrame(columns=COLUMNS), pd.DataFrame(columns=EVIDENCE_COLUMNS), "difference", "dot"
    )
    assert readings.drawn(none) == readings.separation(none) == "No single heads are stored for these trials."


def test_a_figure_of_heads_counts_the_trials_whose_heads_are_stored():
    records = pd.concat([full_records("digits", trials=5), full_records("mnist", trials=4)])
    arrays = {digest: [0, 1, 2, -1] for digest in records.config_hash.unique()}
    kept = records[(records.unlearning == "RT") & (records.trial < 3)]
    evidence = pd.concat(
        [
            evidence_of(kept, kind, [arrays[digest] for digest in kept.config_hash.unique()], "dot_product", control)
            for kind in ("source", "dot") for control in ("none", "placebo")
        ]
    ).assign(protocols="paper")  # fmt: skip
    frame = readings.head_frame(records, evidence, "dot_product", "dot")
    # three heads of candidate classes, target and placebo, three trials
    assert readings.drawn(frame) == "Drawn: 36 heads of digits (trials: 3), mnist (trials: 3)."
