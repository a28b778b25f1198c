"""Files written as a whole or not at all, and one sentence where they cannot be."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The project's root, where the library lies in a checkout."""
COMMITTED = ROOT / "book" / "records"
"""The records that are part of the project."""


class UnwritableError(OSError):
    """A file could not be written; what stood there before still does."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old content or the new, never a part of it.

    Raises
    ------
    UnwritableError
        If the disk is full or the folder cannot be written; the sentence names the path and the reason.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix=".", suffix=".draft", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(draft, 0o644)
            os.replace(draft, path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnwritableError(f"{path} could not be written ({reason}); nothing that was there is lost") from error


def require_writable(folder: Path) -> None:
    """Raise UnwritableError unless files can be written to `folder`, which is made if missing.

    To be called before a long computation whose result would be lost.
    """
    probe = folder / f".writable-{os.getpid()}"
    write_atomically(probe, b"")
    probe.unlink(missing_ok=True)
