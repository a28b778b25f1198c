"""The numbers printed in Tables III to VIII of arXiv 2604.07386, and what their decimals give away."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import pandas as pd

SCENARIOS = {1: "single", 3: "multi"}
"""The paper's name for each number of forgotten classes that it reports."""

_CELL = ["table", "scenario", "attack", "criterion"]


@cache
def _table(name: str) -> pd.DataFrame:
    with files("labelleak_lib").joinpath(f"published_data/{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def unlearning_accuracy() -> pd.DataFrame:
    """Return Tables III (one forgotten class) and IV (three): accuracy before and after unlearning.

    Returns
    -------
    DataFrame
        40 rows, one a table, data set and unlearning method (``RT FT RL AU NG``), with columns ``table
        scenario dataset unlearning forget_before forget_after retain_before retain_after``; the last four are
        in percent.
    """
    return _table("unlearning_accuracy").copy()


def attack_success_rate() -> pd.DataFrame:
    """Return Tables V to VIII: the success rate of every attack and criterion, averaged over four data sets.

    Returns
    -------
    DataFrame
        84 rows, one a table, attack, criterion and unlearning method, with columns ``table scenario attack
        criterion unlearning asr_percent``. Names are those of the records; the rows whose ``unlearning`` is
        ``mean`` hold the printed mean over the five methods.
    """
    return _table("attack_success_rate").copy()


@cache
def _asr_by_cell() -> dict[tuple[str, str, str, str], float]:
    keys = ["scenario", "attack", "criterion", "unlearning"]
    return {
        (str(scenario), str(attack), str(criterion), str(unlearning)): float(percent)
        for scenario, attack, criterion, unlearning, percent in _table("attack_success_rate")[
            [*keys, "asr_percent"]
        ].itertuples(index=False)
    }


def published_asr(attack: str, criterion: str, unlearning: str, k: int) -> float | None:
    """Return one printed attack success rate.

    Parameters
    ----------
    attack, criterion, unlearning : str
        Names as in the records; `unlearning` may also be ``mean``.
    k : int
        Number of forgotten classes; the paper prints 1 and 3.

    Returns
    -------
    float or None
        In percent, averaged over four data sets; None where the paper prints no such cell.
    """
    return _asr_by_cell().get((SCENARIOS.get(k, ""), attack, criterion, unlearning))


def reaches(measured: pd.Series, printed: pd.Series) -> pd.Series:
    """Tell which measured rates reach the printed ones, both in percent: what is printed may have been rounded up."""
    return measured >= printed - 0.005


def could_be_mean(percent: float, denominator: int, *, datasets: int = 4) -> bool:
    """Tell whether a printed percentage can be the mean of rates that are each a count out of `denominator`.

    Such a mean is a whole multiple of ``100 / (datasets * denominator)``. It may have been rounded or cut to
    two decimals (the tables show both), so it must lie less than 0.01 from a multiple: the GRIM test of Brown
    and Heathers (2017), "The GRIM test", Social Psychological and Personality Science 8(4).

    Parameters
    ----------
    percent : float
        In 0 .. 100, with at most two decimals.
    denominator : int
        Decisions counted for each data set, at least 1. Above ``5000 / datasets`` every number fits.
    datasets : int
        Data sets averaged, at least 1.

    Raises
    ------
    ValueError
        When an argument is out of range.
    """
    for name, value in (("denominator", denominator), ("datasets", datasets)):
        if value < 1:
            raise ValueError(f"{name} is {value!r}; it must be an integer of at least 1")
    if not 0 <= percent <= 100:
        raise ValueError(f"percent is {percent!r}; it must lie in 0 .. 100")
    # In whole hundredths of a percent, so that no rounding error of ours decides.
    printed, total = round(percent * 100), datasets * denominator
    nearest = round(printed * total / 10_000)
    return abs(printed * total - 10_000 * nearest) < total


def granularity(denominators: Sequence[int] = (400, 80, 200)) -> pd.DataFrame:
    """Test for every printed rate of Tables V to VIII which counts could have produced it.

    Parameters
    ----------
    denominators : sequence of int
        Decisions counted for each data set: 400 are 200 retained and 200 forgotten auxiliary heads, 80 a 20%
        test split of those, 200 are 10 classes in 20 trials.

    Returns
    -------
    DataFrame
        The 70 rows of :func:`attack_success_rate` other than the printed means, with a column
        ``fits_<denominator>`` of bool for each denominator (see :func:`could_be_mean`).
    """
    table = attack_success_rate()
    table = table[table["unlearning"] != "mean"].reset_index(drop=True)
    for denominator in denominators:
        fits = [could_be_mean(percent, denominator) for percent in table["asr_percent"]]
        table[f"fits_{denominator}"] = fits
    return table


def row_mean_mismatch() -> pd.DataFrame:
    """Compare each printed row mean of Tables V to VIII with the mean of the five entries of its row.

    Returns
    -------
    DataFrame
        14 rows, with columns ``table scenario attack criterion``, ``printed_mean`` and ``mean_of_entries`` in
        percent, and ``mismatch``: True where they differ by 0.02 or more, which printing two decimals cannot
        explain (it can shift the entries by less than 0.01, and the mean too).
    """
    table = attack_success_rate()
    is_mean = table["unlearning"] == "mean"
    rows = table[is_mean].drop(columns="unlearning").rename(columns={"asr_percent": "printed_mean"})
    entries = table[~is_mean].groupby(_CELL)["asr_percent"].mean().rename("mean_of_entries").reset_index()
    rows = rows.merge(entries, on=_CELL, validate="1:1")
    rows["mismatch"] = (rows["printed_mean"] - rows["mean_of_entries"]).abs() >= 0.02
    return rows
