"""Unlearning code with signatures of its own, under the protocol of this library's methods."""

import copy
import functools
import importlib
import importlib.metadata
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, nn

from labelleak_lib.adapters.loaders import as_dataset, as_loader
from labelleak_lib.adapters.returned import as_classifier
from labelleak_lib.adapters.signature import parameters_of, role_of, roles
from labelleak_lib.adapters.surroundings import SEEDS, seeded
from labelleak_lib.checks import one_line, require, require_int
from labelleak_lib.data.samples import Samples, join
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.unlearning import PlainMethod, RecordsTraining, UnlearningMethod

LOADER_WORDS = {"loader", "dataloader", "dl", "set", "dataset"}


@dataclass(frozen=True)
class Foreign:
    """A function of others, called with what the names of its parameters ask for.

    It is handed a copy of M_o with contiguous weights, loaders (or torch data sets) of D_r and D_f, or of both, the
    forgotten classes, the number of classes, device and seed; see :func:`~labelleak_lib.adapters.signature.role_of`.
    Parameters named for test or validation data hold training data: a method is not shown the test set. What it returns
    is read by :func:`~labelleak_lib.adapters.returned.as_classifier`.

    Parameters
    ----------
    function : callable
        The function, or a bound method.
    options : mapping
        Values of parameters, in place of their defaults; those of a `functools.partial` stay as well.
    batch_size : int
        Images a batch of the loaders.
    labels : int
        How often a batch carries its labels: (images, labels), or (images, labels, labels).
    holds : mapping
        Roles of parameters whose names do not say what they hold.
    package : str
        Name and version of the package that it comes from; part of its identity.
    """

    function: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 128
    labels: int = 1
    holds: Mapping[str, str] = field(default_factory=dict)
    package: str = ""

    def __post_init__(self) -> None:
        require_int("batch_size", self.batch_size, low=1)
        require_int("labels", self.labels, low=1)
        roles(self.function, self.called, self.options, self.holds)

    @property
    def called(self) -> str:
        """What errors call it: module and name."""
        inner = getattr(self.function, "func", self.function)
        return f"{inner.__module__}:{getattr(inner, '__qualname__', type(inner).__name__)}"

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return the model that the function makes of a copy of `original`.

        ValueError, in one sentence, if it fails or what it returns is no model.
        """
        given = copy.deepcopy(original).to(memory_format=torch.contiguous_format).train()
        # what an object kept of an earlier call would make trials depend on their order, and change its identity
        function, options = copy.deepcopy((self.function, dict(self.options)))
        values = self._arguments(given, retain, forget, generator) | options
        with seeded(generator.initial_seed()):
            try:
                returned = _call(function, values)
            except Exception as error:
                raise ValueError(f"{self.called} failed: {type(error).__name__}: {one_line(error)}") from error
        made = as_classifier(returned, given, original, self.called)
        device = next(original.parameters()).device
        return made.to(device, torch.float32).to(memory_format=torch.channels_last).requires_grad_(True)

    def _arguments(self, given: Classifier, retain: Samples, forget: Samples, generator: Generator) -> dict[str, Any]:
        sides = {"retain": retain, "forget": forget, "whole": join(retain, forget)}
        classes, device = sorted(forget.labels.unique().tolist()), next(given.parameters()).device
        seed = generator.initial_seed() % SEEDS

        def loader(side: str) -> Any:
            own = torch.Generator().manual_seed(seed)
            return as_loader(sides[side], generator=own, batch_size=self.batch_size, labels=self.labels)

        def held(role: str) -> Any:
            if role in sides:
                return loader(role)
            if role.endswith(" set"):
                return as_dataset(sides[role.removesuffix(" set")], labels=self.labels)
            if role == "class":
                require(len(classes) == 1, "forgotten", classes, f"one class, since {self.called} takes one")
            one: dict[str, Callable[[], Any]] = {
                "model": lambda: given, "teacher": lambda: copy.deepcopy(given).eval(), "device": lambda: device,
                "class": lambda: classes[0], "classes": lambda: classes, "count": lambda: given.spec.classes,
                "seed": lambda: seed, "generator": lambda: torch.Generator().manual_seed(seed),
                "criterion": nn.CrossEntropyLoss,
                "loaders": lambda: {"retain": loader("retain"), "forget": loader("forget"), "train": loader("whole")},
            }  # fmt: skip
            return one[role]()

        return {name: held(role) for name, role in roles(self.function, self.called, self.options, self.holds).items()}


def adapted(method: Any, **settings: Any) -> UnlearningMethod | PlainMethod:
    """Return a reader's method as this library calls it; its own methods and functions stay as they are.

    Parameters
    ----------
    method : str, callable or object
        "module:function", a function, or an object (or class) with `unlearn`. One that takes
        `(original, retain, forget, *, generator)` is this library's; of any other the names of the parameters say what
        they hold.
    **settings
        Of :class:`Foreign`.

    Raises
    ------
    ValueError
        If it cannot be found or called, or the names do not say which parameter holds what; before anything runs.

    Examples
    --------
    >>> def forget(model, retain_loader, forget_loader): ...
    >>> adapted(forget, batch_size=64).batch_size
    64
    """
    found = resolve(method) if isinstance(method, str) else method
    if isinstance(found, type):
        valid = "a function, or a class with unlearn that can be made without arguments"
        require(hasattr(found, "unlearn"), "method", found.__qualname__, valid)
        found = _made(found)
    verb = found.unlearn if isinstance(found, UnlearningMethod) else found
    require(callable(verb), "method", method, "a function, an object with unlearn, or a name like 'module:function'")
    if isinstance(found, RecordsTraining | Foreign) or _is_ours(verb):
        require(not settings, "settings", ", ".join(settings), "left out for a method of this library")
        return found
    return Foreign(verb, package=package_of(verb), **settings)


def resolve(name: str) -> Any:
    """Return what "module:attribute" names; ValueError if the module or the attribute is not there."""
    module, colon, path = name.partition(":")
    require(module and colon and path, "method", name, "a name like 'module:function'")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise ValueError(f"method is {name!r}; its module cannot be imported ({one_line(error)})") from error
    for part in path.split("."):
        require(hasattr(found, part), "method", name, f"a name that {module} holds")
        found = getattr(found, part)
    return found


def package_of(function: Callable[..., Any]) -> str:
    """Return name and version of the installed package that a function comes from, "" if it comes from none."""
    top = (getattr(getattr(function, "func", function), "__module__", None) or "").partition(".")[0]
    names = _distributions().get(top, [])
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in sorted(set(names)))


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    """Return the installed packages by the modules that they hold; reading all of them takes seconds."""
    return importlib.metadata.packages_distributions()


def _made(cls: type) -> Any:
    try:
        return cls()
    except TypeError as error:
        raise ValueError(f"method is {cls.__qualname__}; it must be made first: {one_line(error)}") from error


def _is_ours(verb: Callable[..., Any]) -> bool:
    """Tell whether a function takes (original, retain, forget, *, generator): samples, in this order."""
    parameters = parameters_of(verb, getattr(verb, "__qualname__", type(verb).__name__))
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    sides = [name for name, p in parameters.items() if p.kind in places and name != "generator"][1:]
    named_alike = not any(set(name.lower().split("_")) & LOADER_WORDS for name in sides)
    in_order = all(role_of(name) in (role, "") for name, role in zip(sides, ("retain", "forget"), strict=False))
    return "generator" in parameters and named_alike and in_order and len(sides) <= 2


def _call(function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """Call a function with its arguments by name, those without a name by place."""
    parameters = inspect.signature(function).parameters.values()
    placed = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.name in values]
    named = {name: value for name, value in values.items() if name not in placed}
    return function(*[values[name] for name in placed], **named)
