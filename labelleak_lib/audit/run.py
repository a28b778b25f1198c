"""`labelleak_lib.audit`: anybody's model, and what it behaves as if it had hardly ever seen."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from labelleak_lib.adapters.attended import first_lines
from labelleak_lib.adapters.undisturbed import undisturbed
from labelleak_lib.audit.asking import guarded
from labelleak_lib.audit.leaks import leaks
from labelleak_lib.audit.loading import load_target
from labelleak_lib.audit.plan import BUDGET, Plan
from labelleak_lib.audit.report import AuditReport
from labelleak_lib.audit.samples import as_samples
from labelleak_lib.audit.targets import FIRST, Target, normalised, of_module, outputs_of
from labelleak_lib.checks import require, require_choice, require_int, require_number
from labelleak_lib.criteria.calibrated import LEVEL
from labelleak_lib.data.class_names import in_order
from labelleak_lib.files import as_path
from labelleak_lib.space import InputSpace

Model = Target | nn.Module | Callable[..., Any] | str | Path
LEAST = 3
"""References from which on they are compared with."""
NOTES = (".md", ".txt", ".json")
"""Endings of what may lie beside the files of models in a folder, and is none."""


@undisturbed()
@first_lines("the model")
def audit(
    target: Model, space: InputSpace | None = None, *, samples: Any = None,
    references: Sequence[Model] | str | Path | None = None, labels_only: bool = False, budget: int | None = None,
    level: float = LEVEL, seed: int = 0, classes: int | None = None, class_names: Sequence[str] | None = None,
    outputs: str = "auto", mean: Sequence[float] | None = None, std: Sequence[float] | None = None,
    factory: Any = None, device: str = "auto", batch_size: int = 512, head: str | None = None,
    original: Model | None = None, forgotten: Iterable[int] | None = None, progress: bool = True,
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
        Inputs that the model is asked about, at most; `BUDGET` beside the samples where none is given. A search that
        ends by itself is rarely as long, but with hundreds of classes.
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
    head : str, optional
        Name of the last layer, where it is not found by itself; see `audit.head.head_of`.
    original : model, optional
        The model before unlearning, for who knows the truth and asks what leaks (`AuditReport.leaks`).
    forgotten : iterable of int, optional
        The truth: classes that `target` was made to forget. Goes with `original`; the verdict does not look at it.
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
    >>> import torch
    >>> def model(x):  # three classes by brightness; the fourth is never answered
    ...     return torch.softmax(torch.stack([-x.mean(1), x.mean(1), x[:, 0], x[:, 0] - 9], dim=1), dim=1)
    >>> audit(model, InputSpace.vectors(6, -3, 3), progress=False).forgotten
    frozenset({3})
    """
    valid = "an InputSpace, as in InputSpace((1, 28, 28))"
    require(space is None or isinstance(space, InputSpace), "space", space, valid)
    require_number("level", level, above=0, high=1)
    require_int("seed", seed, low=0)
    require_int("batch_size", batch_size, low=1)
    require(labels_only in (True, False), "labels_only", labels_only, "True or False")
    if budget is not None:
        require_int("budget", budget, low=FIRST + 1)
    require((original is None) == (forgotten is None), "forgotten", forgotten, "given with original, and only then")
    reading = {"factory": factory, "device": device}

    def opened(model: Model) -> Target:
        return normalised(as_target(model, outputs, **reading), mean, std)

    read = opened(target)
    lives = space or read.space
    if lives is None:
        raise ValueError("space is None; it must be an InputSpace (--shape): nothing says which inputs the model takes")
    asked, c = outputs_of(read, lives, classes, batch_size)
    others = [outputs_of(opened(each), lives, c, batch_size)[0] for each in _listed(references)]
    require(not others or len(others) >= LEAST, "number of references", len(others), f"at least {LEAST}")
    held = None if samples is None else as_samples(samples, lives, c)
    count = 0 if held is None else len(held[1])
    require(budget is None or budget > count + FIRST, "budget", budget, f"above {count + FIRST}: the samples count")
    plan = Plan(
        lives, c, labels_only or asked.outputs == "labels", BUDGET + count if budget is None else budget, level, seed,
        batch_size, head, progress, held, _names(class_names, c),
    )  # fmt: skip
    if original is None or forgotten is None:
        return plan.audit(asked, others)
    truth = _truth(forgotten, c)
    before = outputs_of(opened(original), lives, c, batch_size)[0]
    report = plan.audit(asked, others)
    audited = [("labels" if plan.labels_only else "probabilities", report, plan.audit(before))]
    if not plan.labels_only:
        told = replace(plan, labels_only=True)
        audited.insert(0, ("labels", told.audit(asked), told.audit(before)))
    return replace(report, leaks=leaks(audited, truth))


def as_target(target: Model, outputs: str = "auto", **read: Any) -> Target:
    """Return any model that can be audited as a `Target`."""
    require_choice("outputs", outputs, ("auto", "either", "probabilities", "logits", "labels"))
    if isinstance(target, str | Path):
        found = load_target(target, outputs=outputs, **read)
    elif isinstance(target, Target):
        found = target if outputs == "auto" else replace(target, outputs=outputs)
    elif isinstance(target, nn.Module):
        found = of_module(target, outputs)
    else:
        valid = "a module, a callable (predict_proba of a scikit-learn model), a path or a Target"
        require(callable(target) and not isinstance(target, type), "target", target, valid)
        found = Target(target, outputs, name=_name(target))
    return replace(found, answer=guarded(found.answer))


def _name(target: Any) -> str:
    return str(getattr(target, "__qualname__", type(target).__name__))


def _truth(forgotten: Iterable[int], c: int) -> frozenset[int]:
    valid = f"some classes, not all, from 0 to {c - 1}"
    given = list(forgotten)
    for each in given:
        require_int("forgotten", each, low=0, high=c - 1)
    require(0 < len(set(given)) < c, "forgotten", given, valid)
    return frozenset(int(each) for each in given)


def _names(given: Sequence[str] | None, c: int) -> list[str]:
    names = [str(i) for i in range(c)] if given is None else [str(name) for name in given]
    require(len(names) == c, "class_names", f"{len(names)} names", f"{c} names, one a class")
    return names


def _listed(references: Sequence[Model] | str | Path | None) -> list[Model]:
    if references is None:
        return []
    if isinstance(references, str | Path):
        folder = as_path(references)
        require(folder.is_dir(), "references", str(folder), "an existing folder of model files")
        files = (path for path in folder.iterdir() if path.is_file() and path.suffix not in NOTES)
        return [folder / name for name in in_order(path.name for path in files if path.name[0] != ".")]
    return list(references)
