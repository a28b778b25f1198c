"""Leak cards: what is measured of every unlearning method, as Markdown."""

import inspect
import re

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from labelleak_lib.names import DATASET_ORDER, ordered
from labelleak_lib.registry import METHODS
from labelleak_lib.results.markdown import numbered, rows_of, signed, span, summary_of, with_interval
from labelleak_lib.results.method_leaks import ACCESSES, BOTH_MODELS, EARLY, HEADLINE, Measured, leaks

LEVEL = 0.05
OFTEN = 0.8
"""Share of targets that a method should pass the gate on."""
ORDER = (*list(ACCESSES)[:2], EARLY, *list(ACCESSES)[2:], BOTH_MODELS)
"""Accesses as the cards list them."""


def named(code: str) -> str:
    """Return what a method is called, with its code where that is another word.

    >>> named("RT"), named("SCRUB")
    ('retrain (RT)', 'SCRUB')
    """
    title = METHODS.title(code)
    return title if title == code else f"{title} ({code})"


def listed() -> str:
    """Return the methods as a Markdown table: what each does and where it is from, as their source says it."""
    rows = []
    for code in METHODS:
        what = summary_of(inspect.getmodule(METHODS[code])).partition(": ")[2]
        rows.append((code, METHODS.title(code), what, _source(METHODS[code])))
    table = pd.DataFrame(rows, columns=["code", "method", "what it does", "source"])
    return table.to_markdown(index=False, disable_numparse=True)


def _source(method: type) -> str:
    """Return what stands in the first brackets of a class's docstring."""
    found = re.search(r"\(([^()]*\d{4}[^()]*|paper[^()]*)\)", inspect.getdoc(method) or "")
    return " ".join(found[1].split()) if found else ""


def short(leaked: pd.DataFrame) -> str:
    """Return how often each access is exact and silent in percent, one line a method, as a Markdown table."""
    wide = (100 * leaked.pivot(index="unlearning", columns="access", values="both")).round().astype("Int64")
    order = [access for access in ORDER if access in wide.columns]
    table = wide.loc[leaked.unlearning.unique(), order].astype(str).replace("<NA>", "")
    return table.rename_axis("method").to_markdown(disable_numparse=True)


def by_count(known: Measured, *, name: str | None = None) -> dict[str, str]:
    """Return `short` of every number k of forgotten classes, by its title, numbered under ``<name>-<k>``."""
    counts = sorted(set(known.records.k))
    picked = {k: [table[table.k == k] for table in (known.records, known.early)] for k in counts}
    panels: dict[str, str] = {}
    for k, tables in picked.items():
        leaked = leaks(*tables)
        caption = (
            f"Exact and silent by access, percent of the targets that pass the gate, k = {k}, targets: {span(leaked.n)}"
        )
        panels[f"k = {k}"] = numbered(short(leaked), caption, name and f"{name}-{k}")
    return panels


def ranked(ranking: pd.DataFrame) -> str:
    """Return `method_leaks.ranking` as a Markdown table."""
    steps = [f"{n:.0f}" if np.isfinite(n) else "more" if np.isinf(n) else "" for n in ranking.steps]
    return pd.DataFrame({
        "method": [named(code) for code in ranking.unlearning],
        "exact and silent %": [with_interval(100 * x.leak, 100 * x.low, 100 * x.high) for x in rows_of(ranking)],
        "by data set %": [span(100 * pd.Series([x.least, x.most]), ".0f") for x in rows_of(ranking)],
        "pass the gate": [f"{x.passed} of {x.trials}" for x in rows_of(ranking)],
        "linear probe %": [_percent(x) for x in ranking.probe], "steps to half": steps,
    }).to_markdown(index=False, disable_numparse=True)  # fmt: skip


def _percent(share: float) -> str:
    return "" if np.isnan(share) else f"{100 * share:.0f}"


def cards(leaked: pd.DataFrame, forgot: pd.DataFrame) -> str:
    """Return the cards of all methods, folded, the headline in each one's title."""
    held = leaked[leaked.access == HEADLINE].set_index("unlearning").both
    parts = []
    for line in rows_of(forgot):
        code, share = line.unlearning, held.get(line.unlearning)
        leak = "nothing to leak" if share is None else f"{100 * share:.0f}% exact and silent"
        title = f"{named(code)}: {leak}; {line.passed} of {line.trials} targets pass the gate"
        parts.append(f"::::{{dropdown}} {title}\n:name: leak-card-{code.lower()}\n\n{card(code, leaked, forgot)}\n::::")
    return "\n\n".join(parts)


def card(code: str, leaked: pd.DataFrame, forgot: pd.DataFrame) -> str:
    """Write a method's card in Markdown: whether it forgets, what is left, what it costs, what leaks."""
    (line,) = rows_of(forgot[forgot.unlearning == code])
    steps = "more steps than were tried" if np.isinf(line.steps) else f"{line.steps:.0f} steps"
    facts = [
        f"**Does it forget?** {line.passed} of {line.trials} targets pass the gate. Accuracy on forgotten classes is "
        f"{100 * line.forget:.1f}%; that on retained ones changes by {signed(-100 * line.lost)} points."
    ]
    if not np.isnan(line.probe):
        facts.append(
            f"**What is left?** A linear probe of the features answers {100 * line.probe:.0f}% of the forgotten class "
            f"rightly ({100 * line.untrained:.0f}% on an untrained network); half of the original accuracy is back "
            f"after {steps}."
        )
    if not np.isnan(line.seconds):
        facts.append(
            f"**What does it cost?** {line.seconds:.1f} s of the processor, {line.ratio:.2g} times what retraining "
            "takes."
        )
    own = leaked[leaked.unlearning == code].sort_values("access", key=lambda names: names.map(ORDER.index))
    rates = [with_interval(100 * x.both, 100 * x.low, 100 * x.high) for x in rows_of(own)]
    table = pd.DataFrame({
        "access": own.access, "exact and silent %": rates, "exact %": (100 * own.exact).map("{:.0f}".format),
        "silent %": (100 * own.silent).map("{:.0f}".format), "targets": own.n,
    })  # fmt: skip
    what = table.to_markdown(index=False, disable_numparse=True) if len(own) else "No target passes: nothing to leak."
    return "\n\n".join([*facts, "**What leaks?**", what])


def basis(known: Measured) -> str:
    """Say on which data sets, numbers of classes and trials the cards rest, and on which their probes and costs."""
    by = known.records.drop_duplicates(["dataset", "k", "trial"]).groupby(["dataset", "k"], as_index=False).size()
    by_name = {str(name): group for name, group in by.groupby("dataset")}
    counts = [line for name in ordered(by.dataset, DATASET_ORDER) for line in rows_of(by_name[name])]
    listed = ", ".join(f"`{line.dataset}`, k = {line.k} ({line.size} trials)" for line in counts)
    return (
        f"**Basis.** {listed}. Data sets weigh alike. A method counts where it passes the gate. On fewer trials, one "
        f"forgotten class each: probes and steps on {_trials(known.left)}; costs on {_trials(known.costs)}."
    )


def _trials(lines: pd.DataFrame) -> str:
    """Return the number of trials of each data set: "`digits` (5), `mnist` (2)"."""
    counts = lines.drop_duplicates(["dataset", "trial"]).groupby("dataset").size()
    return ", ".join(f"`{name}` ({counts[name]})" for name in ordered(lines.dataset, DATASET_ORDER))


def alternative(ranking: pd.DataFrame) -> str:
    """Describe the figure of the ranking in words."""
    return (
        f"One dot a method, {len(ranking)} methods: how often joint reach is exact and silent, from "
        f"{100 * ranking.leak.min():.0f}% to {100 * ranking.leak.max():.0f}%, against what a linear probe "
        "of the features still finds of the forgotten class."
    )


def failing(forgot: pd.DataFrame) -> str:
    """Say of every method that seldom passes the gate why: the class is known, or others are lost."""
    said = []
    for line in rows_of(forgot[forgot.passed < OFTEN * forgot.trials]):
        said.append(f"- {named(line.unlearning)} passes the gate on {line.passed} of {line.trials} targets: on average "
                    f"{100 * line.forget:.0f}% accuracy is left on forgotten classes, and that on the others changes "
                    f"by {signed(-100 * line.lost)} points.")  # fmt: skip
    return "\n".join(said) or "Every method passes the gate on most targets."


def sentences(ranked: pd.DataFrame) -> list[str]:
    """Say which method leaks least, and whether those that leak less have forgotten less.

    Of those alone that pass the gate on at least half of their targets: what hardly ever passes has too few to rank.
    """
    often = ranked[2 * ranked.passed >= ranked.trials]
    if often.empty:
        return ["No method passes the gate on half of its targets."]
    least = often[often.leak == often.leak.min()]
    names = [
        f"{named(line.unlearning)}, {with_interval(100 * line.leak, 100 * line.low, 100 * line.high)}%"
        + (f", by data set from {100 * line.least:.0f} to {100 * line.most:.0f}%" if line.least < line.most else "")
        for line in rows_of(least)
    ]
    every = often[often.leak == 1]
    bounds = f" (lower bounds {span(100 * every.low, '.0f', '%')})" if len(every) else ""
    said = [
        f"**Which method leaks least?** Of {len(often)} that pass the gate on at least half of their targets, joint "
        "reach names the classes exactly, and nobody on the original model, least often after "
        f"{' and '.join(names)}; after {len(every)} of them it did so on every target that passed{bounds}."
    ]
    known = often.dropna(subset=["probe", "leak"])
    if len(known) > 4 and known.leak.nunique() > 1:
        rho, p = spearmanr(known.probe, known.leak)
        less = "leak less" if rho < 0 else "leak more"
        found = (
            f"Methods after which a probe still finds more of the class {less}" if p <= LEVEL else "These cannot tell"
        )
        said.append(
            f"**Is it because less is forgotten?** {found}: Spearman's rank correlation of leakage with what a probe "
            f"still finds of the class, over {len(known)} methods, is {rho:.2f} (p = {p:.2g})."
        )
    return said
