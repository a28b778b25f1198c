"""What inversions found, as frames: maximum prediction probabilities, and what a search costs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from labelleak_lib.criteria.arithmetic import below_threshold
from labelleak_lib.data.samples import Samples, to_input
from labelleak_lib.evidence import Floats
from labelleak_lib.models.classifier import Classifier, predict_proba
from labelleak_lib.names import in_order
from labelleak_lib.trials.judging import with_cells

CLASS = ["dataset", "k", "unlearning", "attack", "control", "trial", "class", "kind"]


def kinds(classes: ArrayLike, forgotten: str | Sequence[int]) -> NDArray[np.str_]:
    """Return "forgotten" or "retained" for each of `classes` (n,); `forgotten` as in a record or as indices.

    >>> kinds(range(3), "0,2").tolist()
    ['forgotten', 'retained', 'forgotten']
    """
    listed = [int(c) for c in forgotten.split(",")] if isinstance(forgotten, str) else list(forgotten)
    return np.where(np.isin(classes, listed), "forgotten", "retained")


def class_frame(
    records: pd.DataFrame,
    evidence: pd.DataFrame,
    columns: Sequence[str],
    read: Callable[[Mapping[str, Any], Floats], Iterable[Sequence[Any]]],
) -> pd.DataFrame:
    """Return one row a class of what `read` makes of each stored array of `evidence`.

    `read` takes an evidence row and its array, and returns one or several tuples of `columns`, each a number or an
    array (C,). They stand beside ``dataset k unlearning attack control trial class kind``; ``control`` is ``none`` for
    M_u and ``placebo`` for M_o.
    """
    parts = []
    for row, array, cell in with_cells(evidence, records):
        shared = {name: cell[name] for name in ("dataset", "k", "unlearning", "trial")}
        shared |= {"attack": row["attack"], "control": row["control"]}
        classes = np.arange(int(cell.classes))
        side = {"class": classes, "kind": kinds(classes, cell.forgotten)}
        for values in read(row, array):
            parts.append(pd.DataFrame({**side, **dict(zip(columns, values, strict=True))}).assign(**shared))
    order = [*CLASS, *columns]
    return pd.concat(parts, ignore_index=True)[order] if parts else pd.DataFrame(columns=order)


def peak_frame(records: pd.DataFrame, evidence: pd.DataFrame, attack: str) -> pd.DataFrame:
    """Return the maximum prediction probability ``peak`` (m_c, 0 .. 1) of every class that `attack` inverted."""
    held = evidence[(evidence.attack == attack) & (evidence.kind == "ipv")]
    return in_order(class_frame(records, held, ["peak"], lambda row, ipv: [(ipv.max(1),)]))


def with_means(peaks: pd.DataFrame, by: str) -> pd.DataFrame:
    """Add a column ``mean``: the mean peak of the row's model, kind of class, and value of `by`."""
    return peaks.assign(mean=peaks.groupby(["control", "kind", by], sort=False).peak.transform("mean"))


def screened(peaks: pd.DataFrame, alpha: float = 1.0) -> pd.DataFrame:
    """Add, to the peaks of one cell, ``tau`` (mean less `alpha` deviations over a model's classes) and ``accused``."""
    by_model = peaks.groupby("control").peak
    tau = by_model.transform("mean") - alpha * by_model.transform("std", ddof=0)
    return peaks.assign(tau=tau, accused=by_model.transform(lambda peak: below_threshold(peak, alpha)).astype(bool))


def real_peaks(models: Mapping[str, Classifier], samples: Samples, forgotten: Sequence[int]) -> pd.DataFrame:
    """Return the mean over each class's samples of the maximum prediction probability: ``control class kind peak``.

    `models` are ``none`` (M_u) and ``placebo`` (M_o).
    """
    rows = []
    for control, model in models.items():
        peak = predict_proba(model, samples.images).amax(1).cpu()
        for c, kind in enumerate(kinds(range(model.spec.classes), forgotten)):
            rows.append((control, c, str(kind), float(peak[samples.labels == c].mean())))
    return pd.DataFrame(rows, columns=["control", "class", "kind", "peak"])


def cost_curves(history: Floats, spent: Floats, probe: Floats, forgotten: str | Sequence[int]) -> pd.DataFrame:
    """Return the mean highest probability of the search and of random inputs: ``search kind queries peak``.

    `history` (m, C) holds the probability of the class aimed at, `spent` (m,) the queries spent on all classes by then.
    `probe` is of `RandomInputs.evidence`, whose inputs serve all classes at once: the number of inputs, C mean
    log-probabilities, C highest probabilities and C counts a row.
    """
    classes = history.shape[1]
    side = kinds(range(classes), forgotten)
    searches = {"genetic search": (spent, history), "random blobs": (probe[:, 0], probe[:, 1 + classes :][:, :classes])}
    parts = []
    for name, (queries, best) in searches.items():
        for kind in ("retained", "forgotten"):
            peak = best[:, side == kind].mean(1)
            parts.append(pd.DataFrame({"search": name, "kind": kind, "queries": queries, "peak": peak}))
    return pd.concat(parts, ignore_index=True)


def mean_images(samples: Samples, classes: int) -> Floats:
    """Return the mean image of every class in 0 .. 1: float (classes, channels, height, width)."""
    images = to_input(samples.images)
    return np.stack([images[samples.labels == c].mean(0).numpy() for c in range(classes)])


def mean_answers(model: Classifier, samples: Samples) -> Floats:
    """Return the mean probabilities that a model gives for the samples of each class: (C, C), row c for class c."""
    answers = predict_proba(model, samples.images).cpu()
    return np.stack([answers[samples.labels == c].mean(0).numpy() for c in range(answers.shape[1])])
