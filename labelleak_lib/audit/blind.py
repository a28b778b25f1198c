"""Audits: verdicts on a reader's unlearning method, and what attacks name in a checkpoint of unknown history."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.checks import require, require_int
from labelleak_lib.models.access import BlackBox, WhiteBox, WhiteBoxWithSamples
from labelleak_lib.models.checkpoints import load_checkpoint, save_checkpoint
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.devices import resolve_device
from labelleak_lib.names import row_name
from labelleak_lib.registry import CRITERIA
from labelleak_lib.results.markdown import Markdown, numbered
from labelleak_lib.trials.grants import unrelated_images
from labelleak_lib.trials.originals import unlearned_model
from labelleak_lib.trials.seeds import make_generator
from labelleak_lib.trials.specification import TrialSpec

NEEDS_LABELS = ("youden", "decision_tree")
SILENT = ("trivial", "random")


def load_for(spec: TrialSpec, path: Path, known: Sequence[int] | None = None) -> Classifier:
    """Read the checkpoint at `path`, written by `save_checkpoint`, to audit it on the data set of `spec`.

    ValueError if the file is no such checkpoint, the model does not fit the data, or a class `known` to be retained is
    out of range; that is checked here, before anything is computed.
    """
    model = load_checkpoint(path)
    for c in known or ():
        require_int("known class", c, low=0, high=spec.data.classes - 1)
    held, wanted = model.spec, spec.model_spec
    fits = (held.classes, held.shape) == (wanted.classes, wanted.shape)
    valid = f"of a model with {wanted.classes} classes and images of shape {wanted.shape}"
    require(fits, "checkpoint", f"{path} ({held.classes} classes, images of shape {held.shape})", valid)
    return model.to(resolve_device(spec.device))


def stand_in(spec: TrialSpec) -> Classifier:
    """Return a retrained model as an auditor gets one: written as a checkpoint and read again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "target.safetensors"
        save_checkpoint(unlearned_model(spec, "RT"), path)
        return load_for(spec, path)


def blind_audit(spec: TrialSpec, model: Classifier, known: frozenset[int] = frozenset()) -> pd.DataFrame:
    """Run every attack on a model of which nothing is known, and collect the classes that each criterion names.

    The trial gives the data set, the attacks' hyperparameters and the attack seed; its forgotten classes are not read.
    Criteria that need labels run only if a class is `known` to be retained. One line an attack and criterion:
    ``attack criterion row named`` (tuple of int).
    """
    granted: dict[str, Any] = {
        "black_box": BlackBox.of(model),
        "labels_only": BlackBox.of(model, labels_only=True),
        "white_box": WhiteBox(model),
        "white_box_with_samples": WhiteBoxWithSamples(model, spec.part("pool"), unrelated_images(spec), known),
    }
    lines = []
    for name, attack in spec.settings.attacks.items():
        criteria = [c for c in attack.criteria if known or c not in NEEDS_LABELS]
        if name in SILENT or not criteria:
            continue
        access = granted[attack.access_kind]
        evidence = attack.evidence(access, generator=make_generator(spec.attack_seed, "attack", name, "audit"))
        for criterion in criteria:
            decided = CRITERIA[criterion]().decide(evidence)
            shown = CRITERIA.title(criterion) or criterion.replace("_", " ")
            found = {"attack": name, "criterion": criterion, "row": f"{row_name(name, '')}, {shown}"}
            lines.append(found | {"named": tuple(sorted(decided))})
    return pd.DataFrame(lines, columns=["attack", "criterion", "row", "named"])


def votes(named: pd.DataFrame, class_names: Sequence[str]) -> pd.DataFrame:
    """Count the attacks that name each class: ``class votes share``, one line a class.

    An attack has one vote, shared among its criteria, so that one with many criteria does not count more.
    """
    total = np.zeros(len(class_names))
    for _, group in named.groupby("attack"):
        for found in group.named:
            total[list(found)] += 1 / len(group)
    return pd.DataFrame({"class": list(class_names), "votes": total, "share": total / named.attack.nunique()})


def names_table(named: pd.DataFrame, class_names: Sequence[str], *, name: str) -> Markdown:
    """Write what each attack names as a Markdown table, numbered in the book under the label `name`."""
    listed = [", ".join(class_names[c] for c in found) or "none" for found in named.named]
    text = pd.DataFrame({"attack": named.row, "classes named": listed}).to_markdown(index=False)
    return numbered(text, "Classes that each attack names in the checkpoint", name)
