"""Records, evidence and checks of figures that several tests share."""

import itertools

import numpy as np
import pandas as pd

from labelleak_lib.names import PAPER_METHODS, PAPER_ROWS
from labelleak_lib.results import exact_silent
from labelleak_lib.results.summary import CONTROL_ROWS
from labelleak_lib.trials.judging import COLUMNS, EVIDENCE_COLUMNS


def record(attack="dot_product", criterion="youden", **values):
    trial = values.get("trial", 0)
    defaults = dict.fromkeys(COLUMNS, 0.0) | {
        "dataset": "mnist", "architecture": "lenet", "profile": "paper", "seed": 0, "trial": 0, "k": 1,
        "forgotten": str(trial), "unlearning": "RT", "control": "none", "attack": attack, "criterion": criterion,
        "protocol": "paper", "asr": 1.0, "balanced_accuracy": 1.0, "exact_match": 1.0, "auc": 1.0, "unlearned": True,
        "flags": "", "classes": 10, "predicted": "", "data_variant": "v", "code_version": "0",
    }  # fmt: skip
    filled = defaults | values
    cell = "-".join(str(filled[name]) for name in ("dataset", "unlearning", "k", "trial"))
    original = f"{filled['dataset']}-{filled['trial']}"
    return filled | {"config_hash": values.get("config_hash", cell), "original": values.get("original", original)}


def pair(asr, placebo, **others):
    """Return a record and its placebo."""
    return [record(asr=asr, **others), record(asr=placebo, control="placebo", **others)]


def frame(*pairs):
    return pd.DataFrame([row for both in pairs for row in both], columns=COLUMNS)


ROWS = tuple(dict.fromkeys((*PAPER_ROWS, *CONTROL_ROWS, *exact_silent.ROWS)))


def full_records(dataset="mnist", trials=3, *, target=1.0, placebo=0.5, **values):
    """Return every row of `trials` trials under all methods, with one value for targets and one for placebos."""
    rows = [
        record(a, c, dataset=dataset, trial=t, forgotten=str(t), unlearning=code, protocol=protocol, control=control,
               **dict.fromkeys(("asr", "balanced_accuracy", "exact_match"), value), **values)
        for t in range(trials) for code in PAPER_METHODS for a, c in ROWS
        for protocol in ("paper", "attacker") for control, value in (("none", target), ("placebo", placebo))
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def evidence_of(records, kind, arrays, attack, control="none"):
    """Return evidence rows of one kind: one array a config hash, in the order of the records."""
    hashes = list(dict.fromkeys(records.config_hash))
    rows = [
        [digest, control, attack, "paper,attacker", kind, np.array(np.shape(array)),
         np.asarray(array, dtype="<f4").tobytes()]
        for digest, array in zip(hashes, arrays, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=EVIDENCE_COLUMNS)


PHONE = 337
"""Width in pixels that a figure has on a screen of 400."""


def well_formed(figure):
    """Check what every figure owes its readers: labelled axes, a legible size, words apart, and a rendering."""
    shown = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    assert any(ax.get_ylabel() or [t.get_text() for t in ax.get_yticklabels()] for ax in shown)
    assert any(ax.get_xlabel() or [t.get_text() for t in ax.get_xticklabels()] for ax in shown)
    figure.canvas.draw()
    sizes = [text.get_fontsize() for ax in shown for text in (ax.xaxis.label, ax.yaxis.label, ax.title)]
    assert min(sizes) >= 9
    # a phone shrinks the figure to its own width: no letter there below 6 pixels
    assert min(sizes) * PHONE / (72 * figure.get_figwidth()) >= 6
    written = [(text, text.get_window_extent()) for ax in shown for text in ax.texts if text.get_text().strip()]
    for (one, first), (other, second) in itertools.combinations(written, 2):
        assert not first.overlaps(second), f"{one.get_text()!r} and {other.get_text()!r} overlap"
    return shown
