"""Keep what `make bench` measured: `python tests/benchmarks/report.py out.json`.

pytest-benchmark's JSON becomes one tidy CSV file, which is committed; the book's tables and figures are drawn from it.
Lines of other processors stay as they are.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.files import COMMITTED
from labelleak_lib.results.bench import AT_LEAST, CSV

COLUMNS = [
    *("subject", "name", "role", "seconds", "scaled_from", "quality", "ratio", "unit", "target", "met", "note"),
    *("processor", "cores", "torch"),
]


def rows(report: dict[str, Any]) -> pd.DataFrame:
    """Return one line a contestant, with `COLUMNS`, from pytest-benchmark's JSON; `bench.read` says what they hold.

    Each benchmark's `extra_info` holds `subject`, `name`, `role` and `quality`, and may hold `scale` (how many times
    the measured work the whole is), `scaled_from`, `value`, `unit`, `target` and `note`. A subject without exactly one
    line of this library, with which others are compared, is a ValueError.
    """
    machine = report["machine_info"]
    # What multiplies bfloat16 decides most of a large network's time.
    tiles = "with" if "amx_tile" in machine["cpu"]["flags"] else "without"
    processor = f"{machine['cpu']['brand_raw']} {tiles} AMX"
    common = {"processor": processor, "cores": machine["cpu"]["count"], "torch": machine["torch"]}
    common |= {"scale": 1.0, "scaled_from": "", "unit": "", "target": None, "note": "", "value": np.nan}
    lines = [{**common, **one["extra_info"], "seconds": one["stats"]["min"]} for one in report["benchmarks"]]
    frame = pd.DataFrame(lines)
    frame = frame.assign(seconds=frame.seconds * frame.scale, target=frame.target.astype(float), ratio=frame["value"])
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the CSV file of a measurement, name the missed targets, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python tests/benchmarks/report.py", description=__doc__)
    parser.add_argument("report", type=Path, help="the file that pytest-benchmark wrote")
    parser.add_argument("--keep", action="store_true", help="keep this processor's lines of subjects not measured anew")
    parser.add_argument("--csv", type=Path, default=CSV, help=f"default: {CSV.relative_to(COMMITTED.parents[1])}")
    chosen = parser.parse_args(arguments)
    frame = rows(json.loads(chosen.report.read_text(encoding="utf-8")))
    before = pd.read_csv(chosen.csv) if chosen.csv.exists() else frame.iloc[:0]
    anew = before.processor.isin(frame.processor) & (before.subject.isin(frame.subject) | (not chosen.keep))
    both = pd.concat([before[~anew], frame.round({"seconds": 6, "ratio": 4, "target": 4})], ignore_index=True)
    chosen.csv.parent.mkdir(parents=True, exist_ok=True)
    both.to_csv(chosen.csv, index=False)
    for line in frame[frame.met == "no"].itertuples():
        print(f"missed: {line.subject}: {line.name}: {line.ratio:.3g}, target {line.target:.3g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
