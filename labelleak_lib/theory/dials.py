"""Each assumption of IV-B broken alone on synthetic features, from not at all to entirely."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from labelleak_lib.theory import assumptions, heads
from labelleak_lib.theory.synthetic import ExactFeatures, Sets


def inner_product_dial(designs: Mapping[float, ExactFeatures], seed: int) -> pd.DataFrame:
    """Turn the orthogonality (``overlap``) or whitening (``spread``) dial and measure both inner products.

    Columns: dial (the keys of `designs`), targets (``one-hot``, ``1 for every sample``), head (``retained``,
    ``forgotten``), inner (over ``|w_u|^2``); the retained one is averaged over the retained classes.
    """
    rows = []
    for value, design in designs.items():
        sets = Sets.draw(design, seed)
        for scalar, name in ((False, "one-hot"), (True, "1 for every sample")):
            target = sets.head("D_r", scalar)
            fitted = [sets.class_head(c, scalar) for c in range(sets.design.classes)]
            inner = heads.inner_products(target, np.array(fitted)) / np.square(target).sum()
            rows += [(value, name, "retained", inner[:-1].mean()), (value, name, "forgotten", inner[-1])]
    return pd.DataFrame(rows, columns=["dial", "targets", "head", "inner"])


def dead_feature_dial(counts: list[int], starts: int, seed: int) -> pd.DataFrame:
    """Turn the positive-definiteness dial: dead features, heads started as torch starts a linear layer.

    For each of `counts` dead features, both heads start at random `starts` times. Columns: dial, head (``retained``,
    ``forgotten``), inner (over ``|w_u|^2`` of a zero start), deviation (predicted standard deviation:
    sqrt(C * count) / (3 d), in the same unit).
    """
    rows, generator = [], np.random.default_rng(seed)
    base = ExactFeatures()
    unit = base.scale**2 / (base.classes - 1)
    for count in counts:
        sets = Sets.draw(ExactFeatures(dead=count), seed)
        deviation = np.sqrt(base.classes * count) / (3 * base.dim) / unit
        parts = [sets.part(name) for name in ("D_r", "D_r'", "D_f'")]
        for _ in range(starts):
            bound = 1 / np.sqrt(base.dim)
            initial = generator.uniform(-bound, bound, (3, base.classes, base.dim))
            fitted = [heads.squared_loss_head(*part, initial=w) for part, w in zip(parts, initial, strict=True)]
            inner = heads.inner_products(fitted[0], np.array(fitted[1:])) / unit
            rows += [(count, "retained", inner[0], deviation), (count, "forgotten", inner[1], deviation)]
    return pd.DataFrame(rows, columns=["dial", "head", "inner", "deviation"])


def over_starts(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the mean and the standard deviation ``sd`` over starts of `dead_feature_dial`, by dial and head."""
    by = frame.groupby(["dial", "head"], sort=False)
    return by.agg(mean=("inner", "mean"), sd=("inner", "std"), deviation=("deviation", "first")).reset_index()


def sampling_dial(sizes: list[int], repeats: int, seed: int) -> pd.DataFrame:
    """Turn the sampling dial: D_r' a growing sample of D_r, or of one of its classes; as `sampling_sources`."""
    return sampling_sources(*Sets.draw(ExactFeatures(), seed).part("D_r"), sizes, repeats, seed)


def sampling_sources(phi: np.ndarray, targets: np.ndarray, sizes: list[int], repeats: int, seed: int) -> pd.DataFrame:
    """Measure `sampling_errors` for a sample of D_r and for one of its first class; adds column source."""
    first = targets.argmax(axis=1) == targets.argmax(axis=1).min()
    tables = []
    for name, mask in (("a sample of all of $D_r$", None), ("a sample of one class", first)):
        errors = assumptions.sampling_errors(phi, targets, sizes, repeats, np.random.default_rng(seed), mask)
        tables.append(errors.assign(source=name))
    return pd.concat(tables, ignore_index=True)
