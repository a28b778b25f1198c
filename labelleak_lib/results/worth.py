"""What rows are worth, in Markdown: exact and silent, searches and free readings under one rule, where a row fails."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from labelleak_lib.names import DATASET_ORDER, PAPER_ROWS, attack_title, ordered, row_name
from labelleak_lib.registry import CRITERIA
from labelleak_lib.results import exact_silent
from labelleak_lib.results.false_alarms import RULES
from labelleak_lib.results.markdown import Markdown, numbered, rows_of, with_interval
from labelleak_lib.results.summary import attackers, compare, of_the_paper, passing

UNITS = ("success rate, ASR (%)", "share (%)")
"""What the two panels of :func:`judged_both_ways` measure."""


def judged_both_ways(
    records: pd.DataFrame, *, extra: Sequence[tuple[str, str]] = (), unlearning: str = "mean"
) -> dict[str, pd.DataFrame]:
    """Return the two panels of `attack_rows`: success rates as published, and what is exact and silent.

    `records` and `unlearning` are as for `summary.compare`; `extra` holds rows (attack and criterion) that the second
    panel shows below the paper's. There ``measured`` is the share of targets that are exact and silent, ``ungated``
    the share named exactly, and ``placebo`` that of originals met with silence. ``trials`` counts
    in both. Without records there is no panel.
    """
    if records.empty:
        return {}
    published = compare(records, "asr", "paper", PAPER_ROWS, unlearning)
    rates = exact_silent.table(records, (*PAPER_ROWS, *extra))
    shares = {"measured": "both", "low": "low", "high": "high", "ungated": "exact", "placebo": "silent"}
    judged = rates[["attack", "criterion", "trials"]].assign(
        **{name: 100 * rates[share] for name, share in shares.items()}
    )
    judged = judged.assign(**dict.fromkeys(("placebo_low", "placebo_high", "chance"), np.nan))
    return {"judged as published": published, "exact and silent": judged}


def exact_and_silent(
    records: pd.DataFrame, rows: Sequence[tuple[str, str]], *, caption: str | None = None, name: str | None = None
) -> Markdown:
    """Write `exact_silent.table` of `records`, and how often each row is both on every data set.

    The mean is over the paper's data sets where `records` hold any, else over what they hold; data sets weigh alike.
    """
    rates, datasets = exact_silent.table(_pooled(records), rows), ordered(records.dataset, DATASET_ORDER)
    lines = pd.DataFrame({
        "row": [row_name(line.attack, line.criterion) for line in rows_of(rates)],
        "exact and silent %": [with_interval(100 * x.both, 100 * x.low, 100 * x.high) for x in rows_of(rates)],
        "exact %": (100 * rates.exact).map("{:.0f}".format), "silent %": (100 * rates.silent).map("{:.0f}".format),
        "targets": rates.n, "trials": rates.trials,
    })  # fmt: skip
    if len(datasets) > 1:
        for dataset in datasets:
            lines[dataset] = [
                _both(records[records.dataset == dataset], (x.attack, x.criterion)) for x in rows_of(rates)
            ]
    return numbered(lines.to_markdown(index=False, disable_numparse=True), caption, name)


def _pooled(records: pd.DataFrame) -> pd.DataFrame:
    return of_the_paper(records) if len(of_the_paper(records)) else records


def _with_all(records: pd.DataFrame, attacks: Sequence[str]) -> tuple[pd.DataFrame, bool]:
    """Return the records of the targets that pass the gate and have all `attacks`, and whether some have not all."""
    targets = passing(records)
    targets = targets[(targets.control == "none") & targets.attack.isin(attacks)]
    held = targets.groupby("config_hash").attack.nunique()
    complete = held.index[held == targets.attack.nunique()]
    return records[records.config_hash.isin(complete)], len(complete) < len(held)


def _both(records: pd.DataFrame, row: tuple[str, str]) -> str:
    rates = exact_silent.table(records, [row])
    return f"{100 * rates.both.iloc[0]:.0f}" if len(rates) else ""


def under_one_rule(
    records: pd.DataFrame, attacks: Sequence[str], *, rules: Sequence[str] = RULES, caption: str, name: str
) -> Markdown:
    """Write how often each of `attacks` is exact and silent under each rule, in percent; data sets weigh alike.

    Searches and free readings stand in one column under the same rule, on the same targets: those that have every one
    of the scores. Of the paper's data sets where `records` hold any. Empty where a rule cannot read a score.
    """
    records, left_out = _with_all(_pooled(records), attacks)
    caption += f"; on the {records.config_hash.nunique()} targets that have every score" * left_out
    table = {"score": [attack_title(attack) for attack in attacks]}
    for rule in rules:
        table[CRITERIA.title(rule) or rule.replace("_", " ")] = [_both(records, (attack, rule)) for attack in attacks]
    queries = records.groupby("attack").queries.max()
    table["queries"] = [f"{int(queries.get(attack, 0)):,}" for attack in attacks]
    return numbered(pd.DataFrame(table).to_markdown(index=False, disable_numparse=True), caption, name)


def hard_cells(records: pd.DataFrame, attack: str, criterion: str, most: int = 6) -> str:
    """Name the cells of data set, method and k where a row fails most: a sentence, with at most so many of them."""
    hard = exact_silent.hard_cells(records, attack, criterion).sort_values("both", kind="stable")
    row, held = row_name(attack, criterion), exact_silent.cells(records, attack, criterion).both
    if hard.empty or not held.any():
        return f"{row[0].upper()}{row[1:]} is exact and silent for {'no' if len(hard) else 'every'} target."
    named = [f"{x.unlearning} on {x.dataset}, k = {x.k} ({100 * x.both:.0f}% of {x.n})" for x in rows_of(hard[:most])]
    more = len(hard) - most
    rest = f"; and {more} more cell{'s' * (more > 1)}" if more > 0 else ""
    return f"{row[0].upper()}{row[1:]} fails most for {'; '.join(named)}{rest}."


def search_or_not(records: pd.DataFrame) -> str:
    """Say whether the genetic search is exact and silent more often than labels alone, under the rule of reach.

    On the trials that have both; nothing where none has.
    """
    rows = ("blackbox_inversion", "reach"), exact_silent.LABEL_ROW
    pooled = _pooled(records)
    both = set.intersection(*(set(exact_silent.cells(pooled, *row).config_hash) for row in rows))
    if not both:
        return ""
    shared = pooled[pooled.config_hash.isin(both)]
    search, labels = rows_of(exact_silent.table(shared, rows))
    queries = [int(attackers(shared, *row).queries.max()) for row in rows]
    verdict = "earns its queries" if search.both > labels.both else "does not earn its queries"
    return (
        f"The genetic search {verdict}. On the {search.n} targets that have both, under one rule, up to {queries[0]:,} "
        f"queries are exact and silent for {exact_silent.shown(search)}, and labels of {queries[1]:,} images that "
        f"search for nothing for {exact_silent.shown(labels)}."
    )
