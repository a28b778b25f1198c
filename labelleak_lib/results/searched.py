"""How the settings of the methods beside the paper's were chosen, as a table."""

import json

import pandas as pd

from labelleak_lib.registry import METHODS
from labelleak_lib.results.leak_cards import named
from labelleak_lib.results.markdown import rows_of, signed
from labelleak_lib.trials.methods_tuning import best


def searched(lines: pd.DataFrame) -> pd.DataFrame:
    """Return what was tried and what won: one line a method and architecture, the methods in the registry's order.

    Parameters
    ----------
    lines : DataFrame
        Of `methods_tuning.measure`.

    Returns
    -------
    DataFrame
        ``architecture unlearning tried setting passed of kept lost``: settings tried, the one that won, how many of its
        trials (of the second round, where there is one) pass the gate, the mean change of accuracy on D_r, and the
        mean accuracy left on D_f, in 0 .. 1.
    """
    rows = []
    for architecture in lines.architecture.sort_values().unique():
        group = lines[lines.architecture == architecture]
        for code in (code for code in METHODS if code in set(group.unlearning)):
            won = best(lines, architecture, code)
            tried = group[group.unlearning == code].setting.nunique()
            rows.append((architecture, code, tried, *won[["setting", "passed", "of", "kept", "lost"]]))
    columns = ["architecture", "unlearning", "tried", "setting", "passed", "of", "kept", "lost"]
    return pd.DataFrame(rows, columns=columns)


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return `searched` as it is printed."""
    settings = [", ".join(f"`{name}` {value}" for name, value in json.loads(text).items()) for text in table.setting]
    return pd.DataFrame({
        "method": [named(code) for code in table.unlearning],
        "network": table.architecture, "settings tried": table.tried, "chosen": settings,
        "pass the gate": [f"{passed} of {of}" for passed, of in zip(table.passed, table.of, strict=True)],
        "retained, points": (100 * table.kept).map(signed),
        "forgotten %": (100 * table.lost).map("{:.1f}".format),
    })  # fmt: skip


def counted(lines: pd.DataFrame) -> str:
    """Say how many trials the search held, by network and number of forgotten classes (`lines` as for `searched`)."""
    trials = lines.drop_duplicates(["architecture", "dataset", "trial"])
    counts = trials.groupby(["architecture", "k"], as_index=False).size()
    listed = "; ".join(f"{line.architecture}, k = {line.k}: {line.size}" for line in rows_of(counts))
    return f"Trials of the search, by network and number of forgotten classes: {listed}."
