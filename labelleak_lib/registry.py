"""Registries that find data sets, architectures, unlearning methods, attacks and criteria by name.

A module of `labelleak_lib.unlearning` (or of another registry's package) that decorates its class is found without an
edit elsewhere; so is a class of an outside package, once that package is imported. What a class is called in tables
(`title`) and where it stands in them (`order`) are its own attributes.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

LAST = 1000
"""The order of a class that states none."""


class Registry:
    """A mapping from names to classes that fails loudly on an unknown name.

    Parameters
    ----------
    kind : str
        What is registered, for error messages ("unlearning method").
    *packages : str
        The packages (or modules) whose import registers the built-in entries.
    """

    def __init__(self, kind: str, *packages: str) -> None:
        self.kind = kind
        self.packages = packages
        self._classes: dict[str, Any] = {}
        self._loaded = False

    def __repr__(self) -> str:
        return f"<registry of {self.kind}s>"

    def register(self, name: str) -> Callable[[type], type]:
        """Return a class decorator that files the class under `name` (and sets its `name` attribute)."""

        def decorate(cls: Any) -> Any:
            known = self._classes.get(name)
            if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
                raise ValueError(f"{self.kind} {name!r} is registered already, as {known.__qualname__}")
            cls.name = name
            self._classes[name] = cls
            return cls

        return decorate

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        for name in self.packages:
            package = importlib.import_module(name)
            for module in pkgutil.iter_modules(getattr(package, "__path__", [])):
                importlib.import_module(f"{name}.{module.name}")

    def attribute(self, name: str, key: str, default: Any) -> Any:
        """Return an attribute of the class filed under `name`, `default` where there is none."""
        self._load()
        return getattr(self._classes.get(name), key, default)

    def title(self, name: str) -> str:
        """Return what tables call the class filed under `name`: its `title`, else the name itself."""
        return str(self.attribute(name, "title", name))

    def __getitem__(self, name: str) -> Any:
        """Return the class filed under `name`; ValueError with the known names if there is none."""
        self._load()
        if name not in self._classes:
            raise ValueError(f"unknown {self.kind} {name!r}; known: {', '.join(self)}")
        return self._classes[name]

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._classes, key=lambda name: (getattr(self._classes[name], "order", LAST), name)))


ARCHITECTURES = Registry("architecture", "labelleak_lib.models.architectures")
METHODS = Registry("unlearning method", "labelleak_lib.unlearning")
ATTACKS = Registry("attack", "labelleak_lib.attacks")
ADAPTIVE = Registry("adaptive attack", "labelleak_lib.attacks.adaptive")
DATASETS = Registry("data set", "labelleak_lib.data.named")
LAYOUTS = Registry("layout of own data", "labelleak_lib.data.layouts")
DEFENCES = Registry("defence", "labelleak_lib.defences")
CRITERIA = Registry("criterion", "labelleak_lib.criteria")
NULLS = Registry("kind of never-unlearned model", "labelleak_lib.nulls")
