"""Label leakage in class unlearning: unlearning methods, attacks, criteria, controls and records.

A *trial* trains a classifier, makes it forget some classes, and asks each *attack* for *evidence*; a *criterion* turns
evidence into a set of classes; models and evidence are stored, what is decided on them is computed when it is read.
The subject is "Label Leakage Attacks in Machine Unlearning: A Parameter and Inversion-Based Approach" (arXiv
2604.07386).
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "ATTACKS": "registry",
    "AuditReport": "audit.report",
    "CRITERIA": "registry",
    "METHODS": "registry",
    "Grid": "trials.grid",
    "InputSpace": "space",
    "TrialSpec": "trials.specification",
    "audit": "audit",
    "collect": "trials.engine",
    "committed_records": "trials.committed",
    "load_target": "audit.loading",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first asked for, so that `import labelleak_lib` takes no time."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f"{__name__}.{_HOMES[name]}")
    # the package `audit` is what is called
    return home if _HOMES[name] == name else getattr(home, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
