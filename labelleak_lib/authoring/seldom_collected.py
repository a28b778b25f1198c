"""Sphinx extension: the garbage collector comes seldom, since its rounds took a third of a build's time.

A page's tree is read anew for every numbered reference to it, and at its usual pace the collector then walks all trees
there are, of which it frees none.
"""

import gc
from typing import Any

from sphinx.application import Sphinx

OBJECTS = 1_000_000
"""Made since the last round before the next; Python's own default is some hundreds to thousands."""


def setup(app: Sphinx) -> dict[str, Any]:
    """Slow the collector down for the rest of the process, and tell Sphinx that pages may be read side by side."""
    gc.set_threshold(OBJECTS, 50, 100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
