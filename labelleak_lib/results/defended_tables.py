"""Tables of defences in Markdown: what each does, what leaks at which access, what it costs, and who gets it back.

They are made of the tables of `results.defended`, one data set a tab.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.names import DATASET_ORDER, ordered
from labelleak_lib.registry import ADAPTIVE, DEFENCES
from labelleak_lib.results.defences import ACCESSES, UNIT, attack_title, unit_title
from labelleak_lib.results.markdown import Markdown, numbered, rows_of, signed, span, summary_of, tabs, with_interval

PUBLISHED = {"model": "the model", "other outputs": "a model with other outputs", "answers": "answers, no parameters"}
NOT_GRANTED = "–"


def catalogue(*, caption: str, name: str) -> Markdown:
    """Write one line a registered defence: what it does, what is published, and which attacks know it."""
    lines = []
    for key in DEFENCES:
        kind = DEFENCES[key]
        does = summary_of(inspect.getmodule(kind))
        known = ", ".join(map(attack_title, kind.adaptive))
        offered = PUBLISHED[DEFENCES.attribute(key, "publishes", "model")]
        lines.append({"defence": kind.title, "what it does": does, "published": offered, "known to": known})
    return numbered(pd.DataFrame(lines).to_markdown(index=False), caption, name)


def attacks_that_know(*, caption: str, name: str) -> Markdown:
    """Write one line an attack that knows a defence: how it goes about it, and what it needs."""
    lines = [
        {
            "attack": ADAPTIVE[key].title,
            "how": summary_of(ADAPTIVE[key]).replace("`AmongUnreached`", "the one above"),
            "needs": ACCESSES[ADAPTIVE[key].access_kind],
        }
        for key in ADAPTIVE
    ]
    return numbered(pd.DataFrame(lines).to_markdown(index=False), caption, name)


def _tab_a_set(
    table: pd.DataFrame, lines: Callable[[str], list[dict[str, Any]]], caption: str | None, name: str | None
) -> Markdown:
    """Return one tab a data set, with the table of its lines, numbered under ``<name>-<data set>``.

    The caption goes on with the data set and, from the column `n` of `table`, how many trials a line has.
    """
    panels = {}
    for dataset in ordered(table.dataset, DATASET_ORDER):
        text = pd.DataFrame(lines(dataset)).to_markdown(index=False, disable_numparse=True)
        basis = f"{dataset}, trials: {span(table[table.dataset == dataset].n)}"
        label = f"{name}-{dataset}".replace("_", "-")
        panels[dataset] = numbered(text, caption and f"{caption}; {basis}", name and label)
    return tabs(panels)


def leaks_by_set(
    first: pd.DataFrame, worst: pd.DataFrame, *, caption: str | None = None, name: str | None = None
) -> Markdown:
    """Write what the strongest attack gets at each access, and the strongest of all with its interval, by data set.

    `first` is of `strongest` by `UNIT` and access, `worst` of `worst`. Each data set adds its name to `caption` and
    `name`, its trials to the caption.
    """
    columns = [access for access in ACCESSES.values() if access in set(first.access)]

    def lines(dataset: str) -> list[dict[str, Any]]:
        shares = first[first.dataset == dataset].pivot(index=UNIT[1:], columns="access", values="both")
        shares = (100 * shares).reindex(columns=columns)
        found = []
        for row in rows_of(worst[worst.dataset == dataset]):
            share = shares.loc[(row.defence, row.unlearning)]
            found.append({
                "published": unit_title(row.defence, row.unlearning), "trials": row.n,
                "strongest %": with_interval(100 * row.both, 100 * row.low, 100 * row.high),
                # where no attack gets anything, none is the strongest
                "by": f"{attack_title(row.attack)} (of {row.attacks})" if row.both else f"none of {row.attacks}",
                "a guess %": f"{100 * row.chance:.0f}",
                "ranked first %": f"{100 * row.ranked:.0f}",
                **{access: NOT_GRANTED if np.isnan(share[access]) else f"{share[access]:.0f}" for access in columns},
            })  # fmt: skip
        return found

    return _tab_a_set(worst, lines, caption, name)


def prices_by_set(prices: pd.DataFrame, *, caption: str | None = None, name: str | None = None) -> Markdown:
    """Write what each defence costs (`prices`), by data set; `caption` and `name` as for `leaks_by_set`."""

    def lines(dataset: str) -> list[dict[str, Any]]:
        return [
            {
                "published": unit_title(row.defence, row.unlearning),
                "forgot": f"{row.forgot} of {row.n}",
                "points lost": with_interval(row.points, row.low, row.high, sign=True),
                "Brier score": signed(row.brier, 3),
                "seconds": f"{row.seconds:.1f}",
                "epsilon": NOT_GRANTED if np.isnan(row.epsilon) else f"{row.epsilon:.1f}",
            }
            for row in rows_of(prices[(prices.dataset == dataset) & (prices.defence != "none")])
        ]

    return _tab_a_set(prices, lines, caption, name)


def recovered_by_set(
    leaks: pd.DataFrame, worst: pd.DataFrame, *, caption: str | None = None, name: str | None = None
) -> Markdown:
    """Write, for every attack that only who knows the defence runs, what it gets, beside the strongest other attack.

    `caption` and `name` are as for `leaks_by_set`.
    """
    plain = worst.set_index(UNIT).plain

    def lines(dataset: str) -> list[dict[str, Any]]:
        return [
            {
                "published": unit_title(row.defence, row.unlearning),
                "attack that knows it": attack_title(row.attack),
                "needs": row.access,
                "exact %": f"{100 * row.exact:.0f}",
                "silent %": f"{100 * row.silent:.0f}",
                "ranked first %": f"{100 * row.first:.0f}",
                "both %": with_interval(100 * row.both, 100 * row.low, 100 * row.high),
                "strongest that does not %": f"{100 * plain[dataset, row.defence, row.unlearning]:.0f}",
            }
            for row in rows_of(leaks[(leaks.dataset == dataset) & ~leaks.common])
        ]

    return _tab_a_set(leaks[~leaks.common], lines, caption, name)


def named_in(judged: pd.DataFrame, *, caption: str | None = None, name: str | None = None) -> Markdown:
    """Write how many attacks are exact and silent on what is published in each trial, of how many.

    `judged` is of `results.defended.judged`; `caption` and `name` are as for :func:`numbered`.
    """
    table = judged.groupby(["dataset", "trial", "defence", "unlearning"], sort=False)
    lines = [
        {
            "trial": own.trial.iloc[0],
            "published": unit_title(own.defence.iloc[0], own.unlearning.iloc[0]),
            "forgot": "yes" if own.forgot.all() else "no",
            "attacks": len(own),
            "exact": int(own.exact.sum()),
            "silent on the original": int(own.silent.sum()),
            "both": int(own.both.sum()),
        }
        for _, own in table
    ]
    return numbered(pd.DataFrame(lines).to_markdown(index=False), caption, name)
