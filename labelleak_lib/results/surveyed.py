"""Section IV-B as measured on trained models: the stored tables, and how the book writes them."""

from pathlib import Path

import numpy as np
import pandas as pd

from labelleak_lib.files import COMMITTED
from labelleak_lib.names import DATASET_ORDER, ordered
from labelleak_lib.results.markdown import Markdown, numbered, tabs

FOLDER = COMMITTED / "theory"
EARLY, LATE = 0.03, 30.0
"""Training times of the auxiliary heads, as learning rate times steps times ``E|phi|^2``."""


def stored(kind: str, folder: Path = FOLDER) -> dict[str, pd.DataFrame]:
    """Return the stored tables of `kind` ("assumptions" or "agreement") by data set.

    A table of agreement that does not say with which momentum the attack's heads were trained is of heads that had
    none: its ``deployed``, which would be of other heads than the attack's, is NaN.
    """
    names = [path.name.removesuffix(f".{kind}.csv") for path in folder.glob(f"[!.]*.{kind}.csv")]
    tables = {name: pd.read_csv(folder / f"{name}.{kind}.csv") for name in ordered(names, DATASET_ORDER)}
    return {name: table if kind != "agreement" else _with_momentum(table) for name, table in tables.items()}


def _with_momentum(table: pd.DataFrame) -> pd.DataFrame:
    return table if "momentum" in table else table.assign(deployed=np.nan)


def assumption_lines(table: pd.DataFrame, *, caption: str | None = None, name: str | None = None) -> Markdown:
    """Write a table of assumptions in Markdown: what the failure means only where one fails.

    `caption` and `name` as for :func:`numbered`.
    """
    numbers = {name: table[name].map("{:.2f}".format) for name in ("assumed", "measured")}
    # a bar would end a cell of the table
    texts = {name: table[name].str.replace("|", r"\|") for name in ("quantity", "consequence")}
    texts["consequence"] = texts["consequence"].where(~table.holds, "")
    shown = table.assign(**numbers, **texts, holds=table.holds.map({True: "yes", False: "no"}))
    columns = ["equation", "quantity", "assumed", "measured", "holds", "consequence"]
    return numbered(shown[columns].to_markdown(index=False, disable_numparse=True), caption, name)


def agreement_lines(table: pd.DataFrame, *, caption: str | None = None, name: str | None = None) -> Markdown:
    """Write a stored table of agreement in Markdown, accuracies in percent; empty where nothing was measured.

    `caption` and `name` as for :func:`numbered`.
    """
    correlations = {f"at {EARLY:g}": table.early, f"at {LATE:g}": table.late, "attack's heads": table.deployed}
    rates = {f"direct probe, {kind} %": 100 * table[f"probe_{kind}"] for kind in ("forgotten", "retained")}
    texts = {name: values.map("{:.2f}".format).where(values.notna(), "") for name, values in correlations.items()}
    texts |= {name: values.map("{:.1f}".format) for name, values in rates.items()}
    shown = pd.DataFrame({"target": table.method, **texts})
    return numbered(shown.to_markdown(index=False, disable_numparse=True), caption, name)


def by_set(prefix: str, folder: Path = FOLDER) -> Markdown:
    """Return one tab a data set with its two stored tables, labelled ``<prefix>-<data set>-<kind>``."""
    agreement, panels = stored("agreement", folder), {}
    for name, table in stored("assumptions", folder).items():
        label = f"{prefix}-{name}".replace("_", "-")
        assumed = (
            f"Assumptions as the derivation takes them, and as measured on the retrained network; {name}, one trial"
        )
        agreed = (
            f"Dot products beside logit margins (correlation), and the direct probe (accuracy in %); {name}, one trial"
        )
        panels[name] = "\n\n".join([
            f"Profile `{table.profile[0]}`.",
            assumption_lines(table, caption=assumed, name=f"{label}-assumptions"),
            agreement_lines(agreement[name], caption=agreed, name=f"{label}-agreement"),
        ])  # fmt: skip
    return tabs(panels)
