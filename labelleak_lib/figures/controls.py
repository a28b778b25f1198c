"""Chapter 08: what the printed numbers can be, and what readings without a search see."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import binom
from sklearn.metrics import roc_auc_score

from labelleak_lib.figures.layout import bottom_legend
from labelleak_lib.figures.style import ATTACK_NAMES, FORGOTTEN_COLOUR, METHOD_ORDER, RETAINED_COLOUR, use_style
from labelleak_lib.inverted import kinds
from labelleak_lib.published import could_be_mean, granularity, unlearning_accuracy
from labelleak_lib.records import with_cells
from labelleak_lib.tables import ordered

COLOURS = {"retained": RETAINED_COLOUR, "forgotten": FORGOTTEN_COLOUR}
GROUPS = {
    "dot product": ("dot_product",),
    "difference, tree": ("difference",),
    "inversion": ("whitebox_inversion", "blackbox_inversion"),
}
INPUTS = ("random_inputs", "random_noise", "random_photos")
STATISTICS = ("mean_log", "highest", "answered")


def granularity_table(denominators: Sequence[int] = (400, 80, 200)) -> pd.DataFrame:
    """Test which counts could have produced the printed rates, beside how often any number would pass.

    Parameters
    ----------
    denominators : sequence of int
        Decisions a data set, as for :func:`published.granularity`.

    Returns
    -------
    DataFrame
        One line a group of attacks and denominator: ``group denominator numbers fit any_number chance``. ``fit`` of
        ``numbers`` printed rates pass; ``any_number`` is the share of all two-decimal numbers between the group's
        smallest and largest rate that pass; ``chance`` is the probability that so many of so many such numbers do.
    """
    table, rows = granularity(denominators), []
    for group, attacks in GROUPS.items():
        lines = table[table.attack.isin(attacks)]
        first, last = (round(100 * value) for value in (lines.asr_percent.min(), lines.asr_percent.max()))
        for n in denominators:
            passing = float(np.mean([could_be_mean(cents / 100, n) for cents in range(first, last + 1)]))
            fit = int(lines[f"fits_{n}"].sum())
            chance = float(binom.sf(fit - 1, len(lines), passing))
            found = {"group": group, "denominator": n, "numbers": len(lines), "fit": fit}
            rows.append(found | {"any_number": passing, "chance": chance})
    return pd.DataFrame(rows)


def misfits(denominator: int = 200, most: int = 200) -> pd.DataFrame:
    """Return the printed inversion rates that are no mean of counts out of `denominator`, and what they could be.

    Returns
    -------
    DataFrame
        ``table attack criterion unlearning asr_percent smallest``: the smallest number of decisions a data set, up to
        `most`, that can give the rate (0 if none).
    """
    table = granularity((denominator,))
    lines = table[table.attack.isin(GROUPS["inversion"]) & ~table[f"fits_{denominator}"]]
    smallest = [next((n for n in range(1, most) if could_be_mean(p, n)), 0) for p in lines.asr_percent]
    return lines[["table", "attack", "criterion", "unlearning", "asr_percent"]].assign(smallest=smallest)


def unseen_accuracy(records: pd.DataFrame) -> pd.DataFrame:
    """Put the accuracy of retrained models on classes that they never saw beside the published one, in percent.

    Parameters
    ----------
    records : DataFrame
        With `records.COLUMNS`.

    Returns
    -------
    DataFrame
        ``dataset profile k trials measured highest published``; NaN where the paper prints nothing.
    """
    retrained = records[(records.unlearning == "RT") & (records.control == "none")].drop_duplicates("config_hash")
    table = (
        retrained.groupby(["dataset", "profile", "k"], sort=False)
        .forget_acc_after.agg(["size", "mean", "max"])
        .reset_index()
    )
    printed = unlearning_accuracy()
    printed = printed[printed.unlearning == "RT"].assign(k=printed.scenario.map({"single": 1, "multi": 3}))
    table = table.merge(printed[["dataset", "k", "forget_after"]], on=["dataset", "k"], how="left")
    table[["mean", "max"]] *= 100
    return table.rename(columns={"size": "trials", "mean": "measured", "max": "highest", "forget_after": "published"})


def random_answers(records: pd.DataFrame, evidence: pd.DataFrame) -> pd.DataFrame:
    """Return what models answer to random inputs, one row a class and number of inputs.

    Parameters
    ----------
    records, evidence : DataFrame
        Of `sweep.collect` or of a record store.

    Returns
    -------
    DataFrame
        ``attack control unlearning trial inputs class kind mean_log highest answered``: the class's mean
        log-probability in nats, its highest probability, and the share of inputs answered with it.
    """
    parts = []
    for row, probe, cell in with_cells(evidence[evidence.kind == "probe"], records):
        classes = int(cell.classes)
        shared = {"attack": row["attack"], "control": row["control"], "unlearning": cell.unlearning}
        side = {"class": np.arange(classes), "kind": kinds(classes, cell.forgotten)}
        for line in probe:
            mean_log, highest, answered = line[1:].reshape(3, classes)
            values = {**side, "mean_log": mean_log, "highest": highest, "answered": answered / line[0]}
            parts.append(pd.DataFrame(values).assign(**shared, trial=int(cell.trial), inputs=int(line[0])))
    return pd.concat(parts, ignore_index=True)


def answer_aucs(answers: pd.DataFrame) -> pd.DataFrame:
    """Return how well each statistic of random answers ranks forgotten classes first: mean AUC over cells, in 0 .. 1.

    Parameters
    ----------
    answers : DataFrame
        Of :func:`random_answers`.

    Returns
    -------
    DataFrame
        ``attack control inputs mean_log highest answered``.
    """
    rows = []
    for (attack, control, inputs, *_), group in answers.groupby(
        ["attack", "control", "inputs", "unlearning", "trial"], sort=False
    ):
        lost = group.kind == "forgotten"
        aucs = {name: roc_auc_score(lost, -group[name]) for name in STATISTICS}
        rows.append({"attack": attack, "control": control, "inputs": inputs, **aucs})
    return pd.DataFrame(rows).groupby(["attack", "control", "inputs"], sort=False).mean().reset_index()


def highest_probabilities(answers: pd.DataFrame, searched: pd.DataFrame) -> Figure:
    """Draw the highest probability of each class over random inputs, beside what the genetic search reaches.

    Parameters
    ----------
    answers : DataFrame
        Of :func:`random_answers`.
    searched : DataFrame
        Of `inverted.peak_frame` for the black box: the maxima m_c of the search.
    """
    use_style()
    sources = [name for name in INPUTS if name in set(answers.attack)]
    figure, axes = plt.subplots(1, len(sources), figsize=(8, 3.5), sharey=True, squeeze=False)
    rng = np.random.default_rng(0)
    for ax, source in zip(axes[0], sources, strict=True):
        chosen = answers[(answers.attack == source) & (answers.control == "none")]
        counts = sorted(chosen.inputs.unique())
        for i, (kind, colour) in enumerate(COLOURS.items()):
            dots = [chosen[(chosen.kind == kind) & (chosen.inputs == n)].highest.to_numpy() for n in counts]
            dots.append(searched[(searched.kind == kind) & (searched.control == "none")].peak.to_numpy())
            for j, values in enumerate(dots):
                x = j + (i - 0.5) * 0.4 + rng.uniform(-0.12, 0.12, len(values))
                label = f"{kind} class" if j == 0 else None
                ax.plot(x, values, "o", color=colour, alpha=0.4, markersize=4, label=label)
        ax.axvline(len(counts) - 0.5, color="0.6", linewidth=1)
        ax.set_xticks(range(len(counts) + 1), [*map(str, counts), "search"], rotation=45)
        ax.set(title=ATTACK_NAMES[source], xlabel="random inputs", ylim=(-0.03, 1.05))
    axes[0][0].set_ylabel("highest probability of the class")
    bottom_legend(figure, axes[0])
    return figure


def zero_query_scores(evidence: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """Return biases and row sums of the last layer, and the direct probe's accuracies, one row a class.

    Returns
    -------
    DataFrame
        ``attack control unlearning trial class kind value``; the value is the reading itself, low for a class that
        looks forgotten.
    """
    read = evidence.attack.isin(("head_bias", "head_row_sum", "direct_probe")) & (evidence.kind == "score")
    parts = []
    for row, score, cell in with_cells(evidence[read], records):
        value = 1 - score if row["attack"] == "direct_probe" else -score
        side = {"class": np.arange(len(score)), "kind": kinds(len(score), cell.forgotten), "value": value}
        shared = {"attack": row["attack"], "control": row["control"], "unlearning": cell.unlearning}
        parts.append(pd.DataFrame(side).assign(**shared, trial=int(cell.trial)))
    return pd.concat(parts, ignore_index=True)


def readings(scores: pd.DataFrame) -> Figure:
    """Draw the readings of :func:`zero_query_scores` on target models, one dot a class, by unlearning method."""
    use_style()
    titles = {"head_bias": "bias of the last layer", "head_row_sum": "row sum of its weight"}
    titles["direct_probe"] = "accuracy on the pool"
    codes, rng = ordered(scores.unlearning, METHOD_ORDER), np.random.default_rng(0)
    figure, axes = plt.subplots(1, len(titles), figsize=(8, 3.4))
    for ax, (attack, title) in zip(axes, titles.items(), strict=True):
        for i, (kind, colour) in enumerate(COLOURS.items()):
            chosen = scores[(scores.attack == attack) & (scores.control == "none") & (scores.kind == kind)]
            at = np.array([codes.index(code) for code in chosen.unlearning]) + (i - 0.5) * 0.36
            x = at + rng.uniform(-0.1, 0.1, len(at))
            ax.plot(x, chosen.value, "o", color=colour, alpha=0.6, markersize=4, label=f"{kind} class")
        ax.set_xticks(range(len(codes)), codes)
        ax.set(title=title, xlabel="unlearning method")
    axes[0].set_ylabel("value of the reading")
    bottom_legend(figure, axes)
    return figure
