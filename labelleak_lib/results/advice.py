"""What a provider should do, in three sentences that follow from what was measured of defences.

`leaks`, `worst` and `prices` are the tables of `results.defended`; every sentence holds for whatever they say.
"""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from labelleak_lib.registry import DEFENCES, METHODS
from labelleak_lib.results.defences import CEILING, NONE, UNIT, attack_title, unit_title
from labelleak_lib.results.intervals import ENOUGH
from labelleak_lib.results.markdown import rows_of, signed

ASKED = ("labels", "answers")
READ = (*ASKED, "parameters")
LEVELS = (
    ((*READ, "list of classes", "original model"), "Publish", "whoever asks or reads the parameters"),
    (READ, "Publish, without names of the outputs,", "who knows neither the list of classes nor the original model"),
    (ASKED, "Keep the parameters, and answer", "who may ask and no more"),
    (ASKED[:1], "Keep the parameters and the probabilities, and answer", "who is told labels alone"),
)
"""Accesses that a defence may have to hold at, what to do where one does, and against whom it then stands."""
Unit = tuple[str, str]
"""A defence, and the method that it follows."""


def units(table: pd.DataFrame) -> list[Unit]:
    """Return the defences of a table with their methods, in its order, "no defence" left out."""
    return list(dict.fromkeys(
        (row.defence, row.unlearning) for row in rows_of(table) if row.defence != NONE
    ))  # fmt: skip


def of_unit(table: pd.DataFrame, unit: Unit) -> pd.DataFrame:
    """Return the lines of one defence behind one method."""
    return table[(table.defence == unit[0]) & (table.unlearning == unit[1])]


def holding(leaks: pd.DataFrame, accesses: Iterable[str]) -> list[Unit]:
    """Return the defences behind which, on every data set, no attack with such an access gets more than a guess does.

    By its rule, or by which class it ranks first. Those alone that met every data set of `leaks`, and each attack of
    the kind in at least `ENOUGH` trials, of all data sets together.
    """
    chosen = leaks[leaks.access.isin(list(accesses)) & ~leaks.access.isin(CEILING)]
    good = (chosen.verdict.eq("a guess") & ~chosen.ranks).groupby([chosen.defence, chosen.unlearning]).all()
    trials = chosen.groupby(["defence", "unlearning", "attack"]).n.sum().groupby(level=[0, 1]).min()
    met = chosen.groupby(["defence", "unlearning"]).dataset.nunique() == leaks.dataset.nunique()
    return [unit for unit in units(chosen) if good[unit] and met[unit] and trials[unit] >= ENOUGH]


def price(unit: Unit, prices: pd.DataFrame) -> str:
    """Say what a defence costs, as a mean over data sets: "0.2 points of accuracy and +0.013 Brier score"."""
    own = of_unit(prices, unit)
    private = f", epsilon {own.epsilon.max():.1f}" if own.epsilon.notna().any() else ""
    points = round(own.points.mean(), 1) + 0.0  # what is less than is printed has no sign of its own
    return f"{points:.1f} points of accuracy, {signed(own.brier.mean(), 3)} Brier score{private}"


def cheapest(found: list[Unit], prices: pd.DataFrame) -> Unit:
    """Return the one that loses the fewest points, then the lowest Brier score.

    A gain counts as no loss: it says how poor the model was that the defence was handed. Of equals speaks the first.
    """
    mean = prices.groupby(["defence", "unlearning"])[["points", "brier"]].mean()
    return min(found, key=lambda unit: (max(0, round(mean.points[unit], 1)), max(0, round(mean.brier[unit], 3))))


def _percent(row: Any) -> str:
    return f"{100 * row.both:.0f}% ({100 * row.low:.0f} to {100 * row.high:.0f})"


def _trials(leaks: pd.DataFrame) -> str:
    counts = leaks.groupby("dataset", sort=False).n.agg(["min", "max"])
    return ", ".join(
        f"{name} {low}" if low == high else f"{name} {low} to {high}"
        for name, low, high in zip(counts.index, counts["min"], counts["max"], strict=True)
    )


def what_holds(leaks: pd.DataFrame, worst: pd.DataFrame, prices: pd.DataFrame) -> str:
    """Say which defences leave no attack more than a guess at any access that they grant, and at what price."""
    tried = units(leaks)
    found = holding(leaks, leaks.access.unique())
    ran = f"trials that forgot, by data set: {_trials(leaks)}"
    if found:
        most = leaks[[unit in found for unit in zip(leaks.defence, leaks.unlearning, strict=True)]]
        high = most[~most.access.isin(CEILING)].high.max()
        listed = "; ".join(f"{unit_title(*unit)} ({price(unit, prices)})" for unit in found)
        return (
            f"**What holds.** Of {len(tried)} defences, each behind a method, {len(found)} leave no attack more than a "
            f"guess at any access that they grant, on every data set, by rule or by rank: {listed}. "
            f"With so few trials ({ran}), up to {100 * high:.0f}% is not ruled out."
        )
    mean = worst[worst.defence != NONE].groupby(["defence", "unlearning"]).both.mean()
    best: Unit = min(tried, key=lambda unit: mean[unit])
    rows = rows_of(of_unit(worst, best))
    left = ", ".join(
        f"{_percent(row)} on {row.dataset}" + (f" by {attack_title(row.attack)}" if row.both else "") for row in rows
    )
    return (
        f"**What holds.** None of {len(tried)} defences, each behind a method, leaves every attack with no more than a "
        f"guess at every access that it grants, on every data set, by rule and by rank. Least is exact "
        f"and silent behind {unit_title(*best)}: {left}, at {price(best, prices)} ({ran})."
    )


def what_is_recovered(leaks: pd.DataFrame, worst: pd.DataFrame) -> str:
    """Say behind which defences attacks that know them get more than those that know nothing of them.

    And where an attack, without any rule, ranks the class first more often than a guess does, on the data set, behind
    a defence that no rule gets past.
    """
    chosen = worst[worst.defence != NONE]
    gained = chosen[chosen.both > chosen.plain]
    broken = gained[(gained.verdict == "leaks") & (gained.plain_verdict != "leaks")]
    ranks = ranked(leaks, chosen)
    if gained.empty:
        return (
            f"**Who knows the defence.** Behind none of {len(units(chosen))} defences does an attack that knows it get "
            f"more than the strongest of those that know nothing of it.{ranks}"
        )
    shown = broken if len(broken) else gained
    listed = "; ".join(
        f"{unit_title(row.defence, row.unlearning)} on {row.dataset}, {100 * row.plain:.0f}% to {100 * row.both:.0f}% "
        f"by {attack_title(row.attack)}"
        for row in rows_of(shown)
    )
    kind = "brings the label back" if len(broken) else "finds more, though not beyond doubt,"
    return f"**Who knows the defence** {kind} where attacks that know nothing of it did not: {listed}.{ranks}"


def ranked(leaks: pd.DataFrame, worst: pd.DataFrame) -> str:
    """Name the attacks that rank the class first more often than a guess, behind what no rule gets past; or nothing."""
    below = leaks[leaks.ranks & ~leaks.access.isin(CEILING)]
    told = [
        f"{attack_title(row.attack)} {100 * row.first:.0f}% behind {unit_title(row.defence, row.unlearning)} on "
        f"{row.dataset} (a guess: {100 * row.chance:.0f}%)"
        for row in rows_of(below.merge(worst[worst.verdict != "leaks"][UNIT], on=UNIT))
    ]
    if not told:
        return ""
    return (
        " Where no rule gets past a defence, who knows that a class was forgotten may still take the one that ranks "
        f"first, and is right by {'; '.join(told)}."
    )


def _advice(found: list[Unit], what: str, whom: str, leaks: pd.DataFrame, prices: pd.DataFrame) -> str:
    best = cheapest(found, prices)
    if DEFENCES.attribute(best[0], "publishes", "model") == "answers":
        what = "Keep the parameters, and answer"
    own = of_unit(leaks, best)
    others = [unit_title(*unit) for unit in found if unit != best]
    too = f" The same holds behind {', '.join(others)}." if others else ""
    return (
        f"{what} behind {unit_title(*best)}: of {len(found)} that hold against {whom} it costs least, "
        f"{price(best, prices)}, on {', '.join(dict.fromkeys(own.dataset))}; up to {100 * own.high.max():.0f}% is not "
        f"ruled out.{too}"
    )


def what_to_do(leaks: pd.DataFrame, prices: pd.DataFrame) -> str:
    """Say what to do: the weakest restriction under which a defence holds, and the next one; or to count on none."""
    sure = leaks[leaks.access.isin(CEILING) & (leaks.defence != NONE)]
    seen = sure.groupby(["dataset", "defence", "unlearning"]).both.max()
    rest = (
        f" Against who holds inputs of the task nothing helps that forgets: such an attack is exact and silent for "
        f"{100 * seen.mean():.0f}% of what was published."
        if len(seen) and seen.mean() > 0.5
        else ""
    )
    advised: list[str] = []
    seen_before: set[Unit] = set()
    for accesses, what, whom in LEVELS:
        found = [unit for unit in holding(leaks, accesses) if unit not in seen_before]
        if found:
            advised.append(_advice(found, what, whom, leaks[leaks.access.isin(accesses)], prices))
            seen_before.update(found)
    if advised:
        less = f" Who cannot do that: {advised[1][0].lower()}{advised[1][1:]}" if len(advised) > 1 else ""
        return f"**What to do.** {advised[0]}{less}{rest}"
    return (
        f"**What to do.** Count on no defence: behind none of them is it shown, by at least {ENOUGH} trials, that "
        "attacks get no more than a guess does, not even from labels alone. Take which class was forgotten for public, "
        f"and promise no more than that its samples are gone.{rest}"
    )


def sentences(leaks: pd.DataFrame, worst: pd.DataFrame, prices: pd.DataFrame) -> list[str]:
    """Return the three sentences; one that says so where nothing is stored."""
    if leaks[leaks.defence != NONE].empty:
        return ["No defence is stored for these trials."]
    return [what_holds(leaks, worst, prices), what_is_recovered(leaks, worst), what_to_do(leaks, prices)]


def absent(lines: pd.DataFrame, known: tuple[str, ...]) -> str:
    """Name the registered defences of which fewer trials are stored than of others, one sentence a data set."""
    said = []
    for dataset, own in lines.groupby("dataset", sort=False):
        held = own.drop_duplicates(["defence", "seed", "trial"]).groupby("defence").size()
        most, behind = held.max(), ", ".join(code for code in METHODS if code in set(own.unlearning))
        fewer = [f"{DEFENCES.title(name)} ({held.get(name, 0)})" for name in known if held.get(name, 0) < most]
        said.append(f"{dataset} has {most} trials, behind {behind}; fewer of {', '.join(fewer) or 'none'}.")
    return " ".join(said) or "No defence is stored for these trials."
