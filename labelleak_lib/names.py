"""The order in which data sets and methods stand, and how attacks and criteria are called."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

DATASET_ORDER = ("digits", "mnist", "fashion_mnist", "svhn", "cifar10")


def ordered(values: Sequence[str] | pd.Series, known: Sequence[str]) -> list[str]:
    """Return the distinct `values`: those of `known` first, in its order, then the others, sorted."""
    found = set(values)
    return [value for value in known if value in found] + sorted(found - set(known))


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `frame` by data set and unlearning method in the book's order, otherwise as they stand."""
    datasets, codes = ordered(frame.dataset, DATASET_ORDER), ordered(frame.unlearning, METHOD_ORDER)
    order = np.lexsort(
        [frame.unlearning.map(codes.index).to_numpy(int), frame.dataset.map(datasets.index).to_numpy(int)]
    )
    return frame.iloc[order].reset_index(drop=True)


METHOD_ORDER = ("RT", "FT", "RL", "AU", "NG")
ATTACK_NAMES = {
    "dot_product": "dot product",
    "difference": "difference",
    "whitebox_inversion": "white-box inversion",
    "blackbox_inversion": "black-box inversion",
    "trivial": "nothing forgotten",
    "random": "coin",
    "direct_probe": "direct probe",
    "head_bias": "head bias",
    "head_row_sum": "head row sum",
    "random_inputs": "random blobs",
    "random_noise": "uniform noise",
    "random_photos": "photo crops",
}
CRITERION_NAMES = {
    "youden": "Youden",
    "kmeans": "k-means",
    "decision_tree": "tree",
    "threshold": "threshold",
    "entropy": "entropy",
    "entropy_argmax": "entropy, argmax",
}


def row_name(attack: str, criterion: str) -> str:
    """Return how a table or an axis names an attack x criterion row."""
    attack_name, criterion_name = ATTACK_NAMES.get(attack, attack), CRITERION_NAMES.get(criterion, "")
    return f"{attack_name}, {criterion_name}" if criterion_name else attack_name
