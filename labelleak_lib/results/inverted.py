"""What inversions found, as frames: maximum prediction probabilities, and what a search costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from labelleak_lib.attacks.genetic_inversion import GeneticInversion
from labelleak_lib.data.samples import Samples, to_input
from labelleak_lib.models.classifier import Classifier, predict_proba
from labelleak_lib.names import in_order
from labelleak_lib.trials.records import with_cells

Floats = NDArray[np.floating]
KINDS = ("retained", "forgotten")
PEAKS = ["dataset", "k", "unlearning", "control", "trial", "class", "kind", "peak"]


def kinds(classes: int, forgotten: str | Sequence[int]) -> NDArray[np.str_]:
    """Return "forgotten" or "retained" for every class: (classes,); `forgotten` as in a record or as indices."""
    listed = [int(c) for c in forgotten.split(",")] if isinstance(forgotten, str) else list(forgotten)
    return np.where(np.isin(np.arange(classes), listed), "forgotten", "retained")


def peak_frame(records: pd.DataFrame, evidence: pd.DataFrame, attack: str) -> pd.DataFrame:
    """Return the maximum prediction probability m_c of every inverted class, one row each.

    Parameters
    ----------
    records, evidence : DataFrame
        Of `sweep.collect` or of a record store.
    attack : str
        ``whitebox_inversion`` or ``blackbox_inversion``.

    Returns
    -------
    DataFrame
        With columns ``dataset k unlearning control trial class kind peak``; ``control`` is ``none`` for M_u and
        ``placebo`` for M_o, ``peak`` lies in 0 .. 1.
    """
    parts = []
    for row, ipv, cell in with_cells(evidence[(evidence.attack == attack) & (evidence.kind == "ipv")], records):
        peak = ipv.max(1)
        shared = {name: cell[name] for name in ("dataset", "k", "unlearning", "trial")}
        values = {"class": np.arange(len(peak)), "kind": kinds(len(peak), cell.forgotten), "peak": peak}
        parts.append(pd.DataFrame(values).assign(**shared, control=row["control"])[PEAKS])
    return in_order(pd.concat(parts, ignore_index=True)) if parts else pd.DataFrame(columns=PEAKS)


def real_peaks(models: Mapping[str, Classifier], samples: Samples, forgotten: Sequence[int]) -> pd.DataFrame:
    """Return the mean over each class's samples of the maximum prediction probability.

    Parameters
    ----------
    models : mapping of str to Classifier
        ``none`` (M_u) and ``placebo`` (M_o).

    Returns
    -------
    DataFrame
        Columns ``control class kind peak``.
    """
    parts = []
    for control, model in models.items():
        peak = predict_proba(model, samples.images).amax(1).cpu()
        classes = model.spec.classes
        mean = [float(peak[samples.labels == c].mean()) for c in range(classes)]
        values = {"class": np.arange(classes), "kind": kinds(classes, forgotten), "peak": mean}
        parts.append(pd.DataFrame(values).assign(control=control))
    return pd.concat(parts, ignore_index=True)


def cost_curves(
    history: Floats, steps: Floats, probe: Floats, forgotten: str | Sequence[int], search: GeneticInversion
) -> pd.DataFrame:
    """Return the mean highest probability by kind of class and queries spent, of the search and of random inputs.

    Parameters
    ----------
    history, steps : ndarray
        (m, C) probability of the class aimed at in each generation of `steps` (m,), counted from 0.
    probe : ndarray
        Of `controls.RandomInputs.evidence`.
    forgotten : str or sequence of int
        As for :func:`kinds`.
    search : GeneticInversion
        Whose queries to count.

    Returns
    -------
    DataFrame
        Columns ``search kind queries peak``. Random inputs serve all classes at once.
    """
    classes = history.shape[1]
    found = {
        "genetic search": (classes * (search.population + steps * (search.population - search.elites)), history),
        "random blobs": (probe[:, 0], probe[:, 1 + classes : 1 + 2 * classes]),
    }
    parts = []
    for name, (queries, best) in found.items():
        for kind in KINDS:
            mean = best[:, kinds(classes, forgotten) == kind].mean(1)
            parts.append(pd.DataFrame({"search": name, "kind": kind, "queries": queries, "peak": mean}))
    return pd.concat(parts, ignore_index=True)


def mean_images(samples: Samples, classes: int) -> Floats:
    """Return the mean image of every class in 0 .. 1: float (classes, channels, height, width)."""
    images = to_input(samples.images)
    return np.stack([images[samples.labels == c].mean(0).numpy() for c in range(classes)])
