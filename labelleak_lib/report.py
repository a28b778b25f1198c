"""The front page: what was found, in a few sentences and one figure, from committed records.

`python -m labelleak_lib.report` draws the README's picture anew.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import stats

from labelleak_lib.figures.overview import attack_rows
from labelleak_lib.figures.style import row_name
from labelleak_lib.figures.success import baseline
from labelleak_lib.metrics import Interval, mean_interval
from labelleak_lib.published import published_asr
from labelleak_lib.settings import PAPER_METHODS, PAPER_ROWS
from labelleak_lib.sweep import COMMITTED, Grid, collect
from labelleak_lib.tables import committed_records

README_PICTURE = Path(__file__).resolve().parent.parent / "book" / "_static"
ENOUGH = 3
"""Trials from which on a data set is part of the front page."""
CHEAP_ROWS = (("direct_probe", "two_means"), ("random_inputs", "two_means"), ("head_row_sum", "two_means"))
_TRIAL = ["dataset", "seed", "trial", "forgotten"]
_ROW = ["attack", "criterion"]


def front_page(output_dir: Path) -> None:
    """Write what was found when one class is forgotten: `front.md` and the figure it shows, `front.png`.

    The numbers are those of the committed records (profile `paper`); where no data set has enough of them, those of
    a quick run on `digits`. Paths in the text are as seen from the folder above `output_dir`.

    Parameters
    ----------
    output_dir : Path
        Made if missing.
    """
    records = front_records()
    counted = records[records.unlearned.astype(bool)]
    published = compare(counted, "asr", "paper", PAPER_ROWS)
    attacker = compare(counted, "balanced_accuracy", "attacker", (*PAPER_ROWS, *CHEAP_ROWS))
    panels = {"judged as published": published, "judged as an attacker could": attacker.assign(chance=50.0)}
    output_dir.mkdir(parents=True, exist_ok=True)
    figure = attack_rows(panels, ["success rate, ASR (%)", "balanced accuracy (%)"])
    figure.savefig(output_dir / "front.png", dpi=110)
    plt.close(figure)
    sentences = [
        *basis(records), *as_published(published), *as_attacker(attacker), *without_search(attacker), *exactly(counted)
    ]  # fmt: skip
    image = f"![{alternative(published)}]({output_dir.name}/front.png)"
    text = "\n".join(f"- {sentence}" for sentence in sentences)
    (output_dir / "front.md").write_text(f"## What was found\n\n{text}\n\n{image}\n", encoding="utf-8")


def front_records(root: Path = COMMITTED) -> pd.DataFrame:
    """Return the records of one forgotten class that the front page counts.

    Only trials that have all five unlearning methods, and data sets with enough of them, count.
    """
    records = complete_trials(committed_records(root))
    trials = records.drop_duplicates(_TRIAL).groupby("dataset").size()
    enough = records[records.dataset.isin(trials[trials >= ENOUGH].index)]
    return enough if len(enough) else complete_trials(collect(Grid(dataset="digits")).records)


def complete_trials(records: pd.DataFrame) -> pd.DataFrame:
    """Return the records with k = 1 of the trials that have every unlearning method of the paper."""
    one = records[(records.k == 1) & records.unlearning.isin(PAPER_METHODS)]
    if one.empty:
        return one
    return one[one.groupby(_TRIAL).unlearning.transform("nunique") == len(PAPER_METHODS)]


def compare(records: pd.DataFrame, value: str, protocol: str, rows: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Summarise each attack x criterion row over methods, trials and data sets, beside its placebo.

    A trial counts with its mean over unlearning methods, a data set with its mean over trials, all data sets alike.

    Parameters
    ----------
    records : DataFrame
        With `records.COLUMNS`, the placebo of every record among them.
    value : str
        A metric's column, in 0 .. 1.
    protocol : {"paper", "attacker"}
    rows : sequence of (str, str)
        Attack and criterion.

    Returns
    -------
    DataFrame
        One line a row that the records hold: ``attack criterion measured low high placebo placebo_low placebo_high
        excess excess_low excess_high published chance``, in percent. ``published`` is the paper's mean over methods
        (NaN where `value` is not `asr`, or nothing is printed).
    """
    chosen = records[records.protocol == protocol]
    by_trial = chosen.pivot_table(value, [*_ROW, *_TRIAL], "control", aggfunc="mean").reset_index()
    classes, k = int(records.classes.iloc[0]), int(records.k.iloc[0])
    lines = []
    for attack, criterion in rows:
        trials = by_trial[(by_trial.attack == attack) & (by_trial.criterion == criterion)]
        if trials.empty:
            continue
        line: dict[str, object] = {"attack": attack, "criterion": criterion}
        excess = trials.assign(excess=trials["none"] - trials.placebo)
        for name, low, high, column in (
            ("measured", "low", "high", "none"),
            ("placebo", "placebo_low", "placebo_high", "placebo"),
            ("excess", "excess_low", "excess_high", "excess"),
        ):
            found = over_datasets([group[column].to_numpy(float) for _, group in excess.groupby("dataset")])
            line |= {name: 100 * found.mean, low: 100 * found.low, high: 100 * found.high}
        printed = published_asr(attack, criterion, "mean", k) if value == "asr" else None
        line["published"] = np.nan if printed is None else printed
        lines.append(line | {"chance": baseline(criterion, protocol, k, classes)})
    return pd.DataFrame(lines)


def over_datasets(groups: Sequence[np.ndarray]) -> Interval:
    """Return the mean of the groups' means with a 95% interval: trials are drawn anew within each data set.

    One group, or equal values throughout, are left to `mean_interval`.
    """
    values = np.concatenate(groups)
    if len(groups) == 1 or np.ptp(values) == 0:
        return mean_interval(values)
    mean = float(np.mean([group.mean() for group in groups]))
    if min(map(len, groups)) < 2:
        return Interval(mean, float("nan"), float("nan"), len(values))

    def statistic(*samples: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.mean([sample.mean(axis=axis) for sample in samples], axis=0)

    drawn = stats.bootstrap(groups, statistic, method="percentile", rng=np.random.default_rng(0))
    return Interval(mean, float(drawn.confidence_interval.low), float(drawn.confidence_interval.high), len(values))


def basis(records: pd.DataFrame) -> list[str]:
    """Say what was run and how much of it counts."""
    trials = records.drop_duplicates(_TRIAL).groupby("dataset", sort=False).size()
    cells = records.drop_duplicates([*_TRIAL, "unlearning"])
    runs = ", ".join(f"{dataset} ({n} {'trial' if n == 1 else 'trials'})" for dataset, n in trials.items())
    profile = records.profile.iloc[0]
    return [
        f"**Basis.** One forgotten class, five unlearning methods, profile `{profile}`: {runs}. "
        f"{int(cells.unlearned.astype(bool).sum())} of {len(cells)} target models count as unlearned; the others are "
        "left out here. Intervals are 95%, over trials."
    ]


def as_published(table: pd.DataFrame) -> list[str]:
    """Say how the published judgement comes out, on targets and on models from which nothing was forgotten."""
    reached = table[table.measured >= table.published - 0.005]
    tree = table[table.criterion == "decision_tree"].iloc[0]
    trivial, worse = table.chance.max(), table[(table.published < table.chance)]
    names = " and ".join(f"{line.published:.2f}%" for line in worse.itertuples())
    remark = f", more than the published means of black-box inversion ({names})" if len(worse) else ""
    return [
        f"**The published rates are within reach.** {len(reached)} of {len(table)} attack rows reach the mean that "
        "{cite:t}`zheng2026label` print.",
        f"**A high rate need not be a leak.** The decision tree scores {shown(tree, 'measured')} on target models and "
        f"{shown(tree, 'placebo')} on models from which nothing was forgotten: it recognises the class of an auxiliary "
        f"head. The answer that nothing was forgotten scores {trivial:.0f}%{remark}.",
    ]


def as_attacker(table: pd.DataFrame) -> list[str]:
    """Say which attacks beat their placebo when no answer is given away and both kinds of class count alike."""
    paper = table[table.attack.isin([attack for attack, _ in PAPER_ROWS])]
    beats = (paper.excess_low > 0) | (paper.excess_low.isna() & (paper.excess > 0))
    best = paper.loc[paper.excess.idxmax()]
    fails = [row_name(line.attack, line.criterion) for line in paper[~beats].itertuples()]
    rest = f"; not so: {', '.join(fails)}" if fails else ""
    return [
        f"**The label does leak.** Decided class by class without the answer, {int(beats.sum())} of {len(paper)} rows "
        f"beat their placebo in balanced accuracy{rest}. The largest gap is that of {row_name(*best[_ROW])}: "
        f"{shown(best, 'measured')} against {shown(best, 'placebo')}."
    ]


def without_search(table: pd.DataFrame) -> list[str]:
    """Say how far readings that need no search come."""
    cheap = [line for line in table.to_dict("records") if (line["attack"], line["criterion"]) in CHEAP_ROWS]
    listed = ", ".join(f"{row_name(line['attack'], '')} {shown(line, 'measured')}" for line in cheap)
    return [
        f"**Much of it needs no search.** Balanced accuracy of simpler readings: {listed}. An attack earns its cost "
        "only where it beats these ([Controls](chapters/08_controls.ipynb))."
    ]


def exactly(records: pd.DataFrame) -> list[str]:
    """Say how often the weakest attacker, who can only ask, names exactly the forgotten class."""
    chosen = records[(records.attack == "blackbox_inversion") & (records.criterion == "threshold")]
    share = chosen[chosen.protocol == "attacker"].groupby("control").exact_match.mean()
    return [
        "**Queries suffice.** Black-box inversion with the threshold criterion names exactly the forgotten class in "
        f"{100 * share['none']:.0f}% of the cells, and on models from which nothing was forgotten the class that a "
        f"coin would have called forgotten in {100 * share['placebo']:.0f}%."
    ]


def shown(line: object, column: str) -> str:
    """Return "95.1% (92.0 to 97.3)" of a line of `compare`, or the mean alone where there is no interval."""
    values = dict(line)  # type: ignore[call-overload]
    low, high = ("low", "high") if column == "measured" else (f"{column}_low", f"{column}_high")
    text = f"{values[column]:.1f}%"
    return text if np.isnan(values[low]) else f"{text} ({values[low]:.1f} to {values[high]:.1f})"


def alternative(table: pd.DataFrame) -> str:
    """Describe the figure in words."""
    highest = row_name(*table.loc[table.placebo.idxmax()][_ROW])
    return (
        "Two panels of attack rows. Left: success rates as published, measured and on the placebo, where "
        f"{highest} has the highest placebo. Right: balanced accuracy of decisions class by class, with their placebo."
    )


def main() -> int:
    """Draw the README's picture from committed records."""
    front_page(README_PICTURE)
    (README_PICTURE / "front.md").unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
