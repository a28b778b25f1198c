"""The numbers printed in Tables III to VIII of arXiv 2604.07386, and what their decimals give away."""

from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

SCENARIOS = {1: "single", 3: "multi"}
"""The paper's name for each number of forgotten classes that it reports."""


@cache
def _table(name: str) -> pd.DataFrame:
    return pd.read_csv(Path(__file__).parent / "tables" / f"{name}.csv")


def unlearning_accuracy() -> pd.DataFrame:
    """Return Tables III (one forgotten class) and IV (three): accuracy before and after unlearning.

    40 rows, one a table, data set and unlearning method (``RT FT RL AU NG``), with columns ``table scenario dataset
    unlearning forget_before forget_after retain_before retain_after``; the last four are in percent.
    """
    return _table("unlearning_accuracy").copy()


def attack_success_rate() -> pd.DataFrame:
    """Return Tables V to VIII: the success rate of every attack and criterion, averaged over four data sets.

    84 rows, one a table, attack, criterion and unlearning method, with columns ``table scenario attack criterion
    unlearning asr_percent``. Names are those of the records; the rows whose ``unlearning`` is ``mean`` hold the
    printed mean over the five methods.
    """
    return _table("attack_success_rate").copy()


@cache
def datasets() -> frozenset[str]:
    """Return the names of the four data sets that the printed rates are averaged over.

    >>> sorted(datasets())
    ['cifar10', 'fashion_mnist', 'mnist', 'svhn']
    """
    return frozenset(_table("unlearning_accuracy").dataset)


@cache
def accuracy_by_cell() -> pd.DataFrame:
    """Return Tables III and IV under the records' names: the accuracies' columns, in percent, and ``k``."""
    names = {"forget_before": "forget_acc_before", "forget_after": "forget_acc_after"}
    names |= {"retain_before": "retain_acc_before", "retain_after": "retain_acc_after"}
    table = _table("unlearning_accuracy").rename(columns=names)
    return table.assign(k=table.scenario.map({scenario: k for k, scenario in SCENARIOS.items()}))


@cache
def _asr_by_cell() -> dict[Any, float]:
    keys = ["scenario", "attack", "criterion", "unlearning"]
    return _table("attack_success_rate").set_index(keys).asr_percent.to_dict()


def published_asr(attack: str, criterion: str, unlearning: str, k: int) -> float | None:
    """Return one printed attack success rate, in percent, averaged over four data sets.

    Names are those of the records; `unlearning` may also be ``mean``. None where the paper prints no such cell, as for
    a number `k` of forgotten classes other than 1 and 3.

    >>> published_asr("dot_product", "youden", "RT", k=1)
    90.75
    >>> published_asr("dot_product", "youden", "RT", k=2) is None
    True
    """
    return _asr_by_cell().get((SCENARIOS.get(k, ""), attack, criterion, unlearning))


NEAR = 2.0
"""Percentage points within which a rate counts as that which is printed."""


def reaches(measured: pd.Series, printed: pd.Series) -> pd.Series:
    """Tell which measured rates reach the printed ones, both in percent: what is printed may have been rounded up."""
    return measured >= printed - 0.005
