"""A list of image files with their labels: CSV, TSV or Parquet."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from labelleak_lib.checks import one_line
from labelleak_lib.data.base import Source
from labelleak_lib.data.files import DataError, read_bytes
from labelleak_lib.data.labels import numbered
from labelleak_lib.data.pictures import Picture, read_pictures
from labelleak_lib.data.splits import of_parts, part_of
from labelleak_lib.registry import LAYOUTS

COLUMNS = {
    "path": ("path", "file", "filename", "image", "file_name", "filepath", "file_path", "image_path"),
    "label": ("label", "class", "target", "y", "labels"),
    "split": ("split", "set", "subset", "partition"),
}
"""How the columns may be called, in any case."""
SUFFIXES = (".csv", ".tsv", ".parquet")
Table = dict[str, list[Any]]


@LAYOUTS.register("list of paths")
class PathList:
    """Columns of paths, seen from the list's folder, and labels; in Parquet an image's bytes may stand for its path."""

    order = 60

    def takes(self, path: Path) -> bool:
        """Take lists by their suffix."""
        return path.is_file() and path.suffix.lower() in SUFFIXES

    def read(self, path: Path) -> Source:
        """Read every image that is listed, in the list's order, each part of a split behind the other."""
        table = columns(path)
        parts = [_part(value, row, path) for row, value in enumerate(table.get("split", []), 1)]
        parts = parts or [""] * len(table["path"])
        order = [row for part in dict.fromkeys(parts) for row, own in enumerate(parts) if own == part]
        labels = [_label(table["label"][row], row + 1, path) for row in order]
        images, notes = read_pictures([_picture(table["path"][row], row + 1, path) for row in order])
        found = numbered(np.array(labels), str(path))
        sizes = {part: parts.count(part) for part in dict.fromkeys(parts)}
        return of_parts(sizes, images, found._replace(notes=(*notes, *found.notes)), "a list", str(path))

    def files(self, path: Path) -> Iterable[Path]:
        """List the list and what it names; of a list that cannot be read, itself."""
        try:
            named = columns(path)["path"]
        except DataError:
            named = []
        return [path, *(path.parent / name for name in named if isinstance(name, str))]


def columns(path: Path) -> Table:
    """Return the list's columns by their meaning, each a list with one entry a row.

    DataError for a list that cannot be read, is empty, or lacks a column, or where two columns mean the same.
    """
    try:
        raw = _parquet(path) if path.suffix.lower() == ".parquet" else _text(path)
    except DataError:
        raise
    except Exception as error:  # pyarrow and csv raise errors of their own kinds
        raise DataError(f"{path} is not a readable list ({one_line(error)}); write it anew") from error
    found: Table = {}
    for meaning, names in COLUMNS.items():
        there = [column for column in raw if column.strip().lower() in names]
        if len(there) > 1:
            raise DataError(f"{path} has columns {there[0]!r} and {there[1]!r}, which mean the same; keep one of them")
        if not there and meaning != "split":
            raise DataError(
                f"{path} has no column of {meaning}s (it has {[name[:40] for name in raw][:8]}); call it {names[0]}"
            )
        if there:
            found[meaning] = raw[there[0]]
    if not found["path"]:
        raise DataError(f"{path} lists no image; add a row for each")
    return found


def _text(path: Path) -> Table:
    text = read_bytes(path).decode("utf-8-sig")
    head = text.split("\n", 1)[0]
    separator = "\t" if path.suffix.lower() == ".tsv" else ";" if ";" in head and "," not in head else ","
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True) if row]
    names = rows[0] if rows else []
    if uneven := next((number for number, row in enumerate(rows[1:], 1) if len(row) != len(names)), None):
        raise DataError(f"{path}: row {uneven} has {len(rows[uneven])} fields where the head has {len(names)}; mend it")
    return {name: [row[i] for row in rows[1:]] for i, name in enumerate(names)}


def _parquet(path: Path) -> Table:
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(read_bytes(path)))
    return {name: table.column(i).to_pylist() for i, name in enumerate(table.column_names)}


def _part(value: Any, row: int, path: Path) -> str:
    if (part := part_of(str(value).strip())) is None:
        raise DataError(f"{path}: row {row} has the split {value!r}; train, val and test are known")
    return part


def _label(value: Any, row: int, path: Path) -> str:
    """Return a label as text: as it stands, a whole number without a point."""
    if value is None or isinstance(value, float | list | dict | bool) or not str(value).strip():
        raise DataError(f"{path}: row {row} has the label {value!r}; give a whole number or text")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _picture(value: Any, row: int, path: Path) -> Picture:
    if isinstance(value, Mapping):  # as the Hugging Face libraries store an image
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return Picture(f"{path}: the image in row {row}", value)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{path}: row {row} has the path {value!r}; give the path of an image")
    try:
        there = (path.parent / value).is_file()
    except (OSError, ValueError):
        there = False
    if not there:
        raise DataError(f"{path}: row {row} names {value!r}, which is no file seen from {path.parent}; mend the path")
    return Picture(f"{path}: row {row}, {path.parent / value}", path.parent / value)
