"""One table of unlearning methods of others beside the built-in ones: the gate, accuracies, exact and silent."""

import json
from collections.abc import Sequence

import pandas as pd

from labelleak_lib.names import PAPER_METHODS, row_name
from labelleak_lib.registry import METHODS
from labelleak_lib.results.exact_silent import LABEL_ROW, REACH_ROWS, cells
from labelleak_lib.results.markdown import Markdown, numbered, rows_of
from labelleak_lib.trials.judging import judge
from labelleak_lib.trials.store import Stored

ROWS = (LABEL_ROW, *(row for row in REACH_ROWS if row[0] != "passive_reach"))


def method_table(stored: Stored, rows: Sequence[tuple[str, str]] = ROWS) -> pd.DataFrame:
    """Return one line a method of stored cells, the built-in ones first.

    ``unlearning package trials passed forget retain`` (`package`: name and version, empty for a built-in method;
    `passed`: trials that pass the gate; `forget`, `retain`: mean accuracy after unlearning, 0 .. 1), and, named by
    attack, the number of passing trials in which the row names the forgotten classes exactly and nobody on M_o.
    """
    records = judge(*stored)
    unlearned = stored.models[stored.models.unlearning != ""]
    passes = records.drop_duplicates("config_hash").set_index("config_hash").unlearned.astype(bool)
    both = {attack: cells(records, attack, criterion).set_index("config_hash").both for attack, criterion in rows}
    lines = []
    for code, group in unlearned.groupby("unlearning", sort=False):
        hit = {attack: int(column[column.index.isin(group.model)].sum()) for attack, column in both.items()}
        lines.append({
            "unlearning": code, "package": json.loads(group.method.iloc[0]).get("package", ""), "trials": len(group),
            "passed": int(group.model.map(passes).sum()), "forget": group.forget_acc_after.mean(),
            "retain": group.retain_acc_after.mean(), **hit,
        })  # fmt: skip
    place = {code: i for i, code in enumerate(PAPER_METHODS)}
    table = pd.DataFrame(lines)
    order = table.unlearning.map(lambda code: (place.get(code, len(place)), str(code).lower()))
    return table.loc[order.sort_values().index].reset_index(drop=True)


def to_markdown(
    table: pd.DataFrame, rows: Sequence[tuple[str, str]] = ROWS, *, caption: str | None = None, name: str | None = None
) -> Markdown:
    """Write `method_table` in Markdown, accuracies in percent, counts "of" the trials that pass; numbered if named.

    Where no trial passes there is nothing to be found.
    """
    shown = pd.DataFrame(
        {
            "method": [METHODS.title(code) if code in PAPER_METHODS else code for code in table.unlearning],
            "from": [package or "built in" for package in table.package],
            "passes the gate": [f"{line.passed} of {line.trials}" for line in rows_of(table)],
            "forgotten %": (100 * table.forget).map("{:.0f}".format),
            "retained %": (100 * table.retain).map("{:.1f}".format),
        }
    )
    for attack, criterion in rows:
        counts = zip(table[attack], table.passed, strict=True)
        shown[row_name(attack, criterion)] = [f"{hit} of {passed}" if passed else "–" for hit, passed in counts]
    return numbered(shown.to_markdown(index=False, disable_numparse=True), caption, name)


def sentence(table: pd.DataFrame) -> str:
    """Say how many trials of the methods of others pass, and in how many of those labels alone find what was forgotten.

    Beside it, the same of the built-in methods.
    """
    said = []
    for others, whose in ((True, "methods of others"), (False, "built-in methods")):
        part = table[(table.package != "") == others]
        found = f"labels alone are exact and silent in {part[LABEL_ROW[0]].sum()}"
        said.append(
            f"Of {part.trials.sum()} trials of {len(part)} {whose}, {part.passed.sum()} pass the gate; {found}."
        )
    return " ".join(said)
