"""What auxiliary heads, random inputs and free readings say, as frames and sentences."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from sklearn.metrics import roc_auc_score

from labelleak_lib.evidence import Floats
from labelleak_lib.names import in_order
from labelleak_lib.paper.published import accuracy_by_cell
from labelleak_lib.results.inverted import class_frame, kinds
from labelleak_lib.results.markdown import Markdown
from labelleak_lib.trials.judging import with_cells

HEADS = ["dataset", "k", "unlearning", "control", "trial", "source", "kind", "value"]
STATISTICS = ("mean_log", "highest", "answered")


def head_frame(records: pd.DataFrame, evidence: pd.DataFrame, attack: str, quantity: str) -> pd.DataFrame:
    """Return one row an auxiliary head of a candidate class, of the cells whose single heads are stored.

    Of `attack` (``dot_product`` or ``difference``) under the `paper` protocol; `quantity` is a kind of its evidence
    that holds one number a head, such as ``absolute_sum`` (``sum |w_u - w'|``). ``dataset k unlearning control trial
    source kind value``: ``kind`` is ``forgotten`` where the head's class ``source`` is (on the placebo: is called so).
    """
    same = (evidence.attack == attack) & (evidence.protocols == "paper")
    sources, values = (evidence[same & (evidence.kind == kind)] for kind in ("source", quantity))
    source_of = {(row["config_hash"], row["control"]): source for row, source, _ in with_cells(sources, records)}
    parts = []
    for row, value, cell in with_cells(values, records):
        source = source_of.get((row["config_hash"], row["control"]))
        if source is not None:
            candidate = source >= 0
            classes = source[candidate].astype(int)
            part = pd.DataFrame({"source": classes, "kind": kinds(classes, cell.forgotten), "value": value[candidate]})
            shared = {name: cell[name] for name in ("dataset", "k", "unlearning", "trial")}
            parts.append(part.assign(**shared, control=row["control"])[HEADS])
    return in_order(pd.concat(parts, ignore_index=True)) if parts else pd.DataFrame(columns=HEADS)


def drawn(heads: pd.DataFrame) -> Markdown:
    """Say how many heads a figure of them shows, and of how many trials of each data set.

    >>> print(drawn(pd.DataFrame({"dataset": ["digits"] * 4, "k": 1, "trial": [0, 0, 2, 2], "value": 0.5})))
    Drawn: 4 heads of digits (trials: 2).
    """
    if heads.empty:
        return Markdown("No single heads are stored for these trials.")
    trials = heads.drop_duplicates(["dataset", "k", "trial"]).groupby("dataset", sort=False).size()
    listed = ", ".join(f"{dataset} (trials: {count})" for dataset, count in trials.items())
    return Markdown(f"Drawn: {len(heads):,} heads of {listed}.")


def separation(sums: pd.DataFrame) -> Markdown:
    """Say, data set by data set, how far apart the summed differences of retained and forgotten classes' heads lie."""
    if sums.empty:
        return Markdown("No single heads are stored for these trials.")
    areas = {
        str(name): {side: roc_auc_score(part.kind == "forgotten", part.value) for side, part in own.groupby("control")}
        for name, own in sums.groupby("dataset", sort=False)
    }
    listed = "; ".join(f"{name} {area['none']:.2f} and {area['placebo']:.2f}" for name, area in areas.items())
    below = [name for name, area in areas.items() if area["none"] < 0.5]
    turned = f" Below one half, as on {', '.join(below)}, it is the smaller one more often." if below else ""
    return Markdown(
        "Were the two kinds as far apart as the argument says, a forgotten head's sum would always be the larger one: "
        f"an AUC of 1. At RT the AUC is, on the target and on the placebo: {listed}.{turned}"
    )


def unseen_accuracy(records: pd.DataFrame) -> pd.DataFrame:
    """Put the accuracy of retrained models on classes that they never saw beside the published one, in percent.

    ``dataset profile k trials measured highest published``; NaN where the paper prints nothing.
    """
    retrained = records[(records.unlearning == "RT") & (records.control == "none")]
    # a model may be of two profiles, where both train alike
    retrained = retrained.drop_duplicates(["profile", "config_hash"])
    retrained = retrained.assign(percent=100 * retrained.forget_acc_after)
    by_set = retrained.groupby(["dataset", "profile", "k"], sort=False).percent
    table = by_set.agg(trials="size", measured="mean", highest="max").reset_index()
    printed = accuracy_by_cell().query("unlearning == 'RT'").rename(columns={"forget_acc_after": "published"})
    return table.merge(printed[["dataset", "k", "published"]], on=["dataset", "k"], how="left")


def random_answers(records: pd.DataFrame, evidence: pd.DataFrame) -> pd.DataFrame:
    """Return what models answer to random inputs, one row a class and number of inputs.

    As of :func:`inverted.class_frame`, with ``inputs mean_log highest answered``: the number of inputs, the class's
    mean log-probability in nats, its highest probability, and the share of inputs answered with it.
    """

    def read(row: Mapping[str, Any], probe: Floats) -> list[tuple[Any, ...]]:
        sums = [(int(line[0]), *line[1:].reshape(3, -1)) for line in probe]
        return [(inputs, mean_log, highest, counts / inputs) for inputs, mean_log, highest, counts in sums]

    asked = (evidence.kind == "probe") & evidence.attack.str.startswith("random_")
    return class_frame(records, evidence[asked], ["inputs", *STATISTICS], read)


def answer_aucs(answers: pd.DataFrame) -> pd.DataFrame:
    """Return how well each statistic of random answers ranks forgotten classes first: mean AUC over cells, in 0 .. 1.

    Of the `answers` of :func:`random_answers`; columns ``attack control inputs mean_log highest answered``.
    """
    by, rows = ["attack", "control", "inputs"], []
    for key, group in answers.groupby([*by, "unlearning", "trial"], sort=False):
        lost = group.kind == "forgotten"
        rows.append((*key[:3], *(roc_auc_score(lost, -group[name]) for name in STATISTICS)))
    return pd.DataFrame(rows, columns=[*by, *STATISTICS]).groupby(by, sort=False).mean().reset_index()


def zero_query_scores(records: pd.DataFrame, evidence: pd.DataFrame) -> pd.DataFrame:
    """Return biases and row sums of the last layer, and the direct probe's accuracies, one row a class.

    As of :func:`inverted.class_frame`, with ``value``: the reading itself, low for a class that looks forgotten.
    """
    held = evidence[evidence.attack.isin(("head_bias", "head_row_sum", "direct_probe")) & (evidence.kind == "score")]

    def read(row: Mapping[str, Any], score: Floats) -> list[tuple[Any, ...]]:
        return [(1 - score if row["attack"] == "direct_probe" else -score,)]

    return class_frame(records, held, ["value"], read)
