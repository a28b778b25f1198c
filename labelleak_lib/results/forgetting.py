"""What is left of a class where accuracy on it is zero, by unlearning method: the probe, and steps to relearn."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from labelleak_lib.names import in_order
from labelleak_lib.results.intervals import ENOUGH
from labelleak_lib.results.markdown import rows_of
from labelleak_lib.trials.forgetting import GOALS, stored
from labelleak_lib.trials.gate import is_unlearned
from labelleak_lib.trials.judging import records_of

TRIAL = ["dataset", "seed", "trial"]
REFERENCE = "RT"
"""The method that never sees the class: what is left after it was not learned from the class."""


def lines(frame: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return one line a model: columns of `trials.forgetting.measure` (all that is stored, if none are given).

    With ``unlearned``, whether it passes the gate, and ``reference_<name>``, what RT has in the same trial, for the
    probe and the steps. Steps that were not enough are infinite.
    """
    held = stored() if frame is None else frame
    if held.empty:
        return held
    steps = [f"steps_{goal}" for goal in GOALS]
    held = held.assign(**{name: held[name].fillna(np.inf) for name in steps})
    held = held.assign(unlearned=[is_unlearned(cell) for cell in records_of(held)])
    names = ["probe_after", *steps]
    retrained = held[held.unlearning == REFERENCE].set_index(TRIAL)[names].add_prefix("reference_")
    return in_order(held.join(retrained, on=TRIAL))


def table(frame: pd.DataFrame) -> pd.DataFrame:
    """Summarise `lines`, one line a data set and method.

    ``dataset unlearning trials passed own original probe untrained retained``, accuracies on D_f (``retained``: of the
    probe on D_r), means over trials, 0 .. 1; and ``half most limit``, medians of steps, infinite where most gave up.
    """
    rows = []
    for (dataset, code), group in frame.groupby(["dataset", "unlearning"], sort=False):
        mean = group[["forget_acc_after", "probe_before", "probe_after", "probe_untrained", "probe_retained"]].mean()
        median = [_median(group[f"steps_{goal}"]) for goal in GOALS]
        rows.append((dataset, code, len(group), int(group.unlearned.sum()), *mean, *median, int(group.limit.max())))
    columns = ["dataset", "unlearning", "trials", "passed", "own", "original", "probe", "untrained", "retained"]
    return pd.DataFrame(rows, columns=[*columns, *GOALS, "limit"])


def _median(values: pd.Series) -> float:
    """Return the lower median: a number of steps that was counted, or infinity."""
    return float(np.sort(values.to_numpy())[(len(values) - 1) // 2])


def beside_retrained(frame: pd.DataFrame) -> pd.DataFrame:
    """Compare the steps to half of M_o's accuracy with RT's, of models that pass the gate and whose RT does.

    ``dataset unlearning trials sooner later own reference``: in how many trials fewer and more steps were needed than
    after RT, and both medians.
    """
    passed = frame[frame.unlearned & (frame.unlearning != REFERENCE)].dropna(subset="reference_steps_half")
    rows = []
    for (dataset, code), group in passed.groupby(["dataset", "unlearning"], sort=False):
        own, other = group.steps_half, group.reference_steps_half
        counts = int((own < other).sum()), int((own > other).sum())
        rows.append((dataset, code, len(group), *counts, _median(own), _median(other)))
    return pd.DataFrame(rows, columns=["dataset", "unlearning", "trials", "sooner", "later", "own", "reference"])


def steps(value: float, limit: float) -> str:
    """Write a number of steps, or that so many were not enough.

    >>> steps(12.0, 300), steps(float("inf"), 300)
    ('12', 'over 300')
    """
    return f"{value:.0f}" if np.isfinite(value) else f"over {limit:.0f}"


def shown(summary: pd.DataFrame) -> pd.DataFrame:
    """Return `table` with the headings and units of the page."""
    percent = {name: (100 * summary[name]).map("{:.0f}".format) for name in ("own", "probe", "original", "untrained")}
    counted = {goal: list(map(steps, summary[goal], summary.limit)) for goal in GOALS}
    gate = [f"{line.passed}/{line.trials}" for line in rows_of(summary)]
    return pd.DataFrame({
        "data set": summary.dataset, "method": summary.unlearning, "pass the gate": gate,
        "$M_u$ itself, %": percent["own"], "probe on $M_u$, %": percent["probe"],
        "probe on $M_o$, %": percent["original"], "probe, untrained, %": percent["untrained"],
        **{f"steps to {100 * share:.0f}%": counted[goal] for goal, share in GOALS.items()},
    })  # fmt: skip


def sentences(frame: pd.DataFrame) -> list[str]:
    """Say of each method whether its models relearn sooner or later than retrained ones, and what the probe finds."""
    found = []
    for line in rows_of(beside_retrained(frame)):
        if line.trials < ENOUGH:
            verdict = "too few trials to tell"
        elif line.sooner == line.trials:
            verdict = "less is gone than after retraining"
        elif line.later == line.trials:
            verdict = "the class comes back more slowly than one that was never seen"
        else:
            verdict = "no clear difference from retraining"
        limit = frame[frame.dataset == line.dataset].limit.max()
        found.append(
            f"**{line.unlearning}, {line.dataset}.** Sooner than RT in {line.sooner} and later in {line.later} of "
            f"{line.trials} trials that pass the gate, with a median of {steps(line.own, limit)} steps beside RT's "
            f"{steps(line.reference, limit)}: {verdict}."
        )
    return found


def probe_sentence(summary: pd.DataFrame) -> str:
    """Say how far the probe tells methods apart: its range over methods, beside the features of untrained networks."""
    parts: Sequence[str] = [
        f"{dataset}: {100 * group.probe.min():.0f} to {100 * group.probe.max():.0f}% over methods "
        f"(RT {100 * group[group.unlearning == REFERENCE].probe.mean():.0f}%, "
        f"untrained {100 * group.untrained.mean():.0f}%)"
        for dataset, group in summary.groupby("dataset", sort=False)
    ]
    return f"Accuracy of the probe on $D_f$, {'; '.join(parts)}."
