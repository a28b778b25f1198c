"""The numbers printed in Tables III to VIII of arXiv 2604.07386, and what their decimals give away."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import pandas as pd

SCENARIOS = {1: "single", 3: "multi"}
"""The paper's name for each number of forgotten classes that it reports."""


@cache
def _table(name: str) -> pd.DataFrame:
    with files("labelleak_lib.paper").joinpath(f"tables/{name}.csv").open(encoding="utf-8") as file:
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
