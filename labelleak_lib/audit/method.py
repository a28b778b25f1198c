"""The verdict on an unlearning method from its records: what names the forgotten classes, and nobody on M_o."""

from collections.abc import Sequence

import pandas as pd

from labelleak_lib.names import row_name
from labelleak_lib.results.exact_silent import LABEL_ROW, REACH_ROWS, cells
from labelleak_lib.results.markdown import Markdown, numbered, rows_of
from labelleak_lib.trials.gate import FORGET_LIMIT, RETAIN_MARGIN

ROWS = (LABEL_ROW, *REACH_ROWS)
"""Rows that may answer "nobody", by the access that they need."""


def verdicts(records: pd.DataFrame, rows: Sequence[tuple[str, str]] = ROWS) -> pd.DataFrame:
    """Judge one method's records by each row, on the trials that pass the gate.

    Returns
    -------
    DataFrame
        ``attack criterion trials exact silent both verdict``: `trials` that pass the gate, and in how many of them the
        forgotten classes are named exactly, nobody is accused on M_o, and both. The verdict is "leaks" (both in every
        trial), "leaks in part" (in some), "nothing found" (in none), "accuses M_o" (in none, and never silent), or
        "not judged" (no trial passes the gate, so there is nothing to find).
    """
    lines = []
    for attack, criterion in rows:
        judged = cells(records, attack, criterion)
        counts = {name: int(judged[name].sum()) for name in ("exact", "silent", "both")}
        lines.append({"attack": attack, "criterion": criterion, "trials": len(judged), **counts})
    table = pd.DataFrame(lines, columns=["attack", "criterion", "trials", "exact", "silent", "both"])
    return table.assign(verdict=[_verdict(line.trials, line.silent, line.both) for line in rows_of(table)])


def _verdict(trials: int, silent: int, both: int) -> str:
    if not trials:
        return "not judged"
    if both:
        return "leaks" if both == trials else "leaks in part"
    return "nothing found" if silent else "accuses M_o"


def verdict_table(judged: pd.DataFrame, *, caption: str | None = None, name: str | None = None) -> Markdown:
    """Write `verdicts` in Markdown, in numbers of trials; `caption` and `name` as for :func:`numbered`."""
    shown = pd.DataFrame({"attack": [row_name(line.attack, line.criterion) for line in rows_of(judged)]})
    for count, title in (("exact", "names exactly"), ("silent", "silent on M_o"), ("both", "both")):
        shown[title] = [f"{getattr(line, count)} of {line.trials}" for line in rows_of(judged)]
    text = shown.assign(verdict=judged.verdict).to_markdown(index=False, disable_numparse=True)
    return numbered(text, caption, name)


def sentence(records: pd.DataFrame) -> str:
    """Say in one sentence what labels alone find of the method, or why it cannot be judged."""
    targets = records[records.control == "none"].drop_duplicates("config_hash")
    (line,) = rows_of(verdicts(records, [LABEL_ROW]))
    if not line.trials:
        after = f"{100 * targets.forget_acc_after.mean():.0f}% accuracy on forgotten classes"
        lost = 100 * (targets.retain_acc_before - targets.retain_acc_after).mean()
        limits = f"at most {100 * FORGET_LIMIT:.0f}%, known before, and at most {100 * RETAIN_MARGIN:.0f} points lost"
        return (
            f"Not judged: no trial passes the gate ({after}, {lost:.1f} points lost on retained ones; {limits} pass)."
        )
    where = f"in {line.both} of {line.trials} trials that pass the gate"
    what = "labels alone name the forgotten classes, and nobody on the original model,"
    leak = {"leaks": "The label leaks", "leaks in part": "The label leaks in part"}.get(line.verdict)
    return f"{leak}: {what} {where}." if leak else f"Labels alone do not find what was forgotten: {what} {where}."
