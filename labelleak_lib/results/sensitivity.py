"""How far each printed rate is from ours, and which other reading of the paper comes nearer."""

from pathlib import Path

import pandas as pd

from labelleak_lib.criteria.inversion import Threshold
from labelleak_lib.files import COMMITTED
from labelleak_lib.names import AS_RUN, PAPER_ROWS, row_name
from labelleak_lib.paper.published import NEAR, published_asr
from labelleak_lib.results.markdown import rows_of
from labelleak_lib.trials.judging import judge
from labelleak_lib.trials.store import Store

ALPHAS = (0.5, 1.2, 1.5, 2.0)
"""Deviations below the mean of the threshold criterion, beside the 1 of our reading."""
PAPER_DATASETS = ("mnist", "fashion_mnist", "svhn", "cifar10")
CELL = ["attack", "criterion", "unlearning", "k"]


def rates(root: Path = COMMITTED / "sensitivity", datasets: tuple[str, ...] = PAPER_DATASETS) -> pd.DataFrame:
    """Return every cell's success rate under every reading that touches it, as published, in percent.

    ``reading attack criterion unlearning k dataset trials rate``.
    """
    frames = []
    for folder in sorted(path for path in root.glob("*") if path.is_dir()):
        store = Store(folder)
        for dataset in [name for name in store.datasets() if name in datasets]:
            stored, reading = store.read(dataset), folder.name.replace("_", " ")
            frames.append(judge(*stored).assign(reading=reading))
            if reading == AS_RUN:
                frames += [judge(*stored, [Threshold(alpha)]).assign(reading=f"alpha {alpha}") for alpha in ALPHAS]
    if not frames:
        return pd.DataFrame(columns=["reading", *CELL, "dataset", "trials", "rate"])
    found = pd.concat(frames, ignore_index=True)
    rows = pd.Series(list(zip(found.attack, found.criterion, strict=True)), index=found.index)
    printed = found[(found.control == "none") & (found.protocol == "paper") & rows.isin(list(PAPER_ROWS))]
    means = printed.groupby(["reading", *CELL, "dataset"], sort=False).asr.agg(["size", "mean"]).reset_index()
    return means.rename(columns={"size": "trials"}).assign(rate=100 * means["mean"]).drop(columns="mean")


def by_cell(table: pd.DataFrame) -> pd.DataFrame:
    """Return every printed cell's rate as run and under the reading that comes nearest; data sets weigh alike.

    ``attack criterion unlearning k printed as_run nearest rate tried``; `nearest` is `AS_RUN` where no reading is
    nearer, and the minimum over `tried` readings, ours among them.
    """
    means = table.groupby([*CELL, "reading"], sort=False).rate.mean().reset_index()
    lines = []
    for _, group in means.groupby(CELL, sort=False):
        cell = rows_of(group[CELL])[0]
        printed = published_asr(*cell)
        own = group.set_index("reading").rate
        if printed is None or AS_RUN not in own:
            continue
        distance = (own - printed).abs()
        # ours comes first among equals
        nearest = AS_RUN if distance[AS_RUN] <= distance.min() else str(distance.idxmin())
        lines.append((*cell, printed, own[AS_RUN], nearest, own[nearest], len(own)))
    return pd.DataFrame(lines, columns=[*CELL, "printed", "as_run", "nearest", "rate", "tried"])


def by_reading(table: pd.DataFrame) -> pd.DataFrame:
    """Return what each reading does to the cells it touches: how many, and how far from print they are on average.

    ``reading cells as_run changed near_as_run near_changed``: distances in points, then counts within `NEAR`.
    """
    means = table.groupby([*CELL, "reading"], sort=False).rate.mean().reset_index()
    means["printed"] = [published_asr(*cell) for cell in rows_of(means[CELL])]
    own = means[means.reading == AS_RUN].set_index(CELL).rate.rename("own")
    joined = means[means.printed.notna()].join(own, on=CELL, how="inner")
    far, ours = (joined.rate - joined.printed).abs(), (joined.own - joined.printed).abs()
    joined = joined.assign(changed=far, as_run=ours, near_changed=far <= NEAR, near_as_run=ours <= NEAR)
    groups = joined[joined.reading != AS_RUN].groupby("reading", sort=False)
    found = groups.agg(
        cells=("rate", "size"), as_run=("as_run", "mean"), changed=("changed", "mean"),
        near_as_run=("near_as_run", "sum"), near_changed=("near_changed", "sum"),
    )  # fmt: skip
    return found.reset_index().sort_values("changed", kind="stable", ignore_index=True)


def basis(table: pd.DataFrame) -> str:
    """Say on which data sets, and on how many trials of each, the readings were changed."""
    return f"Of the paper's data sets these were run: {ground(table)}. A printed rate is the mean over four."


def ground(table: pd.DataFrame) -> str:
    """Return the data sets on which the readings were changed, with how many trials of each, for captions."""
    trials = table[table.reading == AS_RUN].groupby("dataset").trials.max()
    return ", ".join(f"{name} ({n} trial{'s' if n > 1 else ''})" for name, n in trials.items())


def sentences(cells: pd.DataFrame, readings: pd.DataFrame) -> list[str]:
    """Say how many printed cells ours reach, how many they come near, and which reading brings most of them nearer."""
    off = (cells.as_run - cells.printed).abs()
    reached, near = int((cells.as_run >= cells.printed - 0.005).sum()), int((off <= NEAR).sum())
    text = [
        f"Of {len(cells)} printed cells ours reach {reached}, but only {near} lie within {NEAR:.0f} points on either "
        f"side; the mean distance is {off.mean():.1f} points."
    ]
    best = int(((cells.rate - cells.printed).abs() <= NEAR).sum())
    text.append(f"With the nearest reading chosen cell by cell, {best} of {len(cells)} lie within {NEAR:.0f} points.")
    gains = readings.assign(gain=readings.as_run - readings.changed)
    helpful = gains[gains.gain > NEAR]
    for row in rows_of(helpful.sort_values("gain", ascending=False)):
        text.append(
            f"{row.reading}: {row.changed:.1f} points from print in place of {row.as_run:.1f}, over {row.cells} cells."
        )
    if helpful.empty:
        text.append(f"No single reading brings its cells nearer by more than {NEAR:.0f} points on average.")
    return text


def shown(cells: pd.DataFrame) -> pd.DataFrame:
    """Return `by_cell` as text, one line a cell: printed, as run, and the nearest reading with its rate."""
    lines = rows_of(cells)
    return pd.DataFrame({
        "attack": [row_name(line.attack, line.criterion) for line in lines],
        "unlearning": cells.unlearning, "k": cells.k, "printed %": cells.printed.map("{:.2f}".format),
        "ours %": cells.as_run.map("{:.1f}".format), "nearest reading": cells.nearest,
        "its rate %": cells.rate.map("{:.1f}".format),
    })  # fmt: skip
