"""Accuracy on forgotten and retained classes before and after unlearning (paper, Tables III and IV, Figure 5).

Accuracies need no attack: what the stored records lack is measured from the models alone.
"""

import dataclasses

import numpy as np
import pandas as pd

from labelleak_lib.names import DATASET_ORDER, in_order, ordered
from labelleak_lib.paper import published
from labelleak_lib.results.intervals import mean_interval
from labelleak_lib.results.markdown import Markdown, numbered, with_interval
from labelleak_lib.trials.cells import measure_accuracies
from labelleak_lib.trials.engine import collect_stored
from labelleak_lib.trials.gate import is_unlearned
from labelleak_lib.trials.grid import Grid
from labelleak_lib.trials.judging import records_of
from labelleak_lib.trials.originals import original_and_unlearned
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.threads import one_thread
from labelleak_lib.unlearning.negative_gradient import NegativeGradient

QUANTITIES = ("forget_acc_before", "forget_acc_after", "retain_acc_before", "retain_acc_after")
COLUMNS = ["dataset", "data_variant", "profile", "seed", "trial", "forgotten", "k", "unlearning"]
COLUMNS += [*QUANTITIES, "unlearned", "config_hash"]


def of_records(records: pd.DataFrame) -> pd.DataFrame:
    """Return one row a cell (trial and unlearning method) of `records`, with `COLUMNS`; accuracies in 0 .. 1."""
    return records[records.control == "none"].drop_duplicates("config_hash")[COLUMNS].reset_index(drop=True)


def measure(grid: Grid, *, records: str = "reuse", jobs: int | None = None) -> pd.DataFrame:
    """Return the accuracies of a grid's cells: from what is stored of them, else from the models, unattacked.

    As of :func:`of_records`. `records` and `jobs` are as for `trials.engine.collect`.
    """
    settings = dataclasses.replace(grid.specs()[0].settings, attacks={})
    models = collect_stored(dataclasses.replace(grid, given=settings), records=records, jobs=jobs).models
    cells = models[models.unlearning != ""].rename(columns={"model": "config_hash"})
    gate = [is_unlearned(cell) for cell in records_of(cells)]
    cells = cells.assign(profile=grid.profile, k=cells.forgotten.str.count(",") + 1, unlearned=gate)
    return cells[COLUMNS].reset_index(drop=True)


def accuracy_table(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Summarise accuracies beside the published ones: ``dataset k unlearning trials unlearned quantity mean low high``.

    Mean and 95% interval over trials are in percent, as is ``published`` (NaN where nothing is); ``unlearned`` is the
    share of trials that pass the gate, in 0 .. 1.
    """
    printed = published.accuracy_by_cell().set_index(["dataset", "k", "unlearning"])
    lines = []
    for cell, group in accuracies.groupby(["dataset", "k", "unlearning"], sort=False):
        shared = [*cell, len(group), group.unlearned.astype(float).mean()]
        for quantity in QUANTITIES:
            mean, low, high, _ = (100 * value for value in mean_interval(group[quantity]))
            theirs = printed.at[cell, quantity] if cell in printed.index else np.nan
            lines.append((*shared, quantity, mean, low, high, theirs))
    columns = ["dataset", "k", "unlearning", "trials", "unlearned", "quantity", "mean", "low", "high", "published"]
    table = in_order(pd.DataFrame(lines, columns=columns)).sort_values("k", kind="stable")
    return table.sort_values(
        "dataset", key=lambda names: names.map(ordered(names, DATASET_ORDER).index), kind="stable", ignore_index=True
    )


def averages(table: pd.DataFrame) -> pd.DataFrame:
    """Average an :func:`accuracy_table` over data sets, measured and published over the same ones (Figure 5).

    ``k unlearning quantity measured published n datasets``, in percent and of `n` trials, for the published k = 1 and
    3. A data set counts where all methods were measured that were measured anywhere. Where none counts, ``measured`` is
    NaN and ``published`` averages all four.
    """
    keys = ["dataset", "k", "unlearning", "quantity"]
    both = published.accuracy_by_cell().melt(keys[:3], list(QUANTITIES), "quantity", "published")
    both = both.merge(table[[*keys, "mean", "trials"]].rename(columns={"mean": "measured"}), on=keys, how="left")
    given, by_set = both.measured.notna(), [both.k, both.dataset]
    lacking = ~given & given.groupby([both.k, both.unlearning]).transform("any")
    there = given.groupby(by_set).transform("any") & ~lacking.groupby(by_set).transform("any")
    none = ~there.groupby(both.k).transform("any")
    used = both.assign(measured=both.measured.where(there))[there | none]
    names = used.groupby("k").dataset.agg(lambda names: ", ".join(ordered(names, DATASET_ORDER)))
    groups = used.groupby(["k", "unlearning", "quantity"], sort=False)
    counts = groups.trials.sum().astype(int)
    mean = groups[["measured", "published"]].mean().assign(n=counts).reset_index()
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

    Before unlearning, nothing distinguishes the methods but how the original model was trained. Eight rows, one a table
    and data set: ``table dataset AU others_low others_high`` in percent, and ``lowest``: is AU below every other?
    """
    rows = []
    for (table, dataset), group in published.unlearning_accuracy().groupby(["table", "dataset"], sort=False):
        before = group.set_index("unlearning").forget_before
        own, others = before["AU"], before.drop("AU")
        rows.append((table, dataset, own, others.min(), others.max(), own < others.min()))
    return pd.DataFrame(rows, columns=["table", "dataset", "AU", "others_low", "others_high", "lowest"])


def negative_gradient_bounds(spec: TrialSpec) -> pd.DataFrame:
    """Measure, as `measure_accuracies`, what the bounds of NG prevent: all of them, all but the penalty, none."""
    bounded = spec.method("NG")
    assert isinstance(bounded, NegativeGradient)
    unheld = dataclasses.replace(bounded, keep=0.0, margin=1.0, check_every=8)
    bare = dataclasses.replace(unheld, clip_norm=1e6, ceiling=1e6, target=0.0)
    ascents = {"bounded, as used": bounded, "without the penalty on $D_r$": unheld, "without any bound": bare}
    with one_thread():
        pairs = {name: original_and_unlearned(spec, "NG", method) for name, method in ascents.items()}
        return pd.DataFrame([{"ascent": name, **measure_accuracies(spec, *pair)} for name, pair in pairs.items()])
