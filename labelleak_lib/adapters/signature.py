"""What the parameters of an unlearning function are to hold, read from their names."""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from labelleak_lib.checks import require, require_choice

RETAINED = {"retain", "retained", "remain", "remaining", "keep", "kept", "dr"}
FORGOTTEN = {"forget", "forgotten", "forgetting", "unlearn", "unlearned", "erase", "erased", "removed", "df"}
DATA = {
    *("loader", "loaders", "dataloader", "dl", "data", "dataset", "set", "samples", "train", "training", "trainset"),
    *("trainloader", "test", "testset", "testloader", "val", "valid", "validation", "full", "all"),
}
WHOLE = {"train", "training", "full", "all", "trainset", "trainloader", "test", "testset", "testloader", "val", "valid"}
CLASS = {"class", "classes", "label", "labels", "id", "ids", "to", "target", "targets", "cls"}
COUNTS = {"num", "number", "n", "nb", "of", "classes", "labels", "nclasses"}
EXACT = {
    **dict.fromkeys(("device", "dev"), "device"), **dict.fromkeys(("seed", "random_seed", "random_state"), "seed"),
    **dict.fromkeys(("generator", "rng"), "generator"),
    **dict.fromkeys(("criterion", "loss_fn", "loss_function", "loss_func"), "criterion"),
    **dict.fromkeys(("loaders", "data_loaders", "dataloaders"), "loaders"),
    **dict.fromkeys(("num_classes", "n_classes", "num_labels", "nb_classes", "number_of_classes"), "count"),
}  # fmt: skip
MODEL = {"model", "net", "network", "original", "classifier", "student"}
TEACHER = {"teacher", "model", "net", "full", "trained", "good", "competent", "original"}
IN_SETS = ("dataset", "set", "trainset", "testset")
SETTINGS = ("class", "classes", "count", "device", "seed", "generator")
"""Roles that a trial decides, whatever a function has as default."""
SIDES = ("retain", "forget", "whole")
"""What a data parameter may hold: D_r, D_f, or both."""


ROLES = (
    *("model", "teacher", "loaders", "criterion", *SETTINGS), *(side + kind for side in SIDES for kind in ("", " set")),
)  # fmt: skip


def role_of(name: str) -> str:
    """Return what a parameter of this name is to hold, "" if the name does not say.

    One of "model", "teacher" (M_o, to learn from), "retain", "forget", "whole" (D_r and D_f), each of the three with
    " set" behind it where a data set rather than a loader is meant, "loaders" (all by name), "class", "classes",
    "count", "device", "seed", "generator", "criterion".

    >>> role_of("retain_loader"), role_of("forget_set"), role_of("class_to_forget"), role_of("forget_lr")
    ('retain', 'forget set', 'class', '')
    """
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower().strip("_").replace("d_r", "dr").replace("d_f", "df")
    tokens = set(words.split("_"))
    if words in EXACT:
        return EXACT[words]
    aside = tokens - CLASS
    if tokens & {"class", "classes", "label", "labels", "cls"} and aside and aside <= FORGOTTEN:
        return "classes" if tokens & {"classes", "labels", "ids"} else "class"
    if "teacher" in tokens and tokens <= TEACHER:
        return "teacher"
    if tokens & MODEL and not tokens & (RETAINED | FORGOTTEN | {"teacher", "name", "type"}):
        return "model"
    for side, words_of_it in (("retain", RETAINED), ("forget", FORGOTTEN), ("whole", WHOLE)):
        if tokens & words_of_it and tokens <= words_of_it | DATA:
            return f"{side} set" if tokens & set(IN_SETS) and not tokens & {"loader", "dataloader"} else side
    return ""


def parameters_of(function: Callable[..., Any], name: str) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of `function` (called `name` in errors) that a caller can give by name."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"method is {name!r}, whose parameters cannot be read; it must be a Python function"
        ) from error
    many = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {key: value for key, value in signature.parameters.items() if value.kind not in many}


def roles(
    function: Callable[..., Any], name: str, given: Mapping[str, Any], holds: Mapping[str, str]
) -> dict[str, str]:
    """Return what each parameter of `function` is to hold, by name, but for those `given` or left at their default.

    `holds` says it of parameters whose names do not.

    The first parameter holds the model where none is called so. ValueError if one without a default says nothing, or if
    none holds data.
    """
    bound = {**getattr(function, "keywords", {}), **given}
    parameters = parameters_of(function, name)
    unknown = sorted({*given, *holds} - parameters.keys())
    for role in holds.values():
        require_choice("role", role, ROLES)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values())
    require(takes_any or not unknown, "option", ", ".join(unknown), f"a parameter of {name}: {', '.join(parameters)}")
    found = {key: role_of(key) for key in parameters if key not in bound} | dict(holds)
    found = _with_one_model(found)
    default = {key: parameters[key].default if key in parameters else None for key in found}
    missing = [key for key, role in found.items() if not role and default[key] is inspect.Parameter.empty]
    valid = (
        "called after what it holds (model, retain_loader, forget_loader, num_classes, device, seed, ...), "
        "or given a value by options or functools.partial, or a role by holds"
    )
    require(not missing, f"parameter of {name}", ", ".join(missing), valid)
    # True, "adam" or a criterion of the function's own stay as they are
    own = {key for key in found if key not in holds and default[key] not in (inspect.Parameter.empty, None)}
    found = {key: role for key, role in found.items() if role and (key not in own or role in SETTINGS)}
    held = {role.removesuffix(" set") for role in found.values()}
    valid = "a function of a model and of retained or forgotten data, named like retain_loader and forget_loader"
    require("model" in held and held & {*SIDES, "loaders", "class", "classes"}, "method", name, valid)
    return found


def _with_one_model(found: dict[str, str]) -> dict[str, str]:
    """Return roles in which one parameter holds the model to unlearn; one named "original" beside it holds M_o."""
    models = [key for key, role in found.items() if role == "model"]
    if not models and found and not (first := next(iter(found.items())))[1]:
        return {**found, first[0]: "model"}
    own = next((key for key in models if "original" not in key.lower()), models[0] if models else "")
    others = {key: "teacher" if "original" in key.lower() else "" for key in models if key != own}
    return {**found, **others}
