"""Decisions on committed evidence, kept beside the models of the cache: judged once for each state of the code."""

import contextlib
import functools
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn

from labelleak_lib.files import ROOT, cache_dir
from labelleak_lib.registry import ATTACKS, CRITERIA, Registry
from labelleak_lib.trials import lines

LIBRARY = ROOT / "labelleak_lib"
ELSEWHERE = ("audit", "authoring", "figures", "results", "theory")
"""The library's folders that decide nothing on evidence."""


def judged_once(name: str, files: Sequence[Path], judge: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Return what `judge` returns of a data set, from the cache where these files were judged by this code.

    Parameters
    ----------
    files : sequence of Path
        What is judged; their bytes, the library's code and the versions of what it computes with say whether a kept
        table still holds. Where a rule or an attack of another package is registered, nothing is kept.
    """
    if not all(_is_own(registry) for registry in (CRITERIA, ATTACKS)):
        return judge()
    digest = hashlib.sha256(code_digest().encode())
    for path in files:
        digest.update(path.read_bytes())
    digest.update(" ".join(module.__version__ for module in (np, pd, sklearn)).encode())
    folder = cache_dir() / "decided"
    path = folder / f"{name}-{digest.hexdigest()[:16]}.parquet"
    with contextlib.suppress(FileNotFoundError):
        return pd.read_parquet(path)
    for old in folder.glob(f"{name}-*.parquet"):
        old.unlink(missing_ok=True)
    lines.write(judge(), path)
    # what is read back is what every later call reads
    return pd.read_parquet(path)


def _is_own(registry: Registry) -> bool:
    return all(registry[name].__module__.partition(".")[0] == LIBRARY.name for name in registry)


@functools.cache
def code_digest() -> str:
    """Return a digest of the library's files that may decide something on evidence."""
    digest = hashlib.sha256()
    for path in sorted(LIBRARY.rglob("[!.]*.py")):
        if path.relative_to(LIBRARY).parts[0] not in ELSEWHERE:
            digest.update(path.read_bytes())
    return digest.hexdigest()
