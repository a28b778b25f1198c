"""The page of the rule against reference models: its table, and what it finds in sentences."""

from typing import Any

import pandas as pd
from scipy import stats

from labelleak_lib.names import PAPER_METHODS, attack_title
from labelleak_lib.results.intervals import of_clusters
from labelleak_lib.results.markdown import rows_of, span
from labelleak_lib.results.references import ATTACKS, Survey, level_of

FULL = 19
"""References from which on a p-value can be 5%."""
ENOUGH = 5
"""Models of the bank below which no rate of theirs is told."""


def rates(lines: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    """Return how often ``value`` holds by group: ``n hits trials rate low high``, the last three in 0 .. 1.

    And the fewest ``references`` of the group, and the ``level`` that they allow. ``n`` counts targets or models and
    ``hits`` those of which it holds. What was trained from one seed stands or falls together: the ``rate`` is the mean
    over such trials, and its interval has a trial for one outcome (`intervals.of_clusters`).
    """
    rows = []
    for key, group in lines.groupby(by, sort=False):
        shares = group.groupby(["dataset", "train_seed"])[value].mean().astype(float)
        low, high = of_clusters([shares])
        counts = (len(group), int(group[value].sum()), len(shares))
        rows.append((*key, *counts, shares.mean(), low, high, int(group.references.min()), float(group.level.max())))
    return pd.DataFrame(rows, columns=[*by, "n", "hits", "trials", "rate", "low", "high", "references", "level"])


def page_table(found: Survey) -> pd.DataFrame:
    """Return the page's table: one line a data set and attack, rates as text in percent.

    ``data set attack references level targets trials detected exact``, the share named exactly of each method, how many
    models of the bank are accused, of those trained by the references' recipe and of all others. Intervals as of
    `rates`.
    """
    keys, rows = ["dataset", "attack"], []
    exact, plain = rates(found.targets, keys, "exact").set_index(keys), found.bank.kind == "Plain"
    detected = rates(found.targets, keys, "detected").set_index(keys)
    held = found.targets.set_index(keys).sort_index()
    by_method = rates(found.targets, [*keys, "unlearning"], "exact").set_index([*keys, "unlearning"]).rate
    alarms = [rates(found.bank[same], keys, "detected").set_index(keys) for same in (plain, ~plain)]
    for dataset in found.targets.dataset.unique():
        for attack in [name for name in ATTACKS if (dataset, name) in exact.index]:
            key, line = (dataset, attack), exact.loc[(dataset, attack)]
            codes = {code: by_method.get((*key, code)) for code in PAPER_METHODS}
            accused = [_counted(side.loc[key]) if key in side.index else "" for side in alarms]
            rows.append({
                "data set": dataset, "attack": attack_title(attack), "references": span(held.loc[[key]].references),
                "level %": span(100 * held.loc[[key]].level, ".3g"), "targets": int(line.n),
                "trials": int(line.trials),
                "detected %": f"{100 * detected.loc[key].rate:.0f}", "named exactly %": _rate(line),
                **{code: "" if share is None else f"{100 * share:.0f}" for code, share in codes.items()},
                "accused, same recipe": accused[0], "accused, other kinds": accused[1],
            })  # fmt: skip
    return pd.DataFrame(rows)


def _rate(line: Any) -> str:
    return f"{100 * line.rate:.0f} ({100 * line.low:.0f} to {100 * line.high:.0f})"


def _counted(line: Any) -> str:
    return f"{int(line.hits)} of {int(line.n)}"


def given_one_set(references: int) -> tuple[float, float]:
    """Return where the false-alarm rate of one set of n references lies in 95 of 100 sets, at its `level_of`.

    The level holds on average over sets. Given a set, the share of new models beyond its k-th largest statistic, k =
    level * (n + 1), has the law Beta(k, n + 1 - k) where that statistic does not depend on the new model (Vovk, 2012);
    here it does a little, since the model takes part in the standardisation.

    >>> [round(bound, 3) for bound in given_one_set(19)]
    [0.001, 0.176]
    """
    k = int(level_of(references) * (references + 1) + 1e-9)
    law = stats.beta(k, references + 1 - k)
    return float(law.ppf(0.025)), float(law.ppf(0.975))


def sentences(found: Survey) -> list[str]:
    """Say at which levels the rule works, what it finds, and whom it accuses."""
    levels = rates(found.targets, ["dataset"], "exact")
    told = [
        f"{line.dataset} {line.references} ({100 * line.level:.3g}%)" for line in rows_of(levels)
    ]  # fmt: skip
    few = levels[levels.references < FULL]
    own = rates(found.originals, ["dataset", "attack", "recipe"], "detected")
    expected = int((own.level * own.n + 1e-9).sum())
    lines = [
        f"The fewest references that any target has, and the level that they allow: {', '.join(told)}. Below {FULL} "
        f"references no p-value reaches 5%, and the smallest possible one, 1/(n + 1), is taken as the level; "
        f"{len(few)} of {len(levels)} data sets have an attack for which that is so.",
        f"Every $M_o$ beside all others of its recipe: {int(own.hits.sum())} of {int(own.n.sum())} pairs of model and "
        f"attack are accused. Without ties it would be {expected}, by arithmetic: one of n + 1 models is the most "
        "outlying. So this says nothing about the rule.",
    ]
    if found.bank.empty:
        return lines
    plain = found.bank.kind == "Plain"
    for name, side in (("trained by the same recipe", plain), ("trained in other ways", ~plain)):
        pooled = rates(found.bank[side], ["dataset", "attack"], "detected")
        pooled = pooled[pooled.n >= ENOUGH]
        for dataset, group in pooled.groupby("dataset", sort=False):
            above = group[group.low > group.level]
            beyond = ", ".join(f"{attack_title(x.attack)} ({_rate(x)}%)" for x in rows_of(above)) or "none"
            lines.append(
                f"Models of the null bank {name}, {dataset}: by attack, {span(100 * group.rate, unit='%')} of them are "
                f"accused. Attacks whose whole interval lies above the level: {beyond}."
            )
    low, high = given_one_set(FULL)
    lines.append(
        f"The level holds on average over sets of references. Of one set of {FULL}, the rate of false alarms lies "
        f"between about {100 * low:.1f} and {100 * high:.0f}% in 95 of 100 cases: so few references leave the rate "
        "loose."
    )
    return lines
