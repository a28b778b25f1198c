"""The audit of one model."""

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from tqdm import tqdm

from labelleak_lib import __version__
from labelleak_lib.attacks.reach import relative_reach
from labelleak_lib.audit.flags import Learnt, flags_of
from labelleak_lib.audit.loading import load_target
from labelleak_lib.audit.null import comparable
from labelleak_lib.audit.racing import Found, Racing
from labelleak_lib.audit.report import AuditReport, verdict_of
from labelleak_lib.audit.samples import as_samples, natural
from labelleak_lib.audit.targets import FIRST, Target, answering, normalised, of_module, outputs_of
from labelleak_lib.checks import require, require_choice, require_int, require_number
from labelleak_lib.criteria.calibrated import LEVEL, AgainstReferences, against_references
from labelleak_lib.evidence import Floats
from labelleak_lib.models.access import BlackBox
from labelleak_lib.space import InputSpace
from labelleak_lib.trials.seeds import make_generator

Model = Target | nn.Module | Callable[..., Any] | str | Path
LEAST = 3
"""References from which on they are compared with."""


def audit(
    target: Model, space: InputSpace | None = None, *, samples: Any = None,
    references: Sequence[Model] | str | Path | None = None, labels_only: bool = False, budget: int | None = None,
    level: float = LEVEL, seed: int = 0, classes: int | None = None, class_names: Sequence[str] | None = None,
    outputs: str = "auto", mean: Sequence[float] | None = None, std: Sequence[float] | None = None,
    factory: Any = None, device: str = "auto", batch_size: int = 512, progress: bool = True,
) -> AuditReport:  # fmt: skip
    """Say which classes a model behaves as if it had hardly ever seen.

    Parameters
    ----------
    target : nn.Module, callable, str, Path or Target
        The model: a module, which stays as it is; a function of a float32 batch `(n, *shape)`; or a file (see
        `labelleak_lib.load_target`).
    space : InputSpace, optional
        Where its inputs live; needed unless the file says so.
    samples : Samples, pair of arrays, str or Path, optional
        Labelled samples (see `audit.samples.as_samples`); they exonerate classes that the model knows.
    references : sequence of models, or a folder of files, optional
        Never-unlearned models of the same recipe. From 19 on, the level of 5% holds for this very recipe.
    labels_only : bool
        Read the most probable class alone.
    budget : int, optional
        Inputs that the model is asked about, at most.
    level : float
        A class is named when its p-value is at most this.
    seed : int
        Draws the inputs.
    classes, class_names : int, sequence of str, optional
        Number of classes, where labels alone are answered; what they are called.
    outputs : {"auto", "either", "probabilities", "logits", "labels"}
        What the model answers. "auto" is "either" of a module; a function has to answer probabilities or integers.
    mean, std : sequence of float, optional
        Normalisation between the box and the model, one number a channel or feature.
    factory, device
        As in `labelleak_lib.load_target`, for files.
    batch_size : int
        Inputs that the model gets at a time.
    progress : bool
        Show a bar in a terminal.

    Returns
    -------
    AuditReport

    Raises
    ------
    ValueError
        A parameter is wrong, or the model's answers are not what was promised; one sentence says what would be right.

    Examples
    --------
    >>> def model(x):  # three classes by brightness; the fourth is never answered
    ...     return torch.softmax(torch.stack([-x.mean(1), x.mean(1), x[:, 0], x[:, 0] - 9], dim=1), dim=1)
    >>> audit(model, InputSpace.vectors(6, -3, 3), progress=False).forgotten
    frozenset({3})
    """
    start, read = time.monotonic(), {"factory": factory, "device": device}
    require_number("level", level, above=0, high=1)
    require_int("seed", seed, low=0)
    require_int("batch_size", batch_size, low=1)
    if budget is not None:
        require_int("budget", budget, low=FIRST + 1)
    model = normalised(as_target(target, outputs, **read), mean, std)
    lives = space or model.space
    if lives is None:
        raise ValueError("space is None; it must be an InputSpace: nothing says which inputs the model takes")
    asked, c = outputs_of(model, lives, classes)
    labels_only = labels_only or asked.outputs == "labels"
    names = _names(class_names, c)
    others = [normalised(as_target(each, outputs, **read), mean, std) for each in _listed(references)]
    require(not others or len(others) >= LEAST, "number of references", len(others), f"at least {LEAST}")
    held = None if samples is None else as_samples(samples, lives, c)
    left = None if budget is None else budget - FIRST
    box = BlackBox(answering(asked, c, batch_size), c, lives, labels_only=labels_only, budget=left)
    accuracy = None if held is None else _accuracy(box, *held)
    found = _searched(box, seed, progress)
    compared = _against(others, found, c, lives, labels_only, batch_size, level, seed)
    learnt = Learnt(found, labels_only, len(lives.shape) == 1, accuracy, compared, len(others))
    null = comparable(c, labels_only=labels_only, inputs=0 if found.complete else max(1, found.inputs))
    relative = relative_reach(found.reach) if np.isfinite(found.reach).all() else np.full(c, np.nan)
    p_values = null.p_values(relative)
    flags, stop = flags_of(learnt, null, level)
    named = frozenset() if stop else learnt.named(p_values, level)
    table = pd.DataFrame({
        "class": np.arange(c), "name": names, "reach": found.reach, "relative_reach": relative,
        "answered": found.answered, "p_value": p_values,
        "verdict": ["" if stop else learnt.said_of(i, i in named) for i in range(c)],
    })  # fmt: skip
    if accuracy is not None:
        table["accuracy"] = accuracy
    decisive = compared if learnt.decided_by_references(level) else None
    return AuditReport(
        verdict=verdict_of(named, names, found, stop), forgotten=named,
        p_value=float("nan") if stop else decisive.p_value if decisive else float(p_values.min()),
        classes=table, flags=tuple(flags), queries=FIRST + box.queries, seconds=time.monotonic() - start, null=null,
        status=found.stopped or "complete", labels_only=labels_only, level=level,
        reproduce={
            "call": _call(asked, lives, labels_only, budget, level, seed), "seed": seed,
            "versions": {"labelleak": __version__, "torch": str(torch.__version__), "numpy": np.__version__,
                         "python": platform.python_version()},
        },
    )  # fmt: skip


def as_target(target: Model, outputs: str = "auto", **read: Any) -> Target:
    """Return any model that can be audited as a `Target`."""
    require_choice("outputs", outputs, ("auto", "either", "probabilities", "logits", "labels"))
    if isinstance(target, str | Path):
        return load_target(target, outputs=outputs, **read)
    if isinstance(target, Target):
        return target if outputs == "auto" else replace(target, outputs=outputs)
    return of_module(target, outputs) if isinstance(target, nn.Module) else Target(target, outputs, name=_name(target))


def _name(target: Any) -> str:
    return str(getattr(target, "__qualname__", type(target).__name__))


def _names(given: Sequence[str] | None, c: int) -> list[str]:
    names = [str(i) for i in range(c)] if given is None else [str(name) for name in given]
    require(len(names) == c, "class_names", f"{len(names)} names", f"{c} names, one a class")
    return names


def _listed(references: Sequence[Model] | str | Path | None) -> list[Model]:
    if references is None:
        return []
    if isinstance(references, str | Path):
        folder = Path(references)
        require(folder.is_dir(), "references", str(folder), "an existing folder of model files")
        return [path for path in sorted(folder.iterdir(), key=natural) if path.is_file() and path.name[0] != "."]
    return list(references)


def _accuracy(box: BlackBox, inputs: torch.Tensor, labels: torch.Tensor) -> Floats:
    """Return the accuracy on each class's samples, float (C,), NaN where there are none."""
    right = (box.query(inputs).argmax(1).cpu() == labels).numpy()
    counts = np.bincount(labels.numpy(), minlength=box.classes)
    hits = np.bincount(labels.numpy(), weights=right, minlength=box.classes)
    return np.divide(hits, counts, out=np.full(box.classes, np.nan), where=counts > 0)


def _searched(box: BlackBox, seed: int, progress: bool) -> Found:
    search = Racing()
    with tqdm(total=search.inputs, unit=" inputs", desc="audit", disable=None if progress else True) as bar:

        def tell(asked: int, left: int) -> None:
            bar.set_postfix_str(f"{left} of {box.classes} classes not reached", refresh=False)
            bar.total = max(int(bar.total or 0), int(bar.n) + asked)
            bar.update(asked)

        return search.run(box, generator=make_generator(seed, "audit"), tell=tell)


def _against(
    others: Sequence[Target], found: Found, c: int, space: InputSpace, labels_only: bool, batch_size: int, level: float,
    seed: int,
) -> AgainstReferences | None:  # fmt: skip
    """Compare the target with reference models by what the same random inputs reach in each."""
    if not others or found.stopped == "interrupted" or not found.inputs:
        return None
    n = min(found.inputs, Racing().inputs)
    rows = []
    for other in others:
        asked, width = outputs_of(other, space, c)
        require(width == c, "a reference's number of classes", width, str(c))
        box = BlackBox(answering(asked, c, batch_size), c, space, labels_only=labels_only)
        rows.append(Racing(inputs=n, rounds=0).run(box, generator=make_generator(seed, "audit")).passive)
    scores = [-relative_reach(row) if not labels_only else -np.log1p(row) for row in (found.passive, *rows)]
    return against_references(np.nan_to_num(scores[0]), np.nan_to_num(scores[1:]), level)


def _call(target: Target, space: InputSpace, labels_only: bool, budget: int | None, level: float, seed: int) -> str:
    said = "" if not labels_only else ", labels_only=True"
    limit = "" if budget is None else f", budget={budget}"
    return f"labelleak_lib.audit({target.name}, space={space!r}{said}{limit}, level={level}, seed={seed})"
