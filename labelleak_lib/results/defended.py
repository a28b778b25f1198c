"""What a defence is worth: how often each attack is exact and silent on what it publishes, and what it costs.

The lines are of `trials.defended`. A target counts with the model that was published of it, and its M_o with what the
same defence publishes of that.
"""

import json
from math import comb
from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.criteria.base import Criterion
from labelleak_lib.registry import CRITERIA
from labelleak_lib.results.defences import ACCESSES, ALONE, CEILING, UNIT, in_order
from labelleak_lib.results.intervals import LEVEL, clopper_pearson, mean_interval
from labelleak_lib.results.markdown import rows_of
from labelleak_lib.trials.defended import READINGS, SLOW, evidence_of
from labelleak_lib.trials.gate import FORGET_LIMIT
from labelleak_lib.trials.offers import NONE


def judged(lines: pd.DataFrame) -> pd.DataFrame:
    """Return what each attack says of every published M_u, and of the M_o that is published in the same trial.

    One line an attack and target: `UNIT`, ``seed trial attack access common adaptive chance forgot exact first silent
    both``. `exact` says that the attack names the forgotten classes and no output beside them, `silent` that it names
    nobody on the published M_o, each 0 or 1. `first` is how often they come first by the attack's score, without any
    rule. `common` attacks are those that every defence meets, `adaptive` ones know the defence. `forgot` says whether
    the published model answers at most 5% of the class's test samples with it.
    """
    rules: dict[str, Criterion] = {name: CRITERIA[name]() for name in lines.criterion.unique()}
    named = [_named(line, rules[line.criterion]) for line in rows_of(lines)]
    truth = [frozenset(map(int, text.split(","))) for text in lines.forgotten]
    exact = [float(found == wanted) for found, wanted in zip(named, truth, strict=True)]
    first = [_first(line, wanted) for line, wanted in zip(rows_of(lines), truth, strict=True)]
    told = lines.assign(exact=exact, first=first, silent=[float(not found) for found in named])
    original, target = told[told.unlearning == ""], told[told.unlearning != ""]
    # an output may be missing or be a dummy: the classes are as many as M_o has outputs without a defence
    classes = original.names.map(len).groupby(original.dataset).min()
    key = ["dataset", "profile", "seed", "trial", "defence", "attack"]
    found = target.drop(columns="silent").merge(original[[*key, "silent"]], on=key, validate="many_to_one")
    found = found.assign(
        access=found.access.map(ACCESSES),
        unlearning=found.unlearning.replace(NONE, ALONE),
        common=found.attack.isin([*READINGS, *SLOW]),
        chance=[_chance(line, classes[line.dataset]) for line in rows_of(found)],
        forgot=(found.forget_acc_after <= FORGET_LIMIT) & (found.forget_acc_before > FORGET_LIMIT),
        both=found.exact * found.silent,
    )
    columns = ["seed", "trial", "attack", "access", "common", "adaptive", "chance", "forgot"]
    return in_order(found[[*UNIT, *columns, "exact", "first", "silent", "both"]])


def _named(line: Any, rule: Criterion) -> frozenset[int]:
    return frozenset(int(line.names[output]) for output in rule.decide(evidence_of(line)))


def _first(line: Any, truth: frozenset[int]) -> float:
    """Return how often the classes of `truth` are the first by score, where ties are broken at random."""
    score, k = evidence_of(line).score, len(truth)
    inside = np.isin(np.asarray(line.names), list(truth))
    last = np.sort(score)[-k]
    above, level = score > last, score == last
    if inside.sum() < k or (above & ~inside).any() or (inside & ~above & ~level).any():
        return 0.0
    # what is above is in: the rest of the set is drawn from what is level
    return 1 / comb(int(level.sum()), k - int(above.sum()))


def _chance(line: Any, classes: int) -> float:
    """Return how often a guess names the set, among all classes, or among all that is like a dummy."""
    k = len(line.forgotten.split(","))
    dummies = json.loads(line.parameters or "{}").get("dummies")
    return max(1 / comb(classes, k), 1 / comb(dummies + k, k) if dummies else 0.0)


def leaks(table: pd.DataFrame) -> pd.DataFrame:
    """Return how often each attack is exact and silent, of the targets of `judged` that forgot.

    `UNIT`, ``attack access common adaptive n exact first silent both low high chance verdict``: shares in 0 .. 1 of
    `n` trials, one target each, with Clopper and Pearson's interval of `both`, and what it says (see `verdict`); and
    ``ranks`` (see `with_ranks`).
    """
    rows = []
    kept = ["attack", "access", "common", "adaptive"]
    for key, group in table[table.forgot].groupby([*UNIT, *kept], sort=False):
        n, hits = len(group), float(group.both.sum())
        low, high = clopper_pearson(hits, n)
        chance = float(group.chance.iloc[0])
        shares = (*(float(group[name].mean()) for name in ("exact", "first", "silent")), hits / n)
        rows.append((*key, n, *shares, low, high, chance, verdict(hits / n, low, chance)))
    columns = ["n", "exact", "first", "silent", "both", "low", "high", "chance", "verdict"]
    return with_ranks(pd.DataFrame(rows, columns=[*UNIT, *kept, *columns]))


def with_ranks(table: pd.DataFrame) -> pd.DataFrame:
    """Add ``ranks``: that an attack ranks the forgotten classes first more often than a guess does, whatever its rule.

    Asked of all attacks on a published model at once: the lower bound is at a level divided by their number (those of
    `CEILING` left out).
    """
    below = ~table.access.isin(CEILING)
    asked = below.groupby([table[name] for name in UNIT]).transform("sum").clip(lower=1)
    low = [
        clopper_pearson(row.first * row.n, row.n, 1 - (1 - LEVEL) / m)[0]
        for row, m in zip(rows_of(table), asked, strict=True)
    ]
    return table.assign(ranks=np.array(low, float) > table.chance)


def verdict(both: float, low: float, chance: float) -> str:
    """Say what a share with the lower bound `low` shows, beside that of a guess.

    >>> verdict(0.0, 0.0, 0.1), verdict(0.4, 0.05, 0.1), verdict(0.6, 0.15, 0.1)
    ('a guess', 'open', 'leaks')
    """
    if both <= chance:
        return "a guess"
    return "leaks" if low > chance else "open"


def strongest(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return of every group of `by` the line of `leaks` with the largest share, and among how many it is, `attacks`.

    It is the largest of several, and so lies above what that attack would get in other trials. Of equal shares the
    attack that every defence meets speaks, then the first.
    """
    ranked = table.sort_values(["both", "common"], ascending=False, kind="stable")
    first = ranked.drop_duplicates(by).sort_index()
    counts = table.groupby(by, sort=False).size().rename("attacks").reset_index()
    return first.merge(counts, on=by, how="left", validate="one_to_one")


def worst(table: pd.DataFrame) -> pd.DataFrame:
    """Return the strongest attack on each published model, whatever access it needs, but for `CEILING`.

    The columns of `strongest`, with ``plain``, ``plain_attack`` and ``plain_verdict`` of the strongest among the
    attacks that every defence meets, which know nothing of it, and ``ranked``, the mean of ``first`` over all attacks.
    """
    below = table[~table.access.isin(CEILING)]
    found, plain = strongest(below, UNIT), strongest(below[below.common], UNIT)
    ranked = below.groupby(UNIT, sort=False)["first"].mean().rename("ranked").reset_index()
    found = found.merge(ranked, on=UNIT, validate="one_to_one")
    names = {"both": "plain", "attack": "plain_attack", "verdict": "plain_verdict"}
    return found.merge(plain[[*UNIT, *names]].rename(columns=names), on=UNIT, how="left", validate="one_to_one")


def by_access(table: pd.DataFrame) -> pd.DataFrame:
    """Return the strongest attack at each access, its share as the mean over data sets, which weigh alike.

    ``defence unlearning access both n special ranks``; `n` counts targets, `special` says that in one data set an
    attack that knows the defence gets more than any that every defence meets, `ranks` that one of all these ranks the
    class first more often than a guess, whatever its rule.
    """
    first = strongest(table, [*UNIT, "access"])
    mean = first.assign(special=~first.common).groupby(["defence", "unlearning", "access"], sort=False)
    found = mean.agg(both=("both", "mean"), n=("n", "sum"), special=("special", "any"))
    ranks = table.groupby(["defence", "unlearning", "access"]).ranks.any()
    return in_order(found.join(ranks).reset_index())


def prices(lines: pd.DataFrame) -> pd.DataFrame:
    """Return what each defence costs, against the model that it was handed, on test samples of retained classes.

    `UNIT`, ``n forgot points low high brier seconds epsilon``: points of accuracy lost (with Student's interval over
    trials) and what is added to the Brier score, means over `n` trials, in `forgot` of which the published model
    answers at most 5% of the class's samples with it; processor seconds (median) and epsilon of a private training.
    """
    rows = []
    models = lines[lines.unlearning != ""].drop_duplicates("line")
    models = models.assign(unlearning=models.unlearning.replace(NONE, ALONE))
    for key, group in models.groupby(UNIT, sort=False):
        lost = mean_interval(100 * (group.retain_acc_plain - group.retain_acc_after))
        forgot = int((group.forget_acc_after <= FORGET_LIMIT).sum())
        brier = float((group.brier_after - group.brier_plain).mean())
        spent = (float(group.seconds.median()), float(group.epsilon.max()))
        rows.append((*key, len(group), forgot, lost.mean, lost.low, lost.high, brier, *spent))
    columns = ["n", "forgot", "points", "low", "high", "brier", "seconds", "epsilon"]
    return in_order(pd.DataFrame(rows, columns=[*UNIT, *columns]))


def cost_and_leak(found: pd.DataFrame, cost: pd.DataFrame) -> pd.DataFrame:
    """Return what each defence costs and what the strongest attack gets: ``defence unlearning points both chance n``.

    Means over the data sets of `worst` and `prices`, which weigh alike; `n` counts the targets of all.
    """
    both = found[[*UNIT, "both", "chance", "n"]].merge(cost[[*UNIT, "points"]], on=UNIT, validate="one_to_one")
    groups = both.groupby(["defence", "unlearning"], sort=False)
    return in_order(groups[["points", "both", "chance"]].mean().assign(n=groups.n.sum()).reset_index())
