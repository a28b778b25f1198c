"""Speed beside peers: the committed measurement of `make bench` as a table and sentences."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.files import COMMITTED
from labelleak_lib.results.markdown import rows_of

CSV = COMMITTED / "bench" / "bench.csv"
AT_LEAST = ("peer", "at_least")
"""Roles whose ratio should be large; that of the others should be small."""


def read(path: Path = CSV) -> pd.DataFrame:
    """Read a measurement, one line a contestant.

    `seconds` is the fastest round, scaled to the whole work. `ratio` is the peer's time over ours (role `peer`), ours
    over that of the bare computation (`bare`), or the measured value (`at_most`, `at_least`); NaN elsewhere. `met` is
    "yes", "no", or empty where there is no target.
    """
    texts = dict.fromkeys(("scaled_from", "quality", "unit", "met", "note", "torch"), "")
    return pd.read_csv(path, dtype=dict.fromkeys(texts, str)).fillna(texts)


def by_processor(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the lines of each processor by its name, that of most subjects first."""
    parts = [(str(name), part) for name, part in frame.groupby("processor", sort=False)]
    return dict(sorted(parts, key=lambda one: -one[1].subject.nunique()))


def basis(frame: pd.DataFrame) -> str:
    """Say on what machine the lines of one processor were measured, and how many targets are met and out of reach."""
    (processor,) = frame.processor.unique()
    machine = [f"{count} cores" for count in frame.cores.unique()] + [f"torch {name}" for name in frame.torch.unique()]
    targets = frame[frame.met != ""]
    missed = int((targets.met == "no").sum())
    beyond = sum(len(out_of_reach(group)) for _, group in frame.groupby("subject"))
    said = f", of {missed} missed ones {beyond} cannot be met, as the lines below say" if beyond else ""
    return (
        f"Measured on {processor} ({', '.join(machine)}). One thread works unless a line says otherwise. "
        f"{len(targets) - missed} of {len(targets)} targets are met{said}."
    )


def table(frame: pd.DataFrame) -> str:
    """Return the measurement as Markdown: one small table a subject, with what took this library's time below it."""
    parts = []
    for subject, group in frame.groupby("subject", sort=False):
        ours_first = group.iloc[(group.role != "ours").to_numpy().argsort(kind="stable")]
        cells = [["", "time", "reached", "ratio, or value", "target"], ["---"] * 5, *map(_cells, rows_of(ours_first))]
        # a column of which nothing is known only takes room
        used = [any(column) for column in zip(*cells[2:], strict=True)]
        lines = [f"| {' | '.join(text for text, there in zip(row, used, strict=True) if there)} |" for row in cells]
        notes = [f"{line.name}: {line.note}." for line in rows_of(group[group.note != ""])]
        parts += [f"**{subject}**", "\n".join(lines), *notes, *out_of_reach(group)]
    return "\n\n".join(parts)


def out_of_reach(group: pd.DataFrame) -> list[str]:
    """Say which missed targets of a subject leave less time than the computation that cannot be done without.

    That is the longest of the bare computations whose names begin with "its", and that ours does not undercut.
    """
    ours = group.seconds[group.role == "ours"].min()
    floors = group[(group.role == "bare") & group["name"].str.startswith("its ") & (group.seconds <= ours)]
    missed = rows_of(group[group.role.isin(("peer", "bare")) & (group.met == "no")])
    said = []
    for line in missed:
        left = line.seconds * line.target if line.role == "bare" else line.seconds / line.target
        below = floors[(floors["name"] != line.name) & (floors.seconds > left)]
        for floor in rows_of(below.nlargest(1, "seconds")):
            said.append(f"{line.name}: the target leaves {left:.3g} s; {floor.name} take {floor.seconds:.3g} s.")
    return said


def _cells(line: Any) -> list[str]:
    name = f"**{line.name}**" if line.role == "ours" else line.name
    time = f"{_number(line.seconds)} s" + (f" (scaled from {line.scaled_from})" if line.scaled_from else "")
    worded = {"peer": "takes {} times ours", "bare": "ours takes {} times this"}
    ratio = worded.get(line.role, f"{{}} {line.unit}".strip()).format(_number(line.ratio, line.target))
    bound = "at least" if line.role in AT_LEAST else "at most"
    target = {"yes": "met", "no": "**missed**"}.get(line.met, "")
    aim = f"{bound} {line.target:.3g}: {target}" if target else ""
    # the time that a measured value took says nothing
    shown = "" if line.role in ("at_most", "at_least") else time
    return [name, shown, line.quality, "" if np.isnan(line.ratio) else ratio, aim]


def _number(value: float, apart_from: float = float("nan")) -> str:
    """Write a number in three digits, or in as many as it takes to tell it from another.

    >>> _number(6391.2), _number(0.08222), _number(99.9962, 100.0)
    ('6,391', '0.0822', '99.996')
    """
    digits = 3
    while value != apart_from and float(f"{value:.{digits}g}") == apart_from:
        digits += 1
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"
