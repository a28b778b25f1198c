"""Verdicts on an unlearning method from its records."""

from typing import Any

import pandas as pd

from labelleak_lib.audit.blind import SILENT
from labelleak_lib.names import PAPER_ROWS, row_name
from labelleak_lib.results.markdown import Markdown
from labelleak_lib.results.summary import CONTROL_ROWS

RANKS_FIRST = 0.995


def verdicts(records: pd.DataFrame) -> pd.DataFrame:
    """Judge every attack and control on one method's records, decided by class.

    Returns
    -------
    DataFrame
        ``row verdict auc auc_placebo balanced_accuracy balanced_accuracy_placebo flags``, means over trials in 0 .. 1.
        The verdict is "leaks" (forgotten classes ranked first, and balanced accuracy above the placebo's), "leaks in
        part" (AUC above the placebo's), or "nothing found".
    """
    chosen, lines = records[records.protocol == "attacker"], []
    for attack, criterion in (*PAPER_ROWS, *(row for row in CONTROL_ROWS if row[0] not in SILENT)):
        same = chosen[(chosen.attack == attack) & (chosen.criterion == criterion)]
        if same.empty:
            continue
        means = same.groupby("control")[["auc", "balanced_accuracy"]].mean()
        target, placebo = means.loc["none"], means.loc["placebo"]
        first = target.auc >= RANKS_FIRST and target.balanced_accuracy > placebo.balanced_accuracy
        verdict = "leaks" if first else "leaks in part" if target.auc > max(placebo.auc, 0.5) else "nothing found"
        flags = sorted({flag for text in same[same.control == "none"]["flags"] for flag in text.split("; ") if flag})
        found: dict[str, Any] = {"row": row_name(attack, criterion), "verdict": verdict}
        for name in ("auc", "balanced_accuracy"):
            found |= {name: target[name], f"{name}_placebo": placebo[name]}
        lines.append(found | {"flags": "; ".join(flags)})
    return pd.DataFrame(lines)


def verdict_table(found: pd.DataFrame) -> Markdown:
    """Write `verdicts` in Markdown: AUC and balanced accuracy in percent, each beside its placebo's."""
    names = {"auc": "AUC %", "auc_placebo": "placebo %", "balanced_accuracy": "balanced accuracy %"}
    names |= {"balanced_accuracy_placebo": "its placebo %"}
    rates = {shown: (100 * found[name]).map("{:.0f}".format) for name, shown in names.items()}
    shown = pd.DataFrame({"attack": found.row, "verdict": found.verdict, **rates, "flags": found["flags"]})
    return Markdown(shown.to_markdown(index=False, disable_numparse=True))
