"""What stored evidence says about many forgotten classes: the threshold's collapse, and rules that do not collapse."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.criteria.arithmetic import below_threshold, two_means_split
from labelleak_lib.evidence import Bools, Floats
from labelleak_lib.names import DATASET_ORDER, attack_title, ordered
from labelleak_lib.registry import METHODS
from labelleak_lib.results.exact_silent import LABEL_ROW
from labelleak_lib.results.intervals import summarise
from labelleak_lib.results.inverted import kinds
from labelleak_lib.results.leakage import baseline
from labelleak_lib.results.markdown import Markdown, numbered, rows_of, span
from labelleak_lib.results.summary import attackers, passing
from labelleak_lib.theory.collapse import collapse_fraction
from labelleak_lib.trials.judging import with_cells


def swept(records: pd.DataFrame) -> list[str]:
    """Return the names of the data sets on which more than two numbers of forgotten classes were run, in order."""
    return [str(name) for name, runs in records.groupby("dataset", sort=False) if runs.k.nunique() > 2]


def most_complete(records: pd.DataFrame, rows: Sequence[tuple[str, str]]) -> str:
    """Return the name of the data set of `records` on which most of the `rows` (attack, criterion) were run at most k.

    Of several alike, the last.
    """
    found = records[pd.MultiIndex.from_frame(records[["attack", "criterion"]]).isin(rows)]
    cells = found.drop_duplicates(["dataset", "attack", "criterion", "k"]).groupby("dataset", sort=False).size()
    shares = cells / records.groupby("dataset").k.nunique().reindex(cells.index)
    return str(shares[::-1].idxmax())


def same_at_every_k(records: pd.DataFrame) -> pd.DataFrame:
    """Return the records of the trials and methods whose targets pass the gate at every k of their data set.

    So that a line against k compares the same trials and methods throughout, and does not move because one drops out.
    """
    passed = passing(records)
    found = passed.groupby(["dataset", "seed", "trial", "unlearning"]).k.transform("nunique")
    asked = records.groupby("dataset").k.nunique()
    return passed[found == passed.dataset.map(asked)]


def composition(records: pd.DataFrame) -> str:
    """Say which trials and methods :func:`same_at_every_k` keeps of the `records` of one data set.

    A trial that was not run at every k has not failed at any, and is not counted.
    """
    cell = ["seed", "trial", "unlearning"]
    kept = same_at_every_k(records).drop_duplicates(cell).unlearning.value_counts()
    tried = records.groupby(cell).k.nunique()
    run = tried[tried == records.k.nunique()].reset_index().unlearning.value_counts()
    listed = ", ".join(
        f"{code} {kept.get(code, 0)} of {run[code]}" for code in ordered(list(run.index), tuple(METHODS))
    )
    return f"Of the trials that were run at every $k$, those that pass the gate at all of them, by method: {listed}."


def success_by_k(records: pd.DataFrame, rows: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Summarise success rates, judged as published, by number of forgotten classes (Figure 16).

    ``attack criterion control k mean low high n baseline limit dataset``, in the order of `rows` (attack and
    criterion): rates in 0 .. 1, the level of an answer that looks at nothing in percent, the k from which the threshold
    is to fail, and the names of the data sets.
    """
    table = summarise(records[records.protocol == "paper"], ["attack", "criterion", "control", "k"], "asr")
    parts = [table[(table.attack == attack) & (table.criterion == criterion)] for attack, criterion in rows]
    table = pd.concat(parts, ignore_index=True)
    classes = int(records.classes.max()) if len(records) else 0
    level = [baseline(criterion, "paper", k, classes) for criterion, k in zip(table.criterion, table.k, strict=True)]
    names = ", ".join(ordered(records.dataset, DATASET_ORDER))
    return table.assign(baseline=level, limit=classes * collapse_fraction(1.0), dataset=names)


def stored_ipvs(records: pd.DataFrame, evidence: pd.DataFrame) -> pd.DataFrame:
    """Return every stored set of inverted prediction vectors, of target models and of placebos, one row each.

    ``attack control unlearning trial k``, ``forgotten`` (bool (C,)) and ``ipv`` (float (C, C)).
    """
    rows = [
        (row["attack"], row["control"], cell.unlearning, int(cell.trial), int(cell.k),
         kinds(range(len(ipv)), cell.forgotten) == "forgotten", ipv)
        for row, ipv, cell in with_cells(evidence[evidence.kind == "ipv"], records)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["attack", "control", "unlearning", "trial", "k", "forgotten", "ipv"])


def alpha_sweep(stored: pd.DataFrame, alphas: Sequence[float]) -> pd.DataFrame:
    """Apply the threshold criterion with every alpha to the target models' maxima, and predict whether it can work.

    One row a stored set and (positive) alpha: ``attack unlearning trial k alpha``, ``recall`` (share of the forgotten
    classes found), ``limit`` (C / (1 + alpha^2)), ``noisy_limit`` (with the spread within each kind, see
    `collapse_fraction`), ``works`` (more than half found).
    """
    rows = []
    for cell in stored[stored.control == "none"].to_dict("records"):
        peak, lost = cell["ipv"].max(1), cell["forgotten"]
        distance = peak[~lost].mean() - peak[lost].mean()
        inner = np.where(lost, peak - peak[lost].mean(), peak - peak[~lost].mean()).std()
        noise = float(inner / distance) if distance > 0 else 1e3
        shared = [cell[name] for name in ("attack", "unlearning", "trial", "k")]
        for alpha in map(float, alphas):
            recall = below_threshold(peak, alpha)[lost].mean()
            limits = [len(peak) * collapse_fraction(alpha, spread) for spread in (0.0, noise)]
            rows.append((*shared, alpha, recall, *limits, recall > 0.5))
    columns = ["attack", "unlearning", "trial", "k", "alpha", "recall", "limit", "noisy_limit", "works"]
    return pd.DataFrame(rows, columns=columns)


def recall_map(swept: pd.DataFrame) -> pd.DataFrame:
    """Average ``recall`` of :func:`alpha_sweep` over `n` stored sets, by attack, alpha and k, beside its ``limit``."""
    by = swept.groupby(["attack", "alpha", "k"], sort=False)
    return by.agg(recall=("recall", "mean"), limit=("limit", "first"), n=("recall", "size")).reset_index()


def agreement(swept: pd.DataFrame) -> pd.DataFrame:
    """Count by attack how often the criterion works exactly where the prediction says so; ties at the limit left out.

    ``attack cells targets share works fails share_noisy cells_noisy``: shares in 0 .. 1, the last with the spread
    within each kind, each beside the number of `cells` that it is of. `works` is how often the criterion works where
    it is to work, `fails` how often it fails where it is to fail (NaN where there is no such cell). A target is in as
    many cells as there are alphas, so that cells are not independent.
    """
    rows = []
    for attack, group in swept.groupby("attack", sort=False):
        clear, noisy = (group[(group.k - group[column]).abs() > 1e-6] for column in ("limit", "noisy_limit"))
        predicted = clear.k < clear.limit
        targets = len(clear.drop_duplicates(["unlearning", "trial", "k"]))
        shares = ((clear.works == predicted).mean(), clear.works[predicted].mean(), (~clear.works[~predicted]).mean())
        rows.append(
            (attack, len(clear), targets, *shares, (noisy.works == (noisy.k < noisy.noisy_limit)).mean(), len(noisy))
        )
    columns = ["attack", "cells", "targets", "share", "works", "fails", "share_noisy", "cells_noisy"]
    return pd.DataFrame(rows, columns=columns)


def in_words(line: Any) -> str:
    """Say of a line of :func:`agreement` how often the prediction is right, of how many cases, and in which of them."""
    works, fails = ("no case" if np.isnan(x) else f"{100 * x:.1f}%" for x in (line.works, line.fails))
    return (
        f"{attack_title(line.attack)} {100 * line.share:.1f}% of {line.cells:,} cases, of {line.targets:,} targets "
        f"(where it is to work, it works: {works}; where it is to fail, it fails: {fails})"
    )


def _lowest(values: Floats) -> Bools:
    """Return the lower of two clusters of values (C,), none if all are equal."""
    called = np.zeros(len(values), dtype=bool)
    called[np.argsort(values, kind="stable")[: two_means_split(values)]] = np.ptp(values) > 0
    return called


_SHARED = ["control", "k", "trial", "unlearning"]
LABELS = "labels alone, reach"
# each maps IPVs (C, C) to the classes called forgotten, bool (C,)
RULES: dict[str, Callable[[Floats], Bools]] = {
    "threshold": lambda ipv: below_threshold(ipv.max(1), 1.0),
    "two-means on maxima": lambda ipv: _lowest(ipv.max(1)),
    "two-means on the class aimed at": lambda ipv: _lowest(np.diagonal(ipv)),
}


def rules_by_k(stored: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """Judge stored vectors by rules with and without mean and deviation, beside labels under the rule of reach.

    ``attack rule control k trial unlearning exact silent`` (the last two bool), one row a stored set and rule; those of
    labels, where they were asked for, under each attack.
    """
    rows = []
    for cell in stored.to_dict("records"):
        for rule, decide in RULES.items():
            called, lost = decide(cell["ipv"]), cell["forgotten"]
            shared = [cell[name] for name in _SHARED]
            rows.append((cell["attack"], rule, *shared, bool((called == lost).all()), not called.any()))
    judged = pd.DataFrame(rows, columns=["attack", "rule", *_SHARED, "exact", "silent"])
    labels = attackers(records, *LABEL_ROW)
    labels = labels.assign(exact=labels.exact_match == 1, silent=labels.predicted == "")
    labels = labels[[*_SHARED, "exact", "silent"]]
    parts = [labels.assign(attack=attack, rule=LABELS) for attack in stored.attack.unique() if len(labels)]
    return pd.concat([judged, *parts], ignore_index=True)


def rule_summary(judged: pd.DataFrame) -> pd.DataFrame:
    """Summarise :func:`rules_by_k` over methods and trials: ``attack rule control k mean low high n``, in 0 .. 1.

    The mean is the share of target models whose set is named exactly, and of placebos that are met with silence.
    """
    right = judged.exact.where(judged.control == "none", judged.silent).astype(float)
    return summarise(judged.assign(right=right), ["attack", "rule", "control", "k"], "right")


_LINE = ["attack", "rule", "targets"]
DEPENDENT = "A target is judged with every $\\alpha$, so that the cases are not independent."


def _at_every_k(judged: pd.DataFrame) -> pd.DataFrame:
    """Return, of each line of a table by k, the trials and methods that it has at all of its k."""
    shown = judged.groupby(_LINE).k.transform("nunique")
    return judged[judged.groupby([*_LINE, "trial", "unlearning"]).k.transform("nunique") == shown]


def answers(
    records: pd.DataFrame, evidence: pd.DataFrame, alphas: Sequence[float], *, name: str | None = None
) -> Markdown:
    """Return, of one data set, how often each rule is exact, by k, and how often the predicted collapse comes true.

    A Markdown table in percent, numbered under the label `name` (plain without one): means over the trials and methods
    that pass the gate at every k, ungated over all that were run at every k, and how often each rule is silent on the
    originals of these; then sentences.
    """
    stored = stored_ipvs(records, evidence)
    kept = same_at_every_k(records)
    tables = {"gated": rules_by_k(stored_ipvs(kept, evidence), kept), "ungated": rules_by_k(stored, records)}
    parts = [table[table.control == "none"].assign(targets=name) for name, table in tables.items()]
    parts += [tables["ungated"].query("control == 'placebo'").assign(targets="$M_o$, silent")]
    judged = _at_every_k(pd.concat(parts))
    judged = judged.assign(
        attack=judged.attack.map(attack_title), share=judged.exact.where(judged.control == "none", judged.silent)
    )
    means = judged.pivot_table("share", ["attack", "rule", "targets"], "k", sort=False).sort_index(axis=1)
    # a rule that was run at some k alone has no cell at the others
    shown = means.map(lambda share: "" if np.isnan(share) else f"{100 * share:.0f}").reset_index()
    text = shown.to_markdown(index=False, disable_numparse=True)
    shares = map(in_words, rows_of(agreement(alpha_sweep(stored, alphas))))
    trials = span(judged.groupby(_LINE).trial.nunique())
    caption = (
        f"How often each rule names exactly the forgotten classes, or nobody on $M_o$, by their number $k$, percent; "
        f"{', '.join(records.dataset.unique())}, trials: {trials}"
    )
    tried = f"Every $k$ of a line has the same trials and methods (trials a line: {trials}). {composition(records)}"
    said = f"{tried} The prediction is right for {'; '.join(shares)}. {DEPENDENT}"
    return Markdown(f"{numbered(text, caption, name)}\n\n{said}")
