"""A card a method: whether it forgets, what it costs, and what leaks at which access."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from labelleak_lib.registry import METHODS
from labelleak_lib.results.exact_silent import JOINT_ROW, LABEL_ROW, cells
from labelleak_lib.results.intervals import of_clusters
from labelleak_lib.results.markdown import rows_of, with_interval
from labelleak_lib.results.summary import attackers, passing

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
BOTH_MODELS = "both models"
HEADLINE = "both of these, 2,400 queries"
LEVEL = 0.05
RETRAINED = "RT"


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
    kept = ["config_hash", "dataset", "seed", "trial", "unlearning", "k", "original"]
    return target[kept].assign(exact=exact, silent=1.0, both=exact)


def _classes(text: str) -> frozenset[str]:
    return frozenset(text.split(",")) if text else frozenset()


def leaks(records: pd.DataFrame) -> pd.DataFrame:
    """Return how often each access names the classes exactly and is silent on M_o, by method, of what passes the gate.

    One line a method and access: ``unlearning access n exact silent both low high``, shares in 0 .. 1; data sets weigh
    alike, and the interval is that of trials as one outcome each (`intervals.of_clusters`).
    """
    rows = []
    by_access = {name: cells(records, *row) for name, row in ACCESSES.items()} | {BOTH_MODELS: both_models(records)}
    for access, judged in by_access.items():
        for code, group in judged.groupby("unlearning", sort=False):
            mean = group.groupby("dataset")[["exact", "silent", "both"]].mean().mean()
            by_trial = group.groupby(["dataset", "seed", "trial"]).both.mean()
            low, high = of_clusters([shares for _, shares in by_trial.groupby("dataset")])
            rows.append((code, access, len(group), mean.exact, mean.silent, mean.both, low, high))
    columns = ["unlearning", "access", "n", "exact", "silent", "both", "low", "high"]
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
        One line a method: ``unlearning trials passed forget retain lost probe untrained steps seconds ratio``.
        `trials` counts cells, of which `passed` pass the gate; accuracies on D_f and D_r (`forget`, `retain`), on D_r
        `lost` since M_o, of the linear probe on D_f, and of one on an `untrained` network: means in 0 .. 1. `steps` is
        the median to half of M_o's accuracy on D_f, infinite where most gave up; `ratio` the median of processor
        seconds over those of retraining in the same trial.
    """
    targets = records[records.control == "none"].drop_duplicates("config_hash")
    retrained = costs[costs.unlearning == RETRAINED].set_index(["dataset", "forgotten"]).seconds
    ratio = costs.assign(ratio=costs.seconds / [retrained.get(k, np.nan) for k in _pairs(costs)])
    rows = []
    for code, group in targets.groupby("unlearning", sort=False):
        own, paid = left[left.unlearning == code], ratio[ratio.unlearning == code]
        steps = np.sort(own.steps_half.fillna(np.inf).to_numpy(float))
        rows.append({
            "unlearning": code, "trials": len(group), "passed": int(group.unlearned.sum()),
            "forget": group.forget_acc_after.mean(), "retain": group.retain_acc_after.mean(),
            "lost": (group.retain_acc_before - group.retain_acc_after).mean(),
            "probe": own.probe_after.mean(), "untrained": own.probe_untrained.mean(),
            "steps": steps[(len(steps) - 1) // 2] if len(steps) else np.nan,
            "seconds": paid.seconds.median(), "ratio": paid.ratio.median(),
        })  # fmt: skip
    return _in_order(pd.DataFrame(rows))


def _pairs(frame: pd.DataFrame) -> list[tuple[Any, Any]]:
    return list(zip(frame.dataset, frame.forgotten, strict=True))


def _in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort by the methods' order in the registry, and keep the order of what belongs to one method."""
    place = {code: i for i, code in enumerate(METHODS)}
    order = frame.unlearning.map(lambda code: place.get(code, len(place)))
    return frame.iloc[order.argsort(kind="stable")].reset_index(drop=True)


def ranking(leaked: pd.DataFrame, forgot: pd.DataFrame, access: str = HEADLINE) -> pd.DataFrame:
    """Put leakage at one access beside what is left of the class, the least leakage first.

    ``unlearning passed trials probe untrained steps leak low high``. Methods that never pass the gate have nothing to
    leak, and are left out.
    """
    one = leaked[leaked.access == access].set_index("unlearning")[["both", "low", "high"]]
    joined = forgot[forgot.passed > 0].join(one, on="unlearning").rename(columns={"both": "leak"})
    columns = ["unlearning", "passed", "trials", "probe", "untrained", "steps", "leak", "low", "high"]
    return joined.sort_values(["leak", "probe"], kind="stable")[columns].reset_index(drop=True)


def card(code: str, leaked: pd.DataFrame, forgot: pd.DataFrame) -> str:
    """Write a method's card in Markdown."""
    (line,) = rows_of(forgot[forgot.unlearning == code])
    steps = "more steps than were tried" if np.isinf(line.steps) else f"{line.steps:.0f} steps"
    facts = [
        f"**Does it forget?** {line.passed} of {line.trials} targets pass the gate. Accuracy on forgotten classes is "
        f"{100 * line.forget:.1f}%; {100 * line.lost:.1f} points are lost on retained ones."
    ]
    if not np.isnan(line.probe):
        facts.append(
            f"**What is left?** A linear probe of the features answers {100 * line.probe:.0f}% of the forgotten class "
            f"rightly ({100 * line.untrained:.0f}% on an untrained network); half of the original accuracy is back "
            f"after {steps}."
        )
    if not np.isnan(line.seconds):
        facts.append(
            f"**What does it cost?** {line.seconds:.1f} s of the processor, {line.ratio:.2g} times retraining."
        )
    own = leaked[leaked.unlearning == code]
    rates = [with_interval(100 * x.both, 100 * x.low, 100 * x.high) for x in rows_of(own)]
    table = pd.DataFrame({
        "access": own.access, "exact and silent %": rates, "exact %": (100 * own.exact).map("{:.0f}".format),
        "silent %": (100 * own.silent).map("{:.0f}".format), "targets": own.n,
    })  # fmt: skip
    what = table.to_markdown(index=False, disable_numparse=True) if len(own) else "No target passes: nothing to leak."
    return "\n\n".join([f"## {METHODS.title(code)} ({code})", *facts, "**What leaks?**", what])


def sentences(ranked: pd.DataFrame) -> list[str]:
    """Say which method leaks least, and whether those that leak less have forgotten less."""
    least = ranked[ranked.leak == ranked.leak.min()]
    names = ", ".join(f"{METHODS.title(code)} ({code})" for code in least.unlearning)
    said = [f"Least leaks from {names}: the classes are named exactly, and nobody on the original model, for "
            f"{100 * ranked.leak.min():.0f}% of the targets that pass the gate."]  # fmt: skip
    known = ranked.dropna(subset=["probe", "leak"])
    if len(known) > 4 and known.leak.nunique() > 1:
        rho, p = spearmanr(known.probe, known.leak)
        also = "" if p <= LEVEL else ", which chance explains as well"
        less = "leak less" if rho < 0 else "do not leak less"
        said.append(f"Methods after which a probe still finds more of the class {less}: Spearman's rank correlation "
                    f"over {len(known)} methods is {rho:.2f} (p = {p:.2g}){also}.")  # fmt: skip
    return said
