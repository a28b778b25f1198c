"""What was learned, in plain words: the page's sentences, with every number read from committed records."""

import pandas as pd

from labelleak_lib.names import PAPER_METHODS, PAPER_ROWS
from labelleak_lib.paper import granularity, published
from labelleak_lib.registry import CRITERIA
from labelleak_lib.results import against_paper, exact_silent, surveyed, worth
from labelleak_lib.results.exact_silent import MOST
from labelleak_lib.results.markdown import rows_of
from labelleak_lib.results.summary import TRIAL, attackers, compare, passing
from labelleak_lib.theory.collapse import collapse_fraction

LABELS, JOINT = exact_silent.LABEL_ROW, exact_silent.JOINT_ROW


def provider(records: pd.DataFrame) -> list[str]:
    """Say what whoever publishes an unlearned model gives away, even with a perfect method."""
    asked, searched = rows_of(exact_silent.table(records, (LABELS, JOINT)))
    perfect = rows_of(exact_silent.table(records[records.unlearning == "RT"], (LABELS, JOINT)))
    queries = int(attackers(passing(records), *LABELS).queries.max())
    gone = "A perfect method does not help: what gives the class away is that it is gone."
    moral = gone if perfect[0].both > MOST else "A perfect method does help."
    says = "mostly says" if asked.both > MOST else "sometimes says"
    return [
        "## If you publish a model",
        f"A model that has forgotten a class hardly ever answers with it, and that silence {says} which class it was. "
        f"{queries:,} images that have nothing to do with the task, answered with labels alone, name the forgotten "
        "class and no other, and nobody on the original model, for "
        f"{exact_silent.shown(asked)} of {asked.n} targets; with probabilities and a search among smooth images it is "
        f"{exact_silent.shown(searched)}.",
        f"{moral} Of the models retrained without it, which never saw it, labels name it for "
        f"{exact_silent.shown(perfect[0])} and the search for {exact_silent.shown(perfect[1])}. "
        f"With one class forgotten: {worth.hard_cells(records, *LABELS)}",
        "What can be done about it, and at what price, is measured in the chapter on "
        "[defences](chapters/10_defences.ipynb).",
    ]


def auditor(records: pd.DataFrame) -> list[str]:
    """Say what a success rate has to be compared with."""
    rates = compare(records, "asr", "paper", PAPER_ROWS)
    highest, floor = rates.placebo.max(), rates.chance.max()
    rules = exact_silent.table(records, [row for row in PAPER_ROWS if row[1] in ("threshold", "kmeans", "entropy")])
    return [
        "## If you audit one",
        "Run every attack on the original model too. With the labels of the published protocol an attack scores up to "
        f"{highest:.0f}% there, where there is nothing to find.",
        "Use a rule that can say nothing. Of the published rules that need no labels the most restrained is silent on "
        f"{100 * rules.silent.max():.0f}% of the models from which nothing was forgotten; the rule of reach is on "
        f"{100 * exact_silent.table(records, [JOINT]).silent.iloc[0]:.0f}%. The answer that nothing was forgotten is "
        f"right for {floor:.0f}% of the classes, so that a success rate says little.",
        "The [audit chapter](chapters/09_audit.ipynb) judges a model or an unlearning method of your own.",
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
    compared = worth.search_or_not(records)
    lessons = [
        "## If you write an attack",
        f"Compare it with inputs that took no effort, under one rule. {compared}".rstrip(),
    ]
    agreement = list(surveyed.stored("agreement").values())
    if agreement:
        unlearned = pd.concat(agreement).query("method != 'M_o'").deployed.dropna()
        lessons.append(
            "An auxiliary head is a detour. Its dot product with the target's last layer follows how surely the target "
            f"classifies the head's samples (median correlation {unlearned.median():.2f} over {len(unlearned)} "
            "targets), which asking the target tells directly ([Theory](chapters/01_theory.ipynb))."
        )
    return lessons + collapse(everything)


def collapse(records: pd.DataFrame) -> list[str]:
    """Say how the threshold criterion fares on either side of its collapse point (nothing without records of both)."""
    chosen = passing(records[(records.criterion == "threshold") & (records.protocol == "attacker")])
    share = collapse_fraction(CRITERIA["threshold"]().alpha)
    beyond = chosen.k >= share * chosen.classes
    # data sets with runs on both sides, so that both shares are of the same ones
    both = beyond.groupby(chosen.dataset).transform("nunique") == 2
    chosen, beyond = chosen[both], beyond[both]
    if chosen.empty:
        return []
    by_set = (chosen.predicted != "").groupby([beyond.rename("beyond"), chosen.control, chosen.dataset]).mean()
    named = by_set.groupby(["beyond", "control"]).mean().map("{:.0%}".format)
    below, above = (
        f"{named[side, 'none']} of the targets and {named[side, 'placebo']} of the originals" for side in (False, True)
    )
    return [
        f"A threshold made of mean and deviation cannot find many classes: from {share:.0%} of the classes on it "
        "lies, by arithmetic, below every forgotten one, if inversion succeeds for the others alone. Below that share "
        f"it named a class of {below}, from there on of {above} "
        "([Class-count sweep](chapters/07_class_count_sweep.ipynb))."
    ]


def reader(records: pd.DataFrame) -> list[str]:
    """Say which published rates come out again, and what the printed numbers give away by themselves."""
    rates = compare(records, "asr", "paper", PAPER_ROWS)
    unseen = published.unlearning_accuracy().query("unlearning == 'RT' and forget_after > 5")
    odd, slips = len(granularity.misfits()), int(granularity.row_mean_mismatch().mismatch.sum())
    datasets = ", ".join(sorted(set(unseen.dataset)))
    assumed = [table for name, table in surveyed.stored("assumptions").items() if name in published.datasets()]
    theory = ""
    if assumed:
        holds = pd.concat(assumed).holds
        theory = (
            f" Of the assumptions behind the parameter attacks that can be measured on trained networks, {holds.sum()} "
            f"of {len(holds)} hold; the others are not needed ([Theory](chapters/01_theory.ipynb))."
        )
    return [
        "## If you read the paper",
        f"Of its {len(rates)} mean rates, measured here: {against_paper.sides(rates)}.{theory}",
        f"Some printed numbers do not fit what is said of them: {len(unseen)} accuracies of retrained models on "
        f"classes that these never saw ({datasets}), {odd} rates that no count of the stated trials gives, and "
        f"{slips} of the printed means, which is not the mean of its row. None of them decides the question "
        "([Controls](chapters/08_controls.ipynb)).",
    ]
