"""What a reviewer of the paper wants to know first: what comes out again, what does not, and what the measure hid."""

import pandas as pd

from labelleak_lib.names import PAPER_ROWS
from labelleak_lib.results import exact_silent
from labelleak_lib.results.against_paper import SIDES, explain, side
from labelleak_lib.results.exact_silent import MOST
from labelleak_lib.results.markdown import bullets, rows_of, span
from labelleak_lib.results.summary import compare


def reproduced(by_k: dict[int, pd.DataFrame]) -> list[str]:
    """Say row by row, for each number of forgotten classes, on which side of the printed means ours lie.

    `by_k` holds records of the paper's data sets.
    """
    parts = []
    for k, records in by_k.items():
        lines = rows_of(compare(records, "asr", "paper", PAPER_ROWS))
        for wanted in SIDES:
            found = [explain(line, records) for line in lines if side(line) == wanted]
            head = f"**Comes out {wanted}, k = {k}, mean over the methods** ({len(found)} of {len(lines)} rows):"
            parts += [head, bullets(found)] if found else []
    return parts


def measure(records: pd.DataFrame) -> list[str]:
    """Say what the success rate hides, and what is left of the rows when they are judged by the set that they name."""
    rates, worth = compare(records, "asr", "paper", PAPER_ROWS), exact_silent.table(records, PAPER_ROWS)
    floor = rates.chance.max()
    below = rates[rates.published < rates.chance]
    hidden = rates[rates.placebo >= rates.published]
    leaks, accusing = worth[worth.both > MOST], worth[worth.silent < MOST]
    labels, joint = rows_of(exact_silent.table(records, (exact_silent.LABEL_ROW, exact_silent.JOINT_ROW)))
    leaked = "The leak is real, and cheaper" if labels.both > MOST else "Cheap questions find less"
    sentences = [
        f"**The floor is not one half.** Judged by class, the answer that nothing was forgotten scores {floor:.0f}%. "
        f"{len(below)} of {len(rates)} printed means lie below their floor.",
        f"**The same attack on a model that forgot nothing** scores {span(rates.placebo.dropna(), '.0f', '%')}; for "
        f"{len(hidden)} of the rows that have such a control it reaches what is printed.",
        f"**Rules that cannot be silent.** {len(accusing)} of {len(worth)} rows accuse somebody on more than half of "
        f"the original models. Exact and silent for more than half of the targets: {len(leaks)} of {len(worth)}.",
        f"**{leaked} than published.** Labels of images that have nothing to do with the task are "
        f"exact and silent for {exact_silent.shown(labels)} of {labels.n} targets, joint reach for "
        f"{exact_silent.shown(joint)}.",
    ]
    return [bullets(sentences)]
