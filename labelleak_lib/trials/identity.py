"""What identifies a cell: hyperparameters, data and code, as a digest."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, is_dataclass
from typing import Any


def content_hash(content: Any) -> str:
    """Return a short digest of JSON-serialisable content, the same in every process."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def describe(thing: Any) -> dict[str, Any]:
    """Return a hyperparameter dataclass, or a plain function, as JSON-serialisable content that identifies it."""
    if is_dataclass(thing) and not isinstance(thing, type):
        return {"class": type(thing).__name__, **asdict(thing)}
    code = getattr(thing, "__code__", None)
    body = [code.co_code.hex(), repr(code.co_names), repr(code.co_consts)] if code else []
    # the constants of a function that defines others hold code objects, whose repr is an address in memory
    bound = [getattr(thing, name, None) for name in ("__defaults__", "__kwdefaults__")]
    body += [repr(bound), repr([cell.cell_contents for cell in getattr(thing, "__closure__", None) or ()])]
    body = [re.sub(r" at 0x[0-9a-f]+", "", part) for part in body]
    return {"function": getattr(thing, "__qualname__", type(thing).__qualname__), "body": body}
