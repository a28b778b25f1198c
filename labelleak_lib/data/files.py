"""Where data sets lie on disk, and how their files are opened without trusting them."""

import gzip
import hashlib
import http.client
import os
import socket
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labelleak_lib.checks import one_line
from labelleak_lib.files import ROOT, cache_dir, replacing

# A guard against decompression bombs; the largest data set known by name needs a tenth of it.
MAX_BYTES = 2 * 1024**3
DOWNLOAD_TIMEOUT_SECONDS = 30.0


class DataError(ValueError):
    """A data set is missing, damaged or unsuitable; the message says what, where, and the fix."""


def default_data_dir() -> Path:
    """Return the folder in which data sets are looked up by default; it may not exist yet.

    ``$LABELLEAK_DATA``, else ``../shared/data`` relative to the project's root when it exists, else ``data`` in
    :func:`~labelleak_lib.files.cache_dir`.
    """
    if own := os.environ.get("LABELLEAK_DATA"):
        return Path(own).expanduser()
    beside = ROOT.parent / "shared" / "data"
    return beside if beside.is_dir() else cache_dir() / "data"


def fingerprint(path: Path) -> str:
    """Return a short hash of the file's content, so that a changed source never meets a stale cache."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _gunzipped(source: Path) -> Iterator[bytes]:
    total = 0
    try:
        with gzip.open(source) as packed:
            while chunk := packed.read(1 << 20):
                total += len(chunk)
                if total > MAX_BYTES:
                    raise DataError(f"{source} unpacks to more than {MAX_BYTES} bytes; restore the official file")
                yield chunk
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{source} is truncated or damaged ({error}); replace it with the official file") from error


def gunzip(source: Path, target: Path) -> None:
    """Unpack a gzip file into `target` in one step.

    DataError when `source` is truncated or damaged or unpacks to more than ``MAX_BYTES``, UnwritableError when `target`
    cannot be written.
    """
    with replacing(target) as file:
        for chunk in _gunzipped(source):
            file.write(chunk)


def array_names(path: Path) -> list[str]:
    """Return the names of the arrays in an ``.npz`` file, of which nothing is unpacked.

    DataError when the file is no ``.npz``, or would unpack to more than ``MAX_BYTES``, as its directory says.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a readable .npz file ({one_line(error)}); write it with numpy.savez") from error
    size = sum(entry.file_size for entry in entries)
    if size > MAX_BYTES:
        raise DataError(f"{path} unpacks to {size} bytes, more than the limit of {MAX_BYTES}; use fewer samples")
    return [entry.filename.removesuffix(".npy") for entry in entries]


def load_arrays(path: Path, keys: Sequence[str]) -> list[np.ndarray]:
    """Load named arrays from an ``.npz`` file, never unpickling.

    DataError when the file is no ``.npz``, is damaged, lacks a key, holds pickled objects under it, or would unpack
    to more than ``MAX_BYTES`` (as its directory says, before anything is unpacked).
    """
    array_names(path)
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise ValueError("it does not begin as an archive")
        with loaded as arrays:
            stored = list(arrays.files)
            values = [arrays[key] for key in keys if key in stored]
    except (ValueError, OSError, RuntimeError, EOFError, MemoryError, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} holds an array that is damaged or not purely numeric ({one_line(error)}); "
            "save plain numeric arrays with numpy.savez"
        ) from error
    if missing := [key for key in keys if key not in stored]:
        raise DataError(f"{path} has no array {missing[0]!r} (it has {stored}); save {' and '.join(keys)}")
    if strange := [key for key, array in zip(keys, values, strict=True) if not isinstance(array, np.ndarray)]:
        raise DataError(f"{path} has an entry {strange[0]!r} that is no array; write the file with numpy.savez")
    return values


def read_bytes(path: Path) -> bytes:
    """Return a file's content, unpacked where it ends in ``.gz``.

    DataError when it cannot be read, is truncated or damaged, or holds more than ``MAX_BYTES``.
    """
    if path.suffix.lower() == ".gz":
        return b"".join(_gunzipped(path))
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} holds more than {MAX_BYTES} bytes; use fewer samples")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({(error.strerror or 'no word').lower()}); make it readable") from error


def download(name: str, folder: str, fetch: Callable[[Path], Any], looked_in: Path) -> Path:
    """Return the root in the cache that holds `folder`, once `fetch` has made it under the root that it is given.

    A broken download never looks like a whole one. `name` and `looked_in` (where the files may be put instead) are
    for the message: DataError when the download fails, or ``LABELLEAK_OFFLINE=1`` forbids it.
    """
    root = cache_dir() / "data"
    if (root / folder).exists():
        return root
    remedy = f"put its files under {looked_in / folder}, or point LABELLEAK_DATA to them"
    if os.environ.get("LABELLEAK_OFFLINE", "0") not in ("", "0"):
        raise DataError(
            f"{name} is not under {looked_in} and LABELLEAK_OFFLINE forbids its download; unset it, {remedy}"
        )
    waited = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_SECONDS)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".") as temporary:
            fetch(Path(temporary))
            if not (root / folder).exists():  # another process may have been faster
                os.replace(Path(temporary) / folder, root / folder)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise DataError(
            f"{name} is not under {looked_in} and cannot be downloaded to {root} ({one_line(error)}); "
            f"connect to the network, {remedy}"
        ) from error
    finally:
        socket.setdefaulttimeout(waited)
    return root


def verified(make: Callable[[], Any], place: Path) -> Any:
    """Return torchvision's data set, or say in a sentence that the files in `place` are not the official ones."""
    try:
        return make()
    except RuntimeError as error:  # torchvision's only report of a wrong checksum
        raise DataError(
            f"the files in {place} do not have the official checksums; remove them to download them again"
        ) from error
