"""The order in which data sets and methods stand, and how attacks and criteria are called."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from labelleak_lib.registry import ATTACKS, CRITERIA, METHODS

DATASET_ORDER = ("digits", "mnist", "fashion_mnist", "svhn", "cifar10")
PROTOCOLS = ("paper", "attacker")
"""Which labels an attacker with samples holds: the published ones, which contain the answer, or what it can know."""
AS_RUN = "as run"
"""The book's reading of what the paper leaves open, among others."""
PAPER_METHODS = ("RT", "FT", "RL", "AU", "NG")
PAPER_ROWS = (
    ("dot_product", "youden"),
    ("dot_product", "kmeans"),
    ("difference", "decision_tree"),
    ("whitebox_inversion", "threshold"),
    ("whitebox_inversion", "entropy"),
    ("blackbox_inversion", "threshold"),
    ("blackbox_inversion", "entropy"),
)
"""Attack and criterion of every row that the paper's Tables V to VIII print."""


def ordered(values: Sequence[str] | pd.Series, known: Sequence[str]) -> list[str]:
    """Return the distinct `values`: those of `known` first, in its order, then the others, sorted.

    >>> ordered(["b", "z", "a", "b"], ["z", "y"])
    ['z', 'a', 'b']
    """
    distinct = set(pd.unique(pd.Series(values)))
    return [value for value in known if value in distinct] + sorted(distinct - set(known))


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `frame` by data set and unlearning method in the book's order, otherwise as they stand."""
    datasets, codes = ordered(frame.dataset, DATASET_ORDER), ordered(frame.unlearning, tuple(METHODS))
    order = np.lexsort(
        [frame.unlearning.map(codes.index).to_numpy(int), frame.dataset.map(datasets.index).to_numpy(int)]
    )
    return frame.iloc[order].reset_index(drop=True)


def attack_title(attack: str) -> str:
    """Return how a table or an axis names an attack."""
    return ATTACKS.title(attack)


def row_name(attack: str, criterion: str) -> str:
    """Return how a table or an axis names an attack x criterion row.

    >>> row_name("dot_product", "kmeans"), row_name("head_bias", "two_means"), row_name("query_reach", "reach")
    ('dot product, k-means', 'head bias', 'query reach')
    """
    name, title = ATTACKS.title(attack), CRITERIA.title(criterion)
    # "query reach", judged by the rule of reach, need not say so twice
    return name if not title or title in name else f"{name}, {title}"
