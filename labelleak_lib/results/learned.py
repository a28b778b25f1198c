"""What was learned, in plain words: the page's sentences, with every number read from committed records."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from labelleak_lib.criteria.inversion import Threshold
from labelleak_lib.paper import granularity, published
from labelleak_lib.paper.granularity import misfits
from labelleak_lib.results import survey
from labelleak_lib.results.summary import TRIAL, compare
from labelleak_lib.theory.collapse import collapse_fraction
from labelleak_lib.trials.settings import PAPER_METHODS, PAPER_ROWS

BLOBS = ("random_inputs", "two_means")
PROBE = ("direct_probe", "two_means")
SEARCH = ("blackbox_inversion", "threshold")
MOST = 0.5
"""Share of targets from which on something happens "mostly"."""


class Rates(NamedTuple):
    """How often a decision names exactly the forgotten classes, on targets and on the placebo, in 0 .. 1."""

    target: float
    placebo: float


def provider(records: pd.DataFrame) -> list[str]:
    """Say what whoever publishes an unlearned model gives away, even with a perfect method."""
    counted = _counted(records)
    retrained = counted[counted.unlearning == "RT"]
    found, asked, searched = exactly(counted, *BLOBS), exactly(retrained, *PROBE), exactly(retrained, *SEARCH)
    probe, queries = exactly(counted, *PROBE), int(_row(counted, *BLOBS).queries.max())
    gone = "Forgetting better does not help: what gives the class away is that it is gone."
    moral = gone if asked.target > MOST else "Forgetting better does help."
    says = "mostly says" if found.target > MOST else "sometimes says"
    return [
        "## If you publish a model",
        f"A model that has forgotten a class hardly ever answers with it, and that silence {says} which class it was. "
        f"{queries:,} blurred blobs, which show nothing at all, name the forgotten class and no other for "
        f"{_percent(found.target)} of the targets; on models from which nothing was forgotten, for "
        f"{_percent(found.placebo)}. Labelled images of every class, classified by the model, name it for "
        f"{_percent(probe.target)} (placebo {_percent(probe.placebo)}).",
        f"{moral} Of the models retrained without it, which never saw it, those images name it for "
        f"{_percent(asked.target)} (placebo {_percent(asked.placebo)}), and a search by queries alone for "
        f"{_percent(searched.target)} (placebo {_percent(searched.placebo)}).",
    ]


def auditor(records: pd.DataFrame) -> list[str]:
    """Say what a success rate has to be compared with."""
    rates = compare(_counted(records), "asr", "paper", PAPER_ROWS)
    highest, floor = rates.placebo.max(), rates.chance.max()
    return [
        "## If you audit one",
        "Run every attack on the original model too. With the labels of the published protocol an attack scores up to "
        f"{highest:.0f}% there, where there is nothing to find. A rate counts only by what it has above that.",
        f"Count both kinds of class alike. The answer that nothing was forgotten is right for {floor:.0f}% of the "
        "classes; its balanced accuracy is 50%.",
        "The [audit chapter](chapters/09_audit.ipynb) does both for a checkpoint of your own.",
    ]


def author(records: pd.DataFrame) -> list[str]:
    """Say how often the five methods forget."""
    cells = records.drop_duplicates([*TRIAL, "unlearning"])
    failed = cells[~cells.unlearned.astype(bool)]
    by_method = [(code, int((failed.unlearning == code).sum())) for code in PAPER_METHODS]
    listed = ", ".join(f"{code} {count}" for code, count in by_method if count)
    known = failed[failed.forget_acc_after > failed.forget_acc_before / 2]
    outcome = (
        f"{len(failed)} of {len(cells)} runs did not pass ({listed}); in {len(known)} of them the model still knew "
        "more than half of what it was to forget."
        if len(failed)
        else f"All {len(cells)} runs passed."
    )
    return [
        "## If you write an unlearning method",
        f"Check first that it forgets, and at what cost: an attack on a model that still knows the class, or that "
        f"knows nothing any more, measures something else. {outcome} Settings that forget on one data set can fail "
        "on the next ([Unlearning](chapters/02_unlearning.ipynb)).",
    ]


def attacker(records: pd.DataFrame, everything: pd.DataFrame) -> list[str]:
    """Say what a search buys, what the auxiliary heads measure, and where the threshold criterion ends."""
    counted = _counted(records)
    search, blobs = compare(counted, "balanced_accuracy", "attacker", (SEARCH, BLOBS)).to_dict("records")
    queries = [int(_row(counted, *row).queries.max()) for row in (SEARCH, BLOBS)]
    wins = "buys" if search["measured"] > blobs["measured"] else "does not buy anything:"
    lessons = [
        "## If you write an attack",
        f"Compare it with inputs that took no effort. A genetic search of up to {queries[0]:,} queries {wins} a "
        f"balanced accuracy of {search['measured']:.0f}% (placebo {search['placebo']:.0f}%), against "
        f"{blobs['measured']:.0f}% (placebo {blobs['placebo']:.0f}%) for {queries[1]:,} random blobs.",
    ]
    agreement = list(survey.stored("agreement").values())
    if agreement:
        unlearned = pd.concat(agreement).query("method != 'M_o'").deployed
        lessons.append(
            "An auxiliary head is a detour. Its dot product with the target's last layer follows how surely the target "
            f"classifies the head's samples (median correlation {unlearned.median():.2f} over {len(unlearned)} "
            "targets), which asking the target tells directly ([Theory](chapters/01_theory.ipynb))."
        )
    return lessons + collapse(everything)


def collapse(records: pd.DataFrame) -> list[str]:
    """Say how the threshold criterion fares on either side of its collapse point (nothing without records of both)."""
    chosen = _counted(records[(records.criterion == "threshold") & (records.protocol == "attacker")])
    share = collapse_fraction(Threshold().alpha)
    beyond = chosen.k >= share * chosen.classes
    if not 0 < beyond.sum() < len(chosen):
        return []
    named = (chosen.predicted != "").groupby([beyond, chosen.control]).mean().map(_percent)
    below, above = (f"{named[side, 'none']} of the runs (placebo {named[side, 'placebo']})" for side in (False, True))
    return [
        f"A threshold made of mean and deviation cannot find many classes: from {_percent(share)} of the classes on it "
        "lies, by arithmetic, below every forgotten one, if inversion succeeds for the others alone. Below that share "
        f"it accused somebody in {below}, from there on in {above} "
        "([Class-count sweep](chapters/07_class_count_sweep.ipynb))."
    ]


def reader(records: pd.DataFrame) -> list[str]:
    """Say which published rates come out again, and what the printed numbers give away by themselves."""
    rates = compare(_counted(records), "asr", "paper", PAPER_ROWS)
    reached = int(published.reaches(rates.measured, rates.published).sum())
    unseen = published.unlearning_accuracy().query("unlearning == 'RT' and forget_after > 5")
    odd, slips = len(misfits()), int(granularity.row_mean_mismatch().mismatch.sum())
    datasets = ", ".join(sorted(set(unseen.dataset)))
    assumed = list(survey.stored("assumptions").values())
    theory = ""
    if assumed:
        holds = pd.concat(assumed).holds
        theory = (
            f" Of the assumptions behind the parameter attacks that can be measured on trained networks, {holds.sum()} "
            f"of {len(holds)} hold; the others are not needed ([Theory](chapters/01_theory.ipynb))."
        )
    return [
        "## If you read the paper",
        f"{reached} of its {len(rates)} mean rates are reached here.{theory}",
        f"Some printed numbers do not fit what is said of them: {len(unseen)} accuracies of retrained models on "
        f"classes that these never saw ({datasets}), {odd} rates that no count of the stated trials gives, and "
        f"{slips} of the printed means, which is not the mean of its row. None of them decides the question "
        "([Controls](chapters/08_controls.ipynb)).",
    ]


def exactly(records: pd.DataFrame, attack: str, criterion: str) -> Rates:
    """Return how often one row names exactly the forgotten classes; data sets count alike."""
    found = (
        _row(records, attack, criterion).groupby(["dataset", "control"]).exact_match.mean().groupby("control").mean()
    )
    return Rates(float(found["none"]), float(found["placebo"]))


def _row(records: pd.DataFrame, attack: str, criterion: str) -> pd.DataFrame:
    same = (records.attack == attack) & (records.criterion == criterion) & (records.protocol == "attacker")
    return records[same]


def _counted(records: pd.DataFrame) -> pd.DataFrame:
    return records[records.unlearned.astype(bool)]


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"
