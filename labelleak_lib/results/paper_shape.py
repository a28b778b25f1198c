"""The paper's tables in their own shape: rows attack and criterion, a column a method; each cell against the published.

A cell holds what was measured above what is published; its colour says what a success rate does not, how often the row
is exact and silent.
"""

from collections.abc import Sequence
from html import escape
from itertools import product

import numpy as np
import pandas as pd

from labelleak_lib.names import DATASET_ORDER, ordered, row_name
from labelleak_lib.results import exact_silent
from labelleak_lib.results.leakage import of_rows
from labelleak_lib.results.markdown import Markdown, numbered, rows_of, span
from labelleak_lib.results.summary import compare, of_the_paper, passing

COLUMNS = ("NG", "FT", "RL", "AU", "RT")
"""The methods as the paper's tables line them up; their mean follows."""
STEPS = 5
"""Shades of colour; the last is for a share of 1."""
MEAN = "mean"
SIDES = {"forget": "$D_f$", "retain": "$D_r$"}
NONE = "No long runs of the paper's data sets are committed yet."


def cells(records: pd.DataFrame, k: int, rows: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Return each cell of Tables V to VIII that has records: ``attack criterion unlearning measured published both n``.

    Of the paper's data sets, which weigh alike, and of targets that pass the gate: `measured`, the success rate judged
    as published, and `published`, in percent; `both`, the share of the `n` targets that are exact and silent, in
    0 .. 1. `unlearning` is a code of `COLUMNS`, or "mean".
    """
    lines = []
    own = of_the_paper(of_rows(records[(records.k == k) & records.unlearning.isin(COLUMNS)], rows))
    for code in (*COLUMNS, MEAN):
        of_method = own if code == MEAN else own[own.unlearning == code]
        if passing(of_method).empty:
            continue
        judged = exact_silent.table(of_method, rows).set_index(["attack", "criterion"])
        for line in rows_of(compare(of_method, "asr", "paper", rows, code)):
            known = judged.loc[(line.attack, line.criterion)]
            lines.append({
                "attack": line.attack, "criterion": line.criterion, "unlearning": code, "measured": line.measured,
                "published": line.published, "both": known.both, "n": int(known.n),
            })  # fmt: skip
    return pd.DataFrame(
        lines, columns=["attack", "criterion", "unlearning", "measured", "published", "both", "n"]
    ).astype({"measured": float, "published": float, "both": float})


def success(
    records: pd.DataFrame, rows: Sequence[tuple[str, str]], *, name: str, ks: Sequence[int] = (1, 3)
) -> Markdown:
    """Write `cells` as the paper's tables are laid out, one k below the other, and what the colours mean."""
    own = of_the_paper(records[records.k.isin(ks)])
    if own.empty:
        return Markdown(NONE)
    found = {k: cells(records, k, rows).set_index(["attack", "criterion", "unlearning"]) for k in ks}
    lines = []
    for k, (attack, criterion) in ((k, row) for k in ks for row in rows):
        shown = [_of(found[k], attack, criterion, code) for code in (*COLUMNS, MEAN)]
        lines += [[str(k), row_name(attack, criterion), *shown]] if any(shown) else []
    text = _laid_out(lines, ["k", "attack, criterion", *COLUMNS, MEAN])
    # a cell may rest on fewer trials than its neighbours
    asked = own[own.unlearning.isin(COLUMNS) & own.attack.isin(dict(rows))]
    cell = ["dataset", "k", "attack", "unlearning"]
    trials = asked.drop_duplicates([*cell, "seed", "trial"]).groupby(cell).size().rename("trials").reset_index()
    caption = f"Success rate in %, measured above published; {_basis(trials)}"
    return Markdown(f"{numbered(text, caption, name)}\n\n{_legend('exact and silent for')}{_fewer(asked, rows)}")


def _fewer(cells: pd.DataFrame, rows: Sequence[tuple[str, str]]) -> str:
    """Say which rows and methods have not been run on all data sets of `cells`, and so are means over fewer."""
    every, held = ordered(cells.dataset, DATASET_ORDER), of_rows(cells, rows)
    parts = {row_name(*row): held[(held.attack == row[0]) & (held.criterion == row[1])] for row in rows}
    parts |= {code: held[held.unlearning == code] for code in COLUMNS}
    there: dict[str, list[str]] = {}
    for name, part in parts.items():
        own = ordered(part.dataset, DATASET_ORDER)
        if own and own != every:
            there.setdefault(", ".join(own), []).append(name)
    return "".join(f" Over {sets} alone: {'; '.join(names)}." for sets, names in there.items())


def accuracy(table: pd.DataFrame, *, name: str, ks: Sequence[int] = (1, 3)) -> Markdown:
    """Write the accuracies after unlearning, of `accuracies.accuracy_table`, as Tables III and IV hold them.

    One row a data set, number of forgotten classes and side (D_f or D_r), measured above published; the colour is the
    share of trials that pass the gate.
    """
    own = of_the_paper(table[table.k.isin(ks) & table.unlearning.isin(COLUMNS)])
    if own.empty:
        return Markdown(NONE)
    lines = []
    for dataset, k, side in product(ordered(own.dataset, DATASET_ORDER), ks, SIDES):
        same = own[(own.dataset == dataset) & (own.k == k) & (own.quantity == f"{side}_acc_after")]
        cells_of = {
            line.unlearning: _cell(line.mean, line.published, line.unlearned, line.trials, "gate")
            for line in rows_of(same)
        }
        lines += [[dataset, str(k), SIDES[side], *(cells_of.get(code, "") for code in COLUMNS)]] if cells_of else []
    text = _laid_out(lines, ["data set", "k", "of", *COLUMNS])
    caption = f"Accuracy after unlearning in %, measured above published; {_basis(own)}"
    return Markdown(f"{numbered(text, caption, name)}\n\n{_legend('the gate is passed by', 'gate')}")


def _of(found: pd.DataFrame, attack: str, criterion: str, code: str) -> str:
    at = (attack, criterion, code)
    return _cell(*found.loc[at, ["measured", "published", "both", "n"]]) if at in found.index else ""


def _cell(measured: float, published: float, share: float, n: float, tone: str = "leak") -> str:
    """Return a cell: HTML that also reads without its colours."""
    told = escape(f"{100 * share:.0f}% of {n:.0f} targets")
    theirs = "" if np.isnan(published) else f"{published:.1f}"
    ours = "–" if np.isnan(measured) else f"{measured:.1f}"
    return f'<span class="{tone} shade-{step(share)}" title="{told}">{ours}<br><small>{theirs}</small></span>'


def step(share: float) -> int:
    """Return the shade of a share in 0 .. 1.

    >>> [step(share) for share in (0.0, 0.19, 0.2, 0.99, 1.0)]
    [0, 0, 1, 4, 5]
    """
    return int(STEPS * share + 1e-9)


def _laid_out(lines: list[list[str]], head: list[str]) -> str:
    return pd.DataFrame(lines).to_markdown(index=False, headers=head, disable_numparse=True)


def _legend(what: str, tone: str = "leak") -> str:
    width = 100 // STEPS
    named = [*(f"{i * width} to {(i + 1) * width}%" for i in range(STEPS)), "all"]
    shades = " ".join(f'<span class="{tone} shade-{i}">{name}</span>' for i, name in enumerate(named))
    return f"Colour: {what} {shades} of the targets."


def _basis(cells: pd.DataFrame) -> str:
    """Say of how many `trials` the cells are, from the fewest to the most, by data set and k."""
    listed = [
        f"{name} {' and '.join(span(group.trials) for _, group in cells[cells.dataset == name].groupby('k'))}"
        for name in ordered(cells.dataset, DATASET_ORDER)
    ]
    ks = " and ".join(str(k) for k in sorted(cells.k.unique()))
    return f"trials a cell at k = {ks}: {', '.join(listed)}"
