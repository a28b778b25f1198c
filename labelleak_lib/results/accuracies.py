"""Accuracy on forgotten and retained classes before and after unlearning (paper, Tables III and IV, Figure 5).

Accuracies need no attack: what the stored records lack is measured from the models alone.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import joblib
import numpy as np
import pandas as pd

from labelleak_lib.checks import require_choice
from labelleak_lib.data import files
from labelleak_lib.files import COMMITTED
from labelleak_lib.names import DATASET_ORDER, METHOD_ORDER, ordered
from labelleak_lib.paper import published
from labelleak_lib.results.intervals import over_trials
from labelleak_lib.results.markdown import Markdown, numbered, with_interval
from labelleak_lib.trials.cells import measure_accuracies, method_of
from labelleak_lib.trials.engine import one_thread
from labelleak_lib.trials.gate import is_unlearned
from labelleak_lib.trials.grid import Grid
from labelleak_lib.trials.originals import original_and_unlearned
from labelleak_lib.trials.records import RecordStore
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.unlearning import RecordsTraining

QUANTITIES = ("forget_acc_before", "forget_acc_after", "retain_acc_before", "retain_acc_after")
PUBLISHED = dict(zip(QUANTITIES, ("forget_before", "forget_after", "retain_before", "retain_after"), strict=True))
COLUMNS = ["dataset", "data_variant", "profile", "seed", "trial", "forgotten", "k", "unlearning"]
COLUMNS += [*QUANTITIES, "unlearned", "config_hash"]


def of_records(records: pd.DataFrame) -> pd.DataFrame:
    """Return one row a cell (trial and unlearning method) of `records`, with `COLUMNS`; accuracies in 0 .. 1."""
    own = records[records.control == "none"]
    return own.drop_duplicates("config_hash")[COLUMNS].reset_index(drop=True)


def measure(grid: Grid, *, records: str = "reuse", jobs: int | None = None) -> pd.DataFrame:
    """Return the accuracies of a grid's cells: from the records that hold them, else from the models, unattacked.

    Parameters
    ----------
    records : {"reuse", "recompute"}
        Whether stored records may be read.
    jobs : int, optional
        Worker processes; by default one a core, and none beside this process for 8x8 images.

    Returns
    -------
    DataFrame
        As of :func:`of_records`.
    """
    require_choice("records", records, ("reuse", "recompute"))
    cells, name = grid.cells(), grid.specs()[0].data.name
    stores = [RecordStore(root) for root in (COMMITTED, files.cache_dir() / "records")] if records == "reuse" else []
    stored = [store.read(name) for store in stores]
    known = of_records(pd.concat(stored)) if stored else pd.DataFrame(columns=COLUMNS)
    known = known[known.config_hash.isin({digest for *_, digest in cells})]
    missing = [cell for cell in cells if cell[2] not in set(known.config_hash)]
    # the longest first: a method that records its training trains an original model of its own
    missing.sort(key=lambda cell: not isinstance(method_of(cell[0], cell[1]), RecordsTraining))
    if jobs is None:
        jobs = 1 if grid.specs()[0].model_spec.architecture == "small" else os.cpu_count() or 1
    measured = joblib.Parallel(n_jobs=jobs)(joblib.delayed(_measured)(*cell) for cell in missing)
    parts = [part for part in (known, pd.DataFrame(measured, columns=known.columns)) if len(part)]
    order = {digest: i for i, (*_, digest) in enumerate(cells)}
    return pd.concat(parts).sort_values("config_hash", key=lambda column: column.map(order), ignore_index=True)


def _measured(spec: TrialSpec, unlearning: str, digest: str) -> dict[str, Any]:
    with one_thread():
        found = measure_accuracies(spec, *original_and_unlearned(spec, unlearning))
    loaded, k = spec.data, len(spec.forgotten)
    cell = {
        "dataset": loaded.name, "data_variant": loaded.variant, "profile": spec.profile, "seed": spec.seed,
        "trial": spec.trial, "forgotten": ",".join(map(str, spec.forgotten)), "k": k, "unlearning": unlearning,
    }  # fmt: skip
    return {**cell, **found, "unlearned": is_unlearned(loaded.name, unlearning, k, found), "config_hash": digest}


def accuracy_table(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Summarise accuracies beside the published ones.

    Parameters
    ----------
    accuracies : DataFrame
        As of :func:`of_records`, of any data sets and numbers of forgotten classes.

    Returns
    -------
    DataFrame
        One line a data set, number of forgotten classes, unlearning method and quantity, with columns ``dataset k
        unlearning quantity trials mean low high published unlearned``: mean and 95% interval over trials, and the
        published value (NaN where there is none), in percent; the share of trials that pass the gate in 0 .. 1.
    """
    lines = []
    for (dataset, k, code), group in accuracies.groupby(["dataset", "k", "unlearning"], sort=False):
        printed = _printed(dataset, k, code)
        for quantity in QUANTITIES:
            mean, low, high, _ = (100 * value for value in over_trials(group[quantity], plain=True))
            found = {"mean": mean, "low": low, "high": high, "published": printed.get(quantity, np.nan)}
            gate = {"trials": len(group), "unlearned": group.unlearned.astype(float).mean()}
            lines.append({"dataset": dataset, "k": k, "unlearning": code, "quantity": quantity, **gate, **found})
    columns = ["dataset", "k", "unlearning", "quantity", "trials", "mean", "low", "high", "published", "unlearned"]
    table = pd.DataFrame(lines, columns=columns)
    places = [
        table[name].map({value: i for i, value in enumerate(ordered(table[name], known))})
        for name, known in (("dataset", DATASET_ORDER), ("unlearning", METHOD_ORDER))
    ]
    return table.iloc[np.lexsort([places[1], table.k, places[0]])].reset_index(drop=True)


def _printed(dataset: Any, k: Any, unlearning: Any) -> dict[str, float]:
    printed = published.unlearning_accuracy()
    same = (printed.dataset == dataset) & (printed.scenario == published.SCENARIOS.get(k))
    found = printed[same & (printed.unlearning == unlearning)]
    return {ours: float(found[theirs].iloc[0]) for ours, theirs in PUBLISHED.items()} if len(found) else {}


def averages(table: pd.DataFrame) -> pd.DataFrame:
    """Average accuracies over data sets, measured and published over the same ones (Figure 5).

    Parameters
    ----------
    table : DataFrame
        Of :func:`accuracy_table`.

    Returns
    -------
    DataFrame
        Columns ``k unlearning quantity measured published datasets``, in percent, for the published k = 1 and 3.
        A data set counts where all methods were measured that were measured anywhere. Where none counts, `measured`
        is NaN and `published` averages all four.
    """
    keys = ["dataset", "k", "unlearning", "quantity"]
    printed = published.unlearning_accuracy().rename(columns={theirs: ours for ours, theirs in PUBLISHED.items()})
    printed = printed.assign(k=printed.scenario.map({name: k for k, name in published.SCENARIOS.items()}))
    both = printed.melt(keys[:3], list(QUANTITIES), "quantity", "published")
    both = both.merge(table[[*keys, "mean"]].rename(columns={"mean": "measured"}), on=keys, how="left")
    given, by_set = both.measured.notna(), [both.k, both.dataset]
    lacking = ~given & given.groupby([both.k, both.unlearning]).transform("any")
    there = given.groupby(by_set).transform("any") & ~lacking.groupby(by_set).transform("any")
    none = ~there.groupby(both.k).transform("any")
    used = both.assign(measured=both.measured.where(there))[there | none]
    names = used.groupby("k").dataset.agg(lambda names: ", ".join(ordered(names, DATASET_ORDER)))
    mean = used.groupby(["k", "unlearning", "quantity"], sort=False)[["measured", "published"]].mean().reset_index()
    return mean.assign(datasets=mean.k.map(names))


def to_markdown(table: pd.DataFrame, *, caption: str | None = None, name: str | None = None) -> Markdown:
    """Write a table of `accuracy_table`, of one data set and number of classes, as Tables III and IV lay it out."""
    rows, printed = [], table["published"].notna().any()
    for code, group in table.groupby("unlearning", sort=False):
        row, first = [str(code)], group.iloc[0]
        for line in group.to_dict("records"):
            row.append(with_interval(line["mean"], line["low"], line["high"]))
            if printed:
                row.append("" if np.isnan(line["published"]) else f"{line['published']:.2f}")
        rows.append([*row, f"{round(first.unlearned * first.trials)}/{first.trials}"])
    sides = [f"${side}$ {when} %" for side in ("D_f", "D_r") for when in ("before", "after")]
    head = ["unlearning", *(text for side in sides for text in (side, "published")[: 1 + printed]), "unlearned"]
    text = pd.DataFrame(rows).to_markdown(index=False, headers=head, disable_numparse=True)
    return numbered(text, caption, name)


def own_batches_in_the_published_tables() -> pd.DataFrame:
    """Compare the published accuracy on D_f before unlearning of AU with that of the other methods.

    Before unlearning, nothing distinguishes the methods but how the original model was trained.

    Returns
    -------
    DataFrame
        Eight rows, one a table and data set, with columns ``table dataset AU others_low others_high lowest`` in
        percent; ``lowest`` says whether AU lies below every other method.
    """
    printed = published.unlearning_accuracy()
    rows = []
    for (name, dataset), group in printed.groupby(["table", "dataset"], sort=False):
        before = group.set_index("unlearning").forget_before
        others = before.drop("AU")
        found = {"AU": before["AU"], "others_low": others.min(), "others_high": others.max()}
        rows.append({"table": name, "dataset": dataset, **found, "lowest": before["AU"] < others.min()})
    return pd.DataFrame(rows)


def negative_gradient_bounds(spec: TrialSpec) -> pd.DataFrame:
    """Measure what the bounds of NG prevent: accuracies in 0 .. 1 with all of them, without the penalty, with none.

    Returns
    -------
    DataFrame
        Three rows, with a column ``ascent`` and those of :func:`cells.measure_accuracies`.
    """
    bounded = method_of(spec, "NG")
    unheld = dataclasses.replace(bounded, keep=0.0, margin=1.0, check_every=8)
    bare = dataclasses.replace(unheld, clip_norm=1e6, ceiling=1e6, target=0.0)
    ascents = {"bounded, as used": bounded, "without the penalty on $D_r$": unheld, "without any bound": bare}
    with one_thread():
        pairs = {name: original_and_unlearned(spec, "NG", method) for name, method in ascents.items()}
        return pd.DataFrame([{"ascent": name, **measure_accuracies(spec, *pair)} for name, pair in pairs.items()])


def share_of_batches_with_forgotten(q: float, batch_size: int) -> float:
    """Return the chance, in 0 .. 1, that a shuffled batch holds a sample of D_f, a share `q` of the data."""
    return float(1 - (1 - q) ** batch_size)
