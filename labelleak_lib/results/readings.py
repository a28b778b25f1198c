"""What random inputs and free readings say, as frames."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from labelleak_lib.paper.published import unlearning_accuracy
from labelleak_lib.results.inverted import kinds
from labelleak_lib.trials.records import with_cells

INPUTS = ("random_inputs", "random_noise", "random_photos")
STATISTICS = ("mean_log", "highest", "answered")


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
