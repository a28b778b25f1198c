"""Where data sets lie on disk, and how their files are opened without trusting them."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import socket
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from labelleak_lib.checks import one_line
from labelleak_lib.files import ROOT

# A guard against decompression bombs; the largest data set known by name needs a tenth of it.
MAX_BYTES = 2 * 1024**3
DOWNLOAD_TIMEOUT_SECONDS = 30.0
_CHUNK = 1 << 20


class DataError(ValueError):
    """A data set is missing, damaged or unsuitable; the message says what, where, and the fix."""


@dataclass(frozen=True, eq=False)
class Source:
    """What a reader found, before it is divided into parts.

    Parameters
    ----------
    variant : str
        Which copy of the data this is, as tables must state it.
    class_names : tuple of str
        One name a class, in label order.
    images : ndarray of uint8, shape (N, channels, side, side)
    labels : ndarray of int64, shape (N,)
        In ``0 .. len(class_names) - 1``.
    pool_share : float
        Share of ``images`` that becomes the attacker pool, in (0, 1).
    test_share : float
        Share of ``images`` that becomes the test part; 0 where ``test`` holds an official one.
    test : tuple of (ndarray, ndarray) or None
        Official test images and labels, shaped as above.
    """

    variant: str
    class_names: tuple[str, ...]
    images: np.ndarray
    labels: np.ndarray
    pool_share: float
    test_share: float = 0.0
    test: tuple[np.ndarray, np.ndarray] | None = None


def cache_dir() -> Path:
    """Return the folder for unpacked and downloaded data.

    Returns
    -------
    Path
        ``$LABELLEAK_CACHE``, else ``labelleak`` under ``$XDG_CACHE_HOME`` or ``~/.cache``. It may not exist
        yet.
    """
    if own := os.environ.get("LABELLEAK_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "labelleak"


def default_data_dir() -> Path:
    """Return the folder in which data sets are looked up by default.

    Returns
    -------
    Path
        ``$LABELLEAK_DATA``, else ``../shared/data`` relative to the project's root when it exists, else
        ``data`` in :func:`cache_dir`, which may not exist yet.
    """
    if own := os.environ.get("LABELLEAK_DATA"):
        return Path(own).expanduser()
    beside = ROOT.parent / "shared" / "data"
    return beside if beside.is_dir() else cache_dir() / "data"


def fingerprint(paths: Sequence[Path]) -> str:
    """Return a short hash of the files' contents, so that a changed source never meets a stale cache."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that becomes `target` in one step once it is written whole.

    Raises
    ------
    DataError
        When the folder cannot be written to.
    """
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".", delete=False) as file:
            temporary = Path(file.name)
            yield file  # type: ignore[misc]  # the wrapper has BinaryIO's methods
        os.replace(temporary, target)
    except OSError as error:
        raise DataError(
            f"cannot write {target} ({error.strerror}); free space there, or set LABELLEAK_CACHE to a writable folder"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _gunzipped(source: Path) -> Iterator[bytes]:
    total = 0
    try:
        with gzip.open(source) as packed:
            while chunk := packed.read(_CHUNK):
                total += len(chunk)
                if total > MAX_BYTES:
                    raise DataError(
                        f"{source} unpacks to more than {MAX_BYTES} bytes; replace it with the official file"
                    )
                yield chunk
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{source} is truncated or damaged ({error}); replace it with the official file") from error


def gunzip(source: Path, target: Path) -> None:
    """Unpack a gzip file into `target` in one step.

    Raises
    ------
    DataError
        When `source` is truncated or damaged or unpacks to more than ``MAX_BYTES``, or when `target` cannot
        be written.
    """
    with replacing(target) as file:
        for chunk in _gunzipped(source):
            file.write(chunk)


def load_arrays(path: Path, keys: Sequence[str]) -> list[np.ndarray]:
    """Load named arrays from an ``.npz`` file, never unpickling.

    Raises
    ------
    DataError
        When the file is no ``.npz``, is damaged, lacks a key, holds pickled objects under it, or would unpack
        to more than ``MAX_BYTES`` (as its directory says, before anything is unpacked).
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a readable .npz file ({error}); write it with numpy.savez") from error
    if size > MAX_BYTES:
        raise DataError(f"{path} unpacks to {size} bytes, more than the limit of {MAX_BYTES}; use fewer samples")
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise ValueError("it does not begin as an archive")
        with loaded as arrays:
            stored = list(arrays.files)
            found = [arrays[key] for key in keys if key in stored]
    except (ValueError, OSError, RuntimeError, EOFError, MemoryError, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} holds an array that is damaged or not purely numeric ({one_line(error)}); "
            "save plain numeric arrays with numpy.savez"
        ) from error
    if missing := [key for key in keys if key not in stored]:
        raise DataError(f"{path} has no array {missing[0]!r} (it has {stored}); save {' and '.join(keys)}")
    if strange := [key for key, array in zip(keys, found, strict=True) if not isinstance(array, np.ndarray)]:
        raise DataError(f"{path} has an entry {strange[0]!r} that is no array; write the file with numpy.savez")
    return found


def download(name: str, folder: str, fetch: Callable[[Path], Any], *, looked_in: Path) -> Path:
    """Download a data set into the cache, so that a broken download never looks like a whole one.

    Parameters
    ----------
    name : str
        The data set, for the message.
    folder : str
        The folder that `fetch` makes under the root it is given.
    fetch : callable
        Takes a root folder and downloads into it.
    looked_in : Path
        Where the data set was looked up first, for the message.

    Returns
    -------
    Path
        The root that now holds `folder`.

    Raises
    ------
    DataError
        When the download fails.
    """
    root = cache_dir() / "data"
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
            f"{name} is not under {looked_in} and cannot be downloaded to {root} ({one_line(error)}); connect to the "
            f"network, put its files under {looked_in / folder}, or point LABELLEAK_DATA to them"
        ) from error
    finally:
        socket.setdefaulttimeout(waited)
    return root
