"""Where the variation of an attack's result comes from: class, seed of training, of unlearning, of the attack.

The design crosses all four (`trials.crossed`); its components of variance are the estimates of the analysis of variance
of a balanced layout in which every effect is random (Searle, Casella and McCulloch, 1992, chapter 4).
"""

from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from labelleak_lib.attacks.reach import relative_reach
from labelleak_lib.criteria.reach import Reach
from labelleak_lib.criteria.scores import LargestGap
from labelleak_lib.evidence import Evidence, Floats
from labelleak_lib.names import DATASET_ORDER, attack_title, in_order, ordered
from labelleak_lib.results.markdown import rows_of
from labelleak_lib.trials.crossed import ATTACKS, CROSSED, FRESH
from labelleak_lib.trials.gate import is_unlearned
from labelleak_lib.trials.judging import records_of
from labelleak_lib.trials.schema import FACTS, evidence_from
from labelleak_lib.trials.store import Store, Stored

FACTORS = ("forgotten", "train_seed", "unlearn_seed", "attack_seed")
"""The axes of the design, in the order in which they enter."""
SOURCES = ("class", "training seed", "unlearning seed", "attack seed", "residual")
VALUES = ("gap", "exact")
MOMENTS = ("mean", "deviation")
BELOW = "< 0"
"""Stands for an estimate below 0."""
COLUMNS = ["dataset", "unlearning", "attack", "unlearned", *FACTORS, *VALUES]


def mean_squares(values: ArrayLike) -> dict[tuple[int, ...], float]:
    """Return the mean square of every effect of a full layout, by the axes that it joins.

    `values` are float (n_0, n_1, ...), one value a cell; axes of length one take no part.
    """
    x = np.asarray(values, dtype=np.float64)
    axes = [axis for axis, n in enumerate(x.shape) if n > 1]
    joined = list(chain.from_iterable(combinations(axes, size) for size in range(len(axes) + 1)))
    means = {own: x.mean(axis=tuple(set(range(x.ndim)) - set(own)), keepdims=True) for own in joined}
    found = {}
    for own in joined[1:]:
        effect = sum(
            (-1) ** (len(own) - len(part)) * means[part] for part in joined if set(part) <= set(own)
        )  # fmt: skip
        freedom = np.prod([x.shape[axis] - 1 for axis in own])
        found[own] = float(np.sum(np.broadcast_to(effect, x.shape) ** 2) / freedom)
    return found


def components(values: ArrayLike) -> dict[tuple[int, ...], float]:
    """Return the estimated variance of every effect, by the axes that it joins; an estimate can be negative.

    >>> components([[1.0, 3.0], [5.0, 7.0]])
    {(0,): 8.0, (1,): 2.0, (0, 1): 0.0}
    """
    shape, squares = np.shape(values), mean_squares(values)
    return {
        own: sum((-1) ** (len(more) - len(own)) * square for more, square in squares.items() if set(own) <= set(more))
        / float(np.prod([n for axis, n in enumerate(shape) if axis not in own]))
        for own in squares
    }  # fmt: skip


def by_source(values: ArrayLike) -> dict[str, float]:
    """Return what each of `SOURCES` adds to the variance of values (classes, trainings, unlearnings, attacks).

    An effect counts with the last step that it joins: what training once more adds is what varies with its seed, alike
    in all classes or not. Of the last step, ``attack seed`` is what it does to all models alike, and ``residual`` what
    it does to each. They sum to the variance of one value; NaN where a step was not repeated.
    """
    shape = np.shape(values)
    found = dict.fromkeys(SOURCES, float("nan"))
    found |= {SOURCES[axis]: 0.0 for axis, n in enumerate(shape) if n > 1} | {"residual": 0.0}
    for own, value in components(values).items():
        found["residual" if own[-1] == 3 and own != (3,) else SOURCES[own[-1]]] += value
    return found


def gap(evidence: Evidence, forgotten: int) -> float:
    """Return by how much the forgotten class stands out: above 0 where it lies beyond every retained one.

    In units of relative reach where the evidence tells reach, else in standard deviations of the retained scores.
    """
    retained = np.arange(evidence.classes) != forgotten
    if evidence.reach is not None:
        relative = relative_reach(evidence.reach)
        return float(relative[retained].min() - relative[forgotten])
    score: Floats = evidence.score
    return float((score[forgotten] - score[retained].max()) / score[retained].std())


def measured(stored: Stored) -> pd.DataFrame:
    """Return one line a model and seed of an attack: ``dataset unlearning attack unlearned``, `FACTORS` and `VALUES`.

    ``exact``, 0 or 1: the rule of reach, or else of the largest gap, names the forgotten class and no other.
    """
    models = {cell["model"]: cell for cell in records_of(stored.models)}
    groups: dict[str, list[dict[str, object]]] = {}
    for row in records_of(stored.evidence[[*FACTS, "kind", "shape", "values"]]):
        groups.setdefault(row["evidence"], []).append(row)
    lines = []
    for rows in groups.values():
        cell, found = models[str(rows[0]["model"])], evidence_from(rows)
        forgotten = int(cell["forgotten"])
        rule = Reach() if found.reach is not None else LargestGap()
        lines.append({
            **{name: cell[name] for name in ("dataset", "unlearning", "train_seed", "unlearn_seed")},
            "forgotten": forgotten, "attack": rows[0]["attack"], "attack_seed": rows[0]["attack_seed"],
            "unlearned": is_unlearned(cell), "gap": gap(found, forgotten),
            "exact": float(rule.decide(found) == {forgotten}),
        })  # fmt: skip
    return pd.DataFrame(lines, columns=COLUMNS)


def layout(lines: pd.DataFrame, value: str) -> Floats | None:
    """Return `value` of the lines of one attack as the full layout of `FACTORS`; None where a cell is missing."""
    levels = [sorted(lines[factor].unique()) for factor in FACTORS]
    cells = lines.set_index(list(FACTORS))[value].reindex(pd.MultiIndex.from_product(levels))
    return None if cells.isna().any() else cells.to_numpy(float).reshape([len(level) for level in levels])


def variance_table(lines: pd.DataFrame, value: str = "gap") -> pd.DataFrame:
    """Return the components of variance of `value`, of each data set, method and attack whose layout is full.

    ``dataset unlearning attack models passed mean deviation`` and `SOURCES`: the number of models, how many pass the
    gate (all are counted), mean of one value, the root of the summed components, and these, estimates below 0 as they
    are. That root estimates the standard deviation over new classes and seeds; it is no deviation of the values at
    hand, and can exceed the half that is the most for values of 0 and 1.
    """
    rows = []
    for (dataset, code, attack), group in lines.groupby(["dataset", "unlearning", "attack"], sort=False):
        full = layout(group, value)
        if full is None or full.shape[0] < 2:
            continue
        found, models = by_source(full), group.drop_duplicates(list(FACTORS[:3]))
        total = sum(part for part in found.values() if np.isfinite(part))
        rows.append({
            "dataset": dataset, "unlearning": code, "attack": attack, "models": len(models),
            "passed": int(models.unlearned.sum()), "mean": full.mean(), "deviation": max(total, 0.0) ** 0.5, **found,
        })  # fmt: skip
    columns = ["dataset", "unlearning", "attack", "models", "passed", "mean", "deviation", *SOURCES]
    frame = pd.DataFrame(rows, columns=columns)
    frame = frame.sort_values("attack", key=lambda names: names.map(ATTACKS.index), kind="stable")
    return in_order(frame) if len(frame) else frame


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """Return `variance_table` with its sources in percent of their sum, estimates below 0 counted as 0."""
    parts = table[list(SOURCES)].clip(lower=0)
    total = parts.sum(axis=1)
    return table.assign(**(100 * parts).div(total.where(total > 0), axis=0))


def crossed(root: Path = CROSSED) -> pd.DataFrame:
    """Return `measured` of every data set whose design is stored, in the book's order; no rows where none is."""
    store = Store(root)
    parts = [measured(store.read(name)) for name in ordered(store.datasets(), DATASET_ORDER)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def shown(table: pd.DataFrame, *, percent: bool = False) -> pd.DataFrame:
    """Return a `variance_table` as a page shows it, sources as shares in percent; mean and root too, if asked.

    A source whose estimate is below 0 stands as `BELOW`, since it counts as 0.
    """
    split, unit = shares(table), 100 if percent else 1
    mean, deviation = ((unit * split[name]).map(("{:.0f}" if percent else "{:.2f}").format) for name in MOMENTS)
    frame = pd.DataFrame({
        "data set": split.dataset, "method": split.unlearning, "attack": split.attack.map(attack_title),
        "pass the gate": [f"{line.passed}/{line.models}" for line in rows_of(split)],
        "mean": mean, "root of the summed components": deviation,
    })  # fmt: skip
    rounding = 1e-9 * table[list(SOURCES)].abs().max(axis=1)
    return frame.assign(**{
        name: [
            "" if np.isnan(share) else BELOW if below else f"{share:.0f}"
            for share, below in zip(split[name], table[name] < -rounding, strict=True)
        ]
        for name in SOURCES
    })  # fmt: skip


def forgotten_classes(lines: pd.DataFrame) -> str:
    """Say of `measured` lines how many classes were forgotten on each data set.

    >>> forgotten_classes(pd.DataFrame({"dataset": ["digits", "digits", "mnist"], "forgotten": [2, 6, 2]}))
    'digits 2, mnist 1'
    """
    return ", ".join(f"{name} {n}" for name, n in lines.groupby("dataset", sort=False).forgotten.nunique().items())


def sentences(table: pd.DataFrame) -> list[str]:
    """Say of each data set how large each source is, mean over attacks and methods; of a `variance_table`.

    Methods that read nothing of M_o stand apart, since they lack a source.
    """
    known, lines = shares(table).dropna(subset=["class"]), []
    for dataset, group in known.groupby("dataset", sort=False):
        fresh = group.unlearning.isin(FRESH)
        for part in (group[~fresh], group[fresh]):
            if len(part):
                mean = part[list(SOURCES)].mean().dropna().sort_values(ascending=False, kind="stable")
                told = ", ".join(f"{name} {share:.0f}%" for name, share in mean.items())
                codes = ", ".join(dict.fromkeys(part.unlearning))
                lines.append(f"**{dataset}, {codes}**, mean over {len(part)} rows: {told}.")
    return lines
