"""Speed beside peers: `python -m labelleak_lib.results.bench out.json` keeps what `make bench` measured.

pytest-benchmark's JSON becomes one tidy CSV file, which is committed; the book's table and figure are drawn from that.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.files import COMMITTED

CSV = COMMITTED / "bench" / "bench.csv"
COLUMNS = [
    *("subject", "name", "role", "seconds", "scaled_from", "quality", "ratio", "unit", "target", "met", "note"),
    *("processor", "cores", "torch"),
]
AT_LEAST, AT_MOST = ("peer", "at_least"), ("bare", "at_most")
"""Roles whose ratio should be large, and those whose ratio should be small."""
NO_TARGET = np.nan


def rows(report: dict[str, Any]) -> pd.DataFrame:
    """Return one line a contestant from pytest-benchmark's JSON.

    Parameters
    ----------
    report : dict
        As pytest-benchmark wrote it. Each benchmark's `extra_info` holds `subject`, `name`, `role` and `quality`, and
        may hold `scale` (how many times the measured work the whole is), `scaled_from`, `value`, `unit`, `target` and
        `note`.

    Returns
    -------
    DataFrame
        With `COLUMNS`. `seconds` is the fastest round, scaled to the whole work. `ratio` is the peer's time over ours
        (role `peer`), ours over that of the bare computation (`bare`), or the measured value (`at_most`,
        `at_least`); NaN elsewhere. `met` is "yes", "no", or empty where there is no target.

    Raises
    ------
    ValueError
        If a subject lacks the line of this library that others are compared with, or has two.
    """
    machine = report["machine_info"]
    common = {"processor": machine["cpu"]["brand_raw"], "cores": machine["cpu"]["count"], "torch": machine["torch"]}
    lines = []
    for benchmark in report["benchmarks"]:
        info = {"scale": 1.0, "scaled_from": "", "unit": "", "target": None, "note": "", **benchmark["extra_info"]}
        seconds = benchmark["stats"]["min"] * info["scale"]
        target = NO_TARGET if info["target"] is None else float(info["target"])
        lines.append({**common, **info, "seconds": seconds, "target": target, "ratio": info.get("value", np.nan)})
    frame = pd.DataFrame(lines).reindex(columns=[*COLUMNS[:-3], *common])
    for subject, group in frame.groupby("subject"):
        ours = group.seconds[group.role == "ours"]
        compared = group.role.isin(("peer", "bare"))
        if compared.any() and len(ours) != 1:
            raise ValueError(f"subject {subject!r} has {len(ours)} lines of this library; it must be one")
        for i in group.index[compared]:
            slower, faster = frame.seconds[i], ours.iloc[0]
            frame.loc[i, "ratio"] = slower / faster if frame.role[i] == "peer" else faster / slower
    frame["met"] = [_met(*line) for line in zip(frame.role, frame.ratio, frame.target, strict=True)]
    return frame[COLUMNS]


def _met(role: str, ratio: float, target: float) -> str:
    if np.isnan(target):
        return ""
    return "yes" if (ratio >= target if role in AT_LEAST else ratio <= target) else "no"


def read(path: Path = CSV) -> pd.DataFrame:
    """Read what `rows` returned and `main` wrote."""
    texts = dict.fromkeys(("scaled_from", "quality", "unit", "met", "note", "torch"), "")
    return pd.read_csv(path, dtype=dict.fromkeys(texts, str)).fillna(texts)


def table(frame: pd.DataFrame) -> str:
    """Return the measurement as Markdown: one small table a subject, with what took this library's time below it."""
    parts = []
    for subject, group in frame.groupby("subject", sort=False):
        lines = ["| | time | reached | ratio | target |", "|---|---|---|---|---|"]
        ours_first = group.iloc[(group.role != "ours").to_numpy().argsort(kind="stable")]
        lines += [f"| {' | '.join(_cells(line))} |" for line in ours_first.itertuples()]
        notes = [f"{line.name}: {line.note}." for line in group[group.note != ""].itertuples(index=False)]
        parts += [f"**{subject}**", "\n".join(lines), *notes, *_out_of_reach(group)]
    return "\n\n".join(parts)


def _out_of_reach(group: pd.DataFrame) -> list[str]:
    """Say which missed targets of a subject leave less time than the computation that cannot be done without."""
    lines = group.to_dict("records")
    bare = [line for line in lines if line["role"] == "bare" and line["name"].startswith("its ")]
    missed = [line for line in lines if line["role"] == "peer" and line["met"] == "no"]
    return [
        f"{peer['name']}: the target leaves {left:.3g} s; {floor['name']} take {floor['seconds']:.3g} s."
        for peer in missed
        for floor in bare
        if (left := peer["seconds"] / peer["target"]) < floor["seconds"]
    ]


def _cells(line: Any) -> list[str]:
    name = f"**{line.name}**" if line.role == "ours" else line.name
    time = f"{line.seconds:.3g} s" + (f" (scaled from {line.scaled_from})" if line.scaled_from else "")
    worded = {"peer": "takes {} times ours", "bare": "ours takes {} times this"}
    ratio = worded.get(line.role, f"{{}} {line.unit}".strip()).format(f"{line.ratio:.3g}")
    bound = "at least" if line.role in AT_LEAST else "at most"
    target = {"yes": "met", "no": "**missed**"}.get(line.met, "")
    aim = f"{bound} {line.target:.3g}: {target}" if target else ""
    # the time that a measured value took says nothing
    shown = "" if line.role in ("at_most", "at_least") else time
    return [name, shown, line.quality, "" if np.isnan(line.ratio) else ratio, aim]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the CSV file of a measurement, name the missed targets, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m labelleak_lib.results.bench", description=__doc__)
    parser.add_argument("report", type=Path, help="the file that pytest-benchmark wrote")
    parser.add_argument("--csv", type=Path, default=CSV, help=f"default: {CSV.relative_to(COMMITTED.parents[1])}")
    chosen = parser.parse_args(arguments)
    frame = rows(json.loads(chosen.report.read_text(encoding="utf-8")))
    chosen.csv.parent.mkdir(parents=True, exist_ok=True)
    frame.round({"seconds": 6, "ratio": 4, "target": 4}).to_csv(chosen.csv, index=False)
    for line in frame[frame.met == "no"].itertuples():
        print(f"missed: {line.subject}: {line.name}: {line.ratio:.3g}, target {line.target:.3g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
