"""Files written as a whole or not at all, one sentence where they cannot be, and the cache."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

ROOT = Path(__file__).resolve().parents[1]
"""The project's root, where the library lies in a checkout."""
COMMITTED = ROOT / "book" / "records"
"""The records that are part of the project."""


class UnwritableError(OSError):
    """A file could not be written; what stood there before still does."""


def as_path(text: str | os.PathLike[str]) -> Path:
    """Return the path that is meant, with ``~`` for the home folder; where no home is known, ``~`` stays as it is."""
    return Path(os.path.expanduser(text))


def cache_dir() -> Path:
    """Return the folder of what can be downloaded or computed again; it may not exist yet.

    ``$LABELLEAK_CACHE``, else ``labelleak`` under ``$XDG_CACHE_HOME`` or ``~/.cache``. UnwritableError where a home
    folder is asked for and there is none.
    """
    if own := os.environ.get("LABELLEAK_CACHE"):
        folder = as_path(own)
    else:
        folder = as_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "labelleak"
    if folder.parts[0].startswith("~"):
        raise UnwritableError(f"the cache is {folder}, and no home folder is known; set LABELLEAK_CACHE to a folder")
    return folder


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a draft that becomes `path` in one step once it is written whole: readers see the old content or the new.

    UnwritableError if the disk is full or the folder cannot be written; the sentence names the path and the reason.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix=".", suffix=".draft", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(draft, 0o644)
            os.replace(draft, path)
        finally:
            Path(draft).unlink(missing_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnwritableError(f"{path} could not be written ({reason}); nothing that was there is lost") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file as :func:`replacing` does."""
    with replacing(path) as file:
        file.write(content)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock at `path`, against other processes on this machine and on whatever shares its files.

    Where the file system has no locks, as some network file systems, a file beside it stands for the lock. Without
    `wait`, TimeoutError if another process holds it.
    """
    from filelock import FileLock, SoftFileLock

    timeout = -1 if wait else 0
    lock = FileLock(path, timeout=timeout)
    try:
        lock.acquire()
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        lock = SoftFileLock(path.with_suffix(".held"), timeout=timeout)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


def require_writable(folder: Path) -> None:
    """Raise UnwritableError unless files can be written to `folder`, which is made if missing.

    To be called before a long computation whose result would be lost.
    """
    probe = folder / f".writable-{os.getpid()}"
    write_atomically(probe, b"")
    probe.unlink(missing_ok=True)
