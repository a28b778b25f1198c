"""What is left of a class: counted by hand, against RT in the same trial."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from record_samples import well_formed

from labelleak_lib.figures import forgetting as figures
from labelleak_lib.results import forgetting

STEPS = {"RT": (20, 30, np.nan), "NG": (2, 3, 90), "RL": (40, np.nan, np.nan), "FT": (20, 25, 1)}


@pytest.fixture
def lines():
    rows = [
        {"dataset": "digits", "seed": 0, "trial": t, "unlearning": code, "forget_acc_before": 0.9,
         "forget_acc_after": 0.0,
         "retain_acc_before": 0.9, "retain_acc_after": 0.9 if (code, t) != ("FT", 2) else 0.1, "probe_before": 1.0,
         "probe_after": 0.8 + 0.1 * t, "probe_untrained": 0.5, "probe_retained": 0.9, "steps_half": half,
         "steps_most": np.nan, "limit": 300}
        for code, steps in STEPS.items() for t, half in enumerate(steps)
    ]  # fmt: skip
    yield forgetting.lines(pd.DataFrame(rows))
    plt.close("all")


def test_medians_count_models_that_gave_up_as_never(lines):
    found = forgetting.table(lines).set_index("unlearning")
    assert found.half.to_dict() == {"RT": 30, "NG": 3, "RL": np.inf, "FT": 20}
    assert found.passed.to_dict() == {"RT": 3, "NG": 3, "RL": 3, "FT": 2}
    assert found.loc["NG", ["original", "probe", "untrained", "own"]].tolist() == pytest.approx([1.0, 0.9, 0.5, 0.0])


def test_methods_are_compared_with_retraining_in_the_same_trial_behind_the_gate(lines):
    found = forgetting.beside_retrained(lines).set_index("unlearning")
    assert found.sooner.to_dict() == {"NG": 3, "RL": 0, "FT": 1}
    assert found.later.to_dict() == {"NG": 0, "RL": 2, "FT": 0}
    assert found.trials.to_dict() == {"NG": 3, "RL": 3, "FT": 2}


def test_the_sentences_say_what_was_counted(lines):
    twice = pd.concat([lines, lines.assign(trial=lines.trial + 3)])
    said = {text[2:4]: text for text in forgetting.sentences(twice)}
    assert "in 6 and later in 0 of 6 trials" in said["NG"] and "less is gone" in said["NG"]
    assert "too few trials to tell" in said["FT"] and "of 4 trials" in said["FT"]
    assert "no clear difference" in said["RL"] and "over 300 steps beside RT's 30" in said["RL"]
    assert "RT 90%, untrained 50%" in forgetting.probe_sentence(forgetting.table(lines))


def test_the_table_of_the_page_says_where_steps_were_not_enough(lines):
    shown = forgetting.shown(forgetting.table(lines)).set_index("method")
    assert shown["steps to 50%"].to_dict() == {"RT": "30", "NG": "3", "RL": "over 300", "FT": "20"}
    assert shown["pass the gate"]["FT"] == "2/3"


def test_nothing_stored_gives_an_empty_frame_and_a_sentence_in_its_place(tmp_path):
    empty = forgetting.lines(forgetting.stored(tmp_path))
    assert empty.empty and figures.left(empty).axes


def test_one_row_of_panels_stands_for_a_data_set(lines):
    axes = well_formed(figures.left(pd.concat([lines, lines.assign(dataset="mnist")])))
    titles = ["digits (n = 3)"] * 2 + ["mnist (n = 3)"] * 2
    assert [ax.get_title() for ax in axes] == titles
