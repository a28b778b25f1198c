"""The verdict on a method: exact and silent, on trials that pass the gate, by hand-made records."""

import pandas as pd
import pytest
from record_samples import record

from labelleak_lib.audit import method
from labelleak_lib.results.exact_silent import LABEL_ROW

SHARED = {"attack": LABEL_ROW[0], "criterion": LABEL_ROW[1], "protocol": "attacker", "forget_acc_before": 0.9}


def trials(*outcomes, **values):
    """Return the records of trials: was the set named exactly, and who was accused on M_o."""
    rows = []
    for trial, (exact, accused) in enumerate(outcomes):
        common = {**SHARED, "trial": trial, "auc": 1.0, **values}
        rows.append(record(exact_match=exact, predicted=str(trial) if exact else "", **common))
        rows.append(record(exact_match=0.0, predicted=accused, control="placebo", **common))
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("outcomes", "counts", "verdict"),
    [
        ([(1, ""), (1, "")], (2, 2, 2), "leaks"),
        ([(1, ""), (0, "")], (1, 2, 1), "leaks in part"),
        ([(0, ""), (0, "")], (0, 2, 0), "nothing found"),
        # an attack that ranks first and names exactly, but accuses the original model too, has found nothing out
        ([(1, "3"), (1, "4")], (2, 0, 0), "accuses M_o"),
        ([(1, "3"), (0, "")], (1, 1, 0), "nothing found"),
    ],
)
def test_a_leak_is_exact_and_silent(outcomes, counts, verdict):
    (line,) = method.verdicts(trials(*outcomes), [LABEL_ROW]).itertuples()
    assert (line.exact, line.silent, line.both) == counts
    assert (line.trials, line.verdict) == (len(outcomes), verdict)


def test_a_destroyed_or_unforgotten_model_is_not_judged():
    records = trials(
        (1, ""), (1, ""), unlearned=False, forget_acc_after=0.5, retain_acc_before=0.9, retain_acc_after=0.4
    )
    (line,) = method.verdicts(records, [LABEL_ROW]).itertuples()
    assert (line.trials, line.verdict) == (0, "not judged")
    assert method.sentence(records).startswith("Not judged: no trial passes the gate (50% accuracy on forgotten")
    assert "50.0 points lost" in method.sentence(records)


def test_the_sentence_counts_trials():
    leaks, part = method.sentence(trials((1, ""), (1, ""))), method.sentence(trials((1, ""), (0, "")))
    assert leaks.startswith("The label leaks: ") and leaks.endswith("in 2 of 2 trials that pass the gate.")
    assert part.startswith("The label leaks in part: ") and "in 1 of 2 trials" in part
    assert method.sentence(trials((0, ""))).startswith("Labels alone do not find what was forgotten: ")


def test_the_table_counts_trials_of_every_row():
    head, _, *lines = method.verdict_table(method.verdicts(trials((1, ""), (0, "")))).splitlines()
    assert [cell.strip() for cell in head.strip("|").split("|")] == [
        "attack", "names exactly", "silent on M_o", "both", "verdict",
    ]  # fmt: skip
    assert "1 of 2" in lines[0] and "leaks in part" in lines[0]
    numbered = method.verdict_table(method.verdicts(trials((1, ""))), caption="Who finds it", name="tbl-x")
    assert numbered.startswith(":::{table} Who finds it\n:name: tbl-x\n\n| attack")
    assert len(lines) == len(method.ROWS) and all("not judged" in line for line in lines[1:])
