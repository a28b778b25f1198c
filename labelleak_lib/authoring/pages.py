"""Writes what is generated: front page, ranking, reviewer, learned, speed, stored, own data, explorer, library."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from labelleak_lib import Grid, collect, committed_records
from labelleak_lib.authoring.explorer_page import explorer_page
from labelleak_lib.authoring.form_pages import report_page, stored_page
from labelleak_lib.authoring.own_data_page import own_data_page
from labelleak_lib.authoring.reference import reference_page
from labelleak_lib.command import Parser
from labelleak_lib.figures.bench import figure as speed_figure
from labelleak_lib.figures.leak_cards import ranked as draw_ranking
from labelleak_lib.figures.overview import attack_rows
from labelleak_lib.files import ROOT
from labelleak_lib.nulls.stored import stored
from labelleak_lib.registry import METHODS
from labelleak_lib.results import bench, exact_silent, false_alarms, front, leak_cards, learned, method_leaks, reviewer
from labelleak_lib.results.markdown import bullets, tabs
from labelleak_lib.results.summary import of_the_paper
from labelleak_lib.results.worth import UNITS, judged_both_ways

README_PICTURE = ROOT / "book" / "_static"
GENERATED = ROOT / "book" / "generated"


def front_records(known: pd.DataFrame) -> pd.DataFrame:
    """Return the `known` records of the paper's data sets with enough trials; where there is none, of a quick run."""
    enough = front.enough_trials(of_the_paper(known))
    return enough if len(enough) else front.complete_trials(collect(Grid(dataset="digits")).records)


def front_page(output_dir: Path) -> None:
    """Write what was found when one class is forgotten: `front.md` and the figure it shows, `front.png`.

    The numbers are those of the committed records (profile `paper`); where no data set has enough of them, those of
    a quick run on `digits`. Paths in the text are as seen from the folder above `output_dir`, which is made if missing.
    """
    known = front.complete_trials(committed_records())
    records = front_records(known)
    panels = judged_both_ways(records, extra=front.SHOWN_ROWS)
    published, _ = panels.values()
    told = [*exact_silent.headline(records), *front.accidents(records, false_alarms.decided(stored()))]
    text = bullets([*told, *front.as_published(published), *front.apart(known)])
    image = _image(output_dir / "front.png", attack_rows(panels, UNITS), front.alternative(published))
    (output_dir / "front.md").write_text(
        f"## What was found\n\n{text}\n\n{image}\n\n{front.basis(records, known)}\n", encoding="utf-8"
    )


def ranking_page(output_dir: Path) -> None:
    """Write `ranking.md` and the figure it shows, `ranking.png`: all methods by what leaks."""
    known = method_leaks.measured()
    leaked = method_leaks.leaks(known.records)
    forgot = method_leaks.forgetting(known.records, known.left, known.costs)
    ranking = method_leaks.ranking(leaked, forgot)
    image = _image(output_dir / "ranking.png", draw_ranking(ranking), leak_cards.alternative(ranking))
    told = (
        "[Leak cards](chapters/11_leak_cards.ipynb) says what each method does, what it costs and what it leaves. "
        "These shares pool more data sets and numbers of classes than the findings above, and so differ from theirs."
    )
    text = bullets([*leak_cards.sentences(ranking), f"{leak_cards.basis(known)} {told}"])
    heading = f"## {len(tuple(METHODS))} methods by what leaks"
    (output_dir / "ranking.md").write_text(f"{heading}\n\n{image}\n\n{text}\n", encoding="utf-8")


def learned_page(output_dir: Path) -> None:
    """Write the page's findings to `learned.md` in `output_dir`, which is made if missing."""
    everything = committed_records()
    one = front_records(front.complete_trials(everything))
    lessons = [*learned.provider(one), *learned.auditor(one), *learned.author(one)]
    lessons += [*learned.attacker(one, everything), *learned.reader(one)]
    output_dir.mkdir(parents=True, exist_ok=True)
    (output_dir / "learned.md").write_text("\n\n".join(lessons) + "\n", encoding="utf-8")


def reviewer_page(output_dir: Path) -> None:
    """Write `reviewer.md`: what of the paper comes out again, and what its measure hides."""
    own = of_the_paper(committed_records())
    if own.empty:
        text = "No long runs of the paper's data sets are committed yet."
    else:
        by_k = {k: own[own.k == k] for k in (1, 3)}
        heading = "## What was wrong with the measure"
        text = "\n\n".join(["## What comes out again", *reviewer.reproduced(by_k), heading, *reviewer.measure(by_k[1])])
    (output_dir / "reviewer.md").write_text(f"{text}\n", encoding="utf-8")


def speed_page(output_dir: Path, frame: pd.DataFrame | None = None) -> None:
    """Write `speed.md`, one tab a processor, and the figure of each, `speed_0.png` first, as :func:`front_page` does.

    The numbers are those of `frame`, as `bench.read` returns it; by default those of the committed measurement.
    """
    frame = bench.read() if frame is None else frame
    alternative = (
        "Dots on a logarithmic axis, one line a comparison, the target marked by a bar: above, how many times this "
        "library's time each peer takes; below, this library's time over that of the bare computation."
    )
    panels = {}
    for i, (processor, part) in enumerate(bench.by_processor(frame).items()):
        image = _image(output_dir / f"speed_{i}.png", speed_figure(part), alternative)
        panels[processor] = f"{bench.basis(part)}\n\n{image}\n\n{bench.table(part)}"
    (output_dir / "speed.md").write_text(f"{tabs(panels)}\n", encoding="utf-8")


def _image(path: Path, figure: Figure, alternative: str) -> str:
    """Save a figure, in a folder made if missing, and return the Markdown that shows it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return f"![{alternative}]({path.parent.name}/{path.name})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write every generated page to `book/generated`, or draw the README's picture anew; return the exit status."""
    parser = Parser(prog="labelleak pages", description=__doc__)
    parser.add_argument("--picture", action="store_true", help="draw the README's picture, and nothing else")
    if parser.parse_args(arguments).picture:
        front_page(README_PICTURE)
        (README_PICTURE / "front.md").unlink()
        return 0
    GENERATED.mkdir(parents=True, exist_ok=True)
    pages = (
        front_page,
        ranking_page,
        reviewer_page,
        learned_page,
        speed_page,
        stored_page,
        report_page,
        own_data_page,
        explorer_page,
        reference_page,
    )
    for write in pages:
        write(GENERATED)
    return 0
