"""Audits of models and of unlearning methods.

The package can be called: `labelleak_lib.audit(target, space=...)` is `labelleak_lib.audit.run.audit`.
"""

import sys
from types import ModuleType
from typing import Any


class _Audit(ModuleType):
    """A package that is a function, too: one word for what it does and where that lies."""

    def __call__(self, target: Any, space: Any = None, **options: Any) -> Any:
        """Return the report on a model; see `labelleak_lib.audit.run.audit`."""
        from labelleak_lib.audit.run import audit

        return audit(target, space, **options)


sys.modules[__name__].__class__ = _Audit
