"""Chapter 09's audit: of a reader's model, or of a stand-in whose forgotten class the page pretends not to know."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from labelleak_lib.audit.loading import load_target
from labelleak_lib.audit.report import AuditReport
from labelleak_lib.audit.run import audit
from labelleak_lib.audit.targets import Target
from labelleak_lib.command import lengths
from labelleak_lib.models.checkpoints import save_checkpoint
from labelleak_lib.space import InputSpace
from labelleak_lib.trials.originals import unlearned_model
from labelleak_lib.trials.specification import TrialSpec

Shape = str | int | Sequence[int] | None


def stand_in(spec: TrialSpec) -> Target:
    """Return a retrained model as an auditor gets one: written as a file and read again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "target.safetensors"
        save_checkpoint(unlearned_model(spec, "RT"), path)
        return load_target(path, device=spec.device)


def blind_audit(
    spec: TrialSpec, model: str | None = None, *, factory: str | None = None, shape: Shape = None,
    labels_only: bool = False, budget: int | None = None, references: str | None = None,
) -> AuditReport:  # fmt: skip
    """Audit the file `model`, or the trial's stand-in where none is named, by the options of `labelleak_lib.audit`.

    `shape` is a list, text like "3,32,32", or the length of a vector. Of the trial the attack seed and the
    device are read, and the names of the classes for the stand-in.
    """
    space = None
    if shape is not None:
        try:
            given = shape.strip("[](), ") if isinstance(shape, str) else ",".join(map(str, np.atleast_1d(shape)))
            space = InputSpace(lengths(given))
        except (TypeError, ValueError) as error:
            raise ValueError(f"shape is {shape!r}; it must be lengths like 3,32,32") from error
    target, names = (stand_in(spec), spec.data.class_names) if model is None else (model, None)
    return audit(
        target, space, factory=factory, references=references, labels_only=labels_only, budget=budget,
        class_names=names, device=spec.device, seed=spec.attack_seed, progress=False,
    )  # fmt: skip
