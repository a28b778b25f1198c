"""Every unlearning method: whether it forgets, what it costs, and what leaks at which access."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from labelleak_lib.criteria.reach import Reach
from labelleak_lib.files import COMMITTED
from labelleak_lib.names import PAPER_METHODS
from labelleak_lib.registry import METHODS
from labelleak_lib.results.exact_silent import CELLS, JOINT_ROW, LABEL_ROW, cells
from labelleak_lib.results.intervals import of_clusters
from labelleak_lib.results.markdown import rows_of
from labelleak_lib.results.query_curves import looks
from labelleak_lib.results.summary import attackers, passing
from labelleak_lib.trials import lines
from labelleak_lib.trials.committed import BY_METHOD, committed, committed_records
from labelleak_lib.trials.gate import is_unlearned
from labelleak_lib.trials.judging import pairs
from labelleak_lib.trials.store import Stored

ACCESSES: dict[str, tuple[str, str]] = {
    "last layer, no query": ("head_row_sum", "largest_gap"),
    "labels of random inputs": LABEL_ROW,
    "probabilities of random inputs": ("passive_reach", "reach"),
    "probabilities, 240 queries a class": ("query_reach", "reach"),
    "both of these, 2,400 queries": JOINT_ROW,
    "gradients": ("gradient_reach", "reach"),
    "last layer and samples": ("dot_product", "largest_gap"),
}
"""What the attacker may do, and the row that does best by it or is the cheapest."""
EARLY = "probabilities, 10 queries a class"
BOTH_MODELS = "both models"
HEADLINE = "both of these, 2,400 queries"
RETRAINED = "RT"
LEFT = ["dataset", "seed", "trial", "unlearning", "probe_after", "probe_untrained", "steps_half"]
COSTS = ["dataset", "trial", "forgotten", "unlearning", "seconds"]


class Measured(NamedTuple):
    """Records, `early` cells, lines of `forgetting.measure` and of `every_method.cost`."""

    records: pd.DataFrame
    early: pd.DataFrame
    left: pd.DataFrame
    costs: pd.DataFrame


def measured(root: Path = BY_METHOD) -> Measured:
    """Return what is stored of the methods beside the paper's, and of the paper's on the same data sets and trials."""
    own, book = committed(root), committed()
    records = committed_records(root)
    of_trial = ["dataset", "seed", "trial", "forgotten"]
    wanted = records[of_trial].drop_duplicates()
    papers = committed_records()
    read = papers.unlearning.isin(PAPER_METHODS) & papers.attack.isin([attack for attack, _ in ACCESSES.values()])
    papers = papers[read].merge(wanted, on=of_trial)
    parts = [*own.values(), *(_alike(book[name], own[name]) for name in own if name in book)]
    left = pd.concat([lines.read(folder / "forgetting", LEFT) for folder in (root, COMMITTED)], ignore_index=True)
    costs = lines.read(root / "costs", COSTS)
    return Measured(
        pd.concat([records, papers], ignore_index=True),
        pd.DataFrame([line for part in parts for line in early_lines(part)], columns=CELLS),
        _of_all_methods(left, records.unlearning.nunique() + len(PAPER_METHODS)),
        costs[costs.dataset.isin(list(own))],
    )


def _of_all_methods(left: pd.DataFrame, methods: int) -> pd.DataFrame:
    """Return the lines of the trials in which as many methods as there are were measured, so that means compare."""
    of_trial = ["dataset", "seed", "trial"]
    first = left.drop_duplicates([*of_trial, "unlearning"])
    return first[first.groupby(of_trial).unlearning.transform("nunique") >= methods]


def _alike(book: Stored, own: Stored) -> Stored:
    """Return what `book` has of the paper's methods on the trials and classes of `own`."""
    of_trial = ["seed", "trial", "forgotten"]
    wanted = set(own.models[of_trial].itertuples(index=False, name=None))
    same = [key in wanted for key in book.models[of_trial].itertuples(index=False, name=None)]
    chosen = book.models[np.array(same) & book.models.unlearning.isin(PAPER_METHODS)]
    models = book.models[book.models.model.isin({*chosen.model, *chosen.original})]
    return Stored(models, book.evidence[book.evidence.model.isin(models.model)])


def early_lines(stored: Stored) -> Iterator[tuple[Any, ...]]:
    """Yield `CELLS` of what passive reach says after ten random inputs a class, of targets that pass the gate."""
    rule = Reach()
    evidence = stored.evidence[stored.evidence.attack == "passive_reach"]
    for cell, found in pairs(stored.models, evidence):
        for (_, target), (_, placebo) in found if is_unlearned(cell) else ():
            asked, before = 10 * target.classes, looks(placebo)
            seen = looks(target).get(asked)
            if seen is None:
                continue
            truth = frozenset(int(label) for label in cell["forgotten"].split(","))
            exact, silent = rule.decide(seen) == truth, not rule.decide(before[asked])
            facts = (cell["model"], *(cell[name] for name in ("dataset", "seed", "trial", "unlearning")), len(truth))
            yield (*facts, cell["original"], float(exact), float(silent), float(exact and silent))


def both_models(records: pd.DataFrame, row: tuple[str, str] = JOINT_ROW) -> pd.DataFrame:
    """Return `exact_silent.cells` of an attacker who kept M_o (Hu et al., 2024) and asks both models.

    It names the classes that a row calls forgotten on M_u and not on M_o: what M_o has out of reach already cannot
    have been forgotten since. On M_o itself it is silent by construction, so that ``both`` is ``exact``.
    """
    chosen = attackers(records, *row)
    placebo = chosen[chosen.control == "placebo"].set_index("config_hash").predicted
    target = passing(chosen[chosen.control == "none"])
    exact = [
        float(_classes(line.predicted) - _classes(placebo[line.config_hash]) == _classes(line.forgotten))
        for line in rows_of(target)
    ]
    return target[CELLS[:7]].assign(exact=exact, silent=1.0, both=exact)


def _classes(text: str) -> frozenset[str]:
    return frozenset(text.split(",")) if text else frozenset()


def leaks(records: pd.DataFrame, early: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return how often each access names the classes exactly and is silent on M_o, by method, of what passes the gate.

    One line a method and access: ``unlearning access n exact silent both low high least most``, shares in 0 .. 1 of `n`
    targets. As in `exact_silent.table` they are means over trials, data sets alike, and the interval is around the same
    mean, with a trial for one outcome (`intervals.of_clusters`); `least` and `most` are the lowest and the highest mean
    of a data set. `early` holds `CELLS` of ten queries a class.
    """
    rows = []
    by_access = {} if early is None else {EARLY: early}
    by_access |= {name: cells(records, *row) for name, row in ACCESSES.items()} | {BOTH_MODELS: both_models(records)}
    for access, judged in by_access.items():
        for code, group in judged.groupby("unlearning", sort=False):
            by_trial = group.groupby(["dataset", "seed", "trial"])[["exact", "silent", "both"]].mean()
            by_set = by_trial.groupby("dataset").mean()
            mean, apart = by_set.mean(), (by_set.both.min(), by_set.both.max())
            low, high = of_clusters([shares for _, shares in by_trial.both.groupby("dataset")])
            rows.append((code, access, len(group), mean.exact, mean.silent, mean.both, low, high, *apart))
    columns = ["unlearning", "access", "n", "exact", "silent", "both", "low", "high", "least", "most"]
    return _in_order(pd.DataFrame(rows, columns=columns))


def forgetting(records: pd.DataFrame, left: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """Return whether each method forgets, and what it costs.

    Parameters
    ----------
    records : DataFrame
        Of all methods' trials (`judging.COLUMNS`).
    left : DataFrame
        Lines of `trials.forgetting.measure`, k = 1.
    costs : DataFrame
        Lines of `trials.every_method.cost`.

    Returns
    -------
    DataFrame
        One line a method: ``unlearning trials passed forget lost probe untrained steps seconds ratio``.
        `trials` counts cells, of which `passed` pass the gate; accuracy on D_f (`forget`), on D_r `lost` since M_o, of
        the linear probe on D_f, and of one on an `untrained` network: means in 0 .. 1, data sets alike. `steps` is the
        median to half of M_o's accuracy on D_f, infinite where most gave up; `ratio` the median of processor seconds
        over those of retraining in the same trial.
    """
    targets = records[records.control == "none"].drop_duplicates("config_hash")
    of_target = ["dataset", "forgotten"]
    retrained = costs[costs.unlearning == RETRAINED].set_index(of_target).seconds.rename("retrained")
    beside = costs.join(retrained, on=of_target)
    ratio = beside.assign(ratio=beside.seconds / beside.retrained)
    rows = []
    for code, group in targets.groupby("unlearning", sort=False):
        own, paid = left[left.unlearning == code], ratio[ratio.unlearning == code]
        steps = np.sort(own.steps_half.fillna(np.inf).to_numpy(float))
        alike = group.assign(lost=group.retain_acc_before - group.retain_acc_after).groupby("dataset")
        mean = alike[["forget_acc_after", "lost"]].mean().mean()
        probes = own.groupby("dataset")[["probe_after", "probe_untrained"]].mean().mean()
        rows.append({
            "unlearning": code, "trials": len(group), "passed": int(group.unlearned.sum()),
            "forget": mean.forget_acc_after, "lost": mean.lost,
            "probe": probes.probe_after, "untrained": probes.probe_untrained,
            "steps": steps[(len(steps) - 1) // 2] if len(steps) else np.nan,
            "seconds": paid.seconds.median(), "ratio": paid.ratio.median(),
        })  # fmt: skip
    return _in_order(pd.DataFrame(rows))


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort by the methods' order in the registry, and keep the order of what belongs to one method."""
    place = {code: i for i, code in enumerate(METHODS)}
    order = frame.unlearning.map(lambda code: place.get(code, len(place)))
    return frame.iloc[order.argsort(kind="stable")].reset_index(drop=True)


def ranking(leaked: pd.DataFrame, forgot: pd.DataFrame, access: str = HEADLINE) -> pd.DataFrame:
    """Put leakage at one access beside what is left of the class, the least leakage first.

    ``unlearning passed trials probe untrained steps leak low high least most``. Methods that never pass the gate have
    nothing to leak, and are left out.
    """
    one = leaked[leaked.access == access].set_index("unlearning")[["both", "low", "high", "least", "most"]]
    joined = forgot[forgot.passed > 0].join(one, on="unlearning").rename(columns={"both": "leak"})
    columns = ["unlearning", "passed", "trials", "probe", "untrained", "steps", "leak", "low", "high"]
    columns += ["least", "most"]
    return joined.sort_values(["leak", "probe"], kind="stable")[columns].reset_index(drop=True)
