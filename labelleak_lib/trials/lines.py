"""Tables with a line a measurement, a Parquet file a data set."""

import io
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from labelleak_lib.files import write_atomically


def read(folder: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return the lines of every file in `folder`; no rows, with `columns`, where there is none."""
    parts = [pd.read_parquet(path) for path in sorted(folder.glob("[!.]*.parquet"))]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(columns))


def write(lines: pd.DataFrame, path: Path) -> None:
    """Store the lines of one data set, all or nothing."""
    buffer = io.BytesIO()
    lines.to_parquet(buffer, index=False, compression="zstd", compression_level=19)
    write_atomically(path, buffer.getvalue())
