"""Who can see what, and what models answer on average."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier, predict_proba
from labelleak_lib.names import ATTACK_NAMES, CRITERION_NAMES
from labelleak_lib.registry import ATTACKS
from labelleak_lib.trials.settings import PAPER_ROWS

SIGHTS = ("answers to queries", "parameters", "a few samples of every class")
GRANTS = {"black_box": SIGHTS[:1], "white_box": SIGHTS[:2], "white_box_with_samples": SIGHTS}


def access_table() -> pd.DataFrame:
    """Return who can see what: one line an attack x criterion row, from what each attack declares that it needs."""
    table = pd.DataFrame(PAPER_ROWS, columns=["attack", "criterion"])
    granted = table.attack.map(lambda name: GRANTS[ATTACKS[name].access_kind])
    seen = {name: granted.map(lambda held, name=name: "yes" if name in held else "no") for name in SIGHTS}
    return table.assign(attack=table.attack.map(ATTACK_NAMES), criterion=table.criterion.map(CRITERION_NAMES), **seen)


def mean_answers(model: Classifier, samples: Samples) -> NDArray[np.floating]:
    """Return the mean probabilities that a model gives for the samples of each class: (C, C), row c for class c."""
    answers = predict_proba(model, samples.images).cpu()
    return torch.stack([answers[samples.labels == c].mean(0) for c in range(answers.shape[1])]).numpy()
