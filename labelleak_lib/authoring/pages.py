"""The pages that are generated from records: front page, what was learned, speed.

`python -m labelleak_lib.authoring.pages` draws the README's picture anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from labelleak_lib.figures.bench import figure as speed_figure
from labelleak_lib.figures.overview import attack_rows
from labelleak_lib.files import ROOT
from labelleak_lib.results import bench
from labelleak_lib.results.front import (
    CHEAP_ROWS,
    alternative,
    as_attacker,
    as_published,
    basis,
    complete_trials,
    exactly,
    front_records,
    without_search,
)
from labelleak_lib.results.learned import attacker, auditor, author, provider, reader
from labelleak_lib.results.summary import UNITS, judged_both_ways
from labelleak_lib.trials.committed import committed_records

README_PICTURE = ROOT / "book" / "_static"


def front_page(output_dir: Path) -> None:
    """Write what was found when one class is forgotten: `front.md` and the figure it shows, `front.png`.

    The numbers are those of the committed records (profile `paper`); where no data set has enough of them, those of
    a quick run on `digits`. Paths in the text are as seen from the folder above `output_dir`.

    Parameters
    ----------
    output_dir : Path
        Made if missing.
    """
    known = complete_trials(committed_records())
    records = front_records(known)
    counted = records[records.unlearned.astype(bool)]
    panels = judged_both_ways(counted, extra=CHEAP_ROWS)
    published, attacker = panels.values()
    output_dir.mkdir(parents=True, exist_ok=True)
    figure = attack_rows(panels, UNITS)
    figure.savefig(output_dir / "front.png", dpi=110)
    plt.close(figure)
    sentences = [
        *as_attacker(attacker), *exactly(counted), *without_search(attacker), *as_published(published)
    ]  # fmt: skip
    image = f"![{alternative(published)}]({output_dir.name}/front.png)"
    text = "\n".join(f"- {sentence}" for sentence in sentences)
    (output_dir / "front.md").write_text(
        f"## What was found\n\n{text}\n\n{image}\n\n{basis(records, known)}\n", encoding="utf-8"
    )


def learned_page(output_dir: Path) -> None:
    """Write the page's findings to `learned.md` in `output_dir`, which is made if missing."""
    everything = committed_records()
    one = front_records(complete_trials(everything))
    lessons = [*provider(one), *auditor(one), *author(one), *attacker(one, everything), *reader(one)]
    output_dir.mkdir(parents=True, exist_ok=True)
    (output_dir / "learned.md").write_text("\n\n".join(lessons) + "\n", encoding="utf-8")


def speed_page(output_dir: Path, frame: pd.DataFrame | None = None) -> None:
    """Write `speed.md` and the figure it shows, `speed.png`.

    Parameters
    ----------
    output_dir : Path
        Made if missing; paths in the text are as seen from the folder above it.
    frame : DataFrame, optional
        What `rows` returned; by default the committed measurement.
    """
    frame = bench.read() if frame is None else frame
    output_dir.mkdir(parents=True, exist_ok=True)
    drawn = speed_figure(frame)
    drawn.savefig(output_dir / "speed.png", dpi=110)
    plt.close(drawn)
    machine, targets = frame.iloc[0], frame[frame.met != ""]
    basis = (
        f"Measured on {machine.processor} ({machine.cores} cores, of which one thread works), torch {machine.torch}. "
        f"{(targets.met == 'yes').sum()} of {len(targets)} targets are met."
    )
    alternative = (
        "Dots on a logarithmic axis, one line a comparison, the target marked by a bar: above, how many times this "
        "library's time each peer takes; below, this library's time over that of the bare computation."
    )
    image = f"![{alternative}]({output_dir.name}/speed.png)"
    text = f"{basis}\n\n{image}\n\n{bench.table(frame)}\n"
    (output_dir / "speed.md").write_text(text, encoding="utf-8")


def main() -> int:
    """Draw the README's picture from committed records."""
    front_page(README_PICTURE)
    (README_PICTURE / "front.md").unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
