"""Registries that find unlearning methods, attacks and criteria by name.

A module of `labelleak_lib.unlearning` or `labelleak_lib.attacks` that decorates its class is found without an edit
elsewhere; so is a class of an outside package, once that package is imported.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any


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

    def __getitem__(self, name: str) -> Any:
        """Return the class filed under `name`; ValueError with the known names if there is none."""
        self._load()
        if name not in self._classes:
            raise ValueError(f"unknown {self.kind} {name!r}; known: {', '.join(sorted(self._classes))}")
        return self._classes[name]

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._classes))


METHODS = Registry("unlearning method", "labelleak_lib.unlearning")
ATTACKS = Registry("attack", "labelleak_lib.attacks")
CRITERIA = Registry("criterion", "labelleak_lib.criteria")
