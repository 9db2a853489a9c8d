"""Files that are there whole or not at all, whatever is killed when: written beside, flushed, renamed, under a lock."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

UNFINISHED = ".unfinished-"
"""How the name of everything begins that is still being written."""

_ABANDONED_S = 86_400.0


def unfinished_beside(path: Path) -> Path:
    """A name beside `path` that nobody else has, and that no reader takes for something finished."""
    return path.with_name(f"{UNFINISHED}{path.name}-{secrets.token_hex(8)}")


def write_durably(path: Path, text: str) -> None:
    """Put `text` in the place of a file. Raises OSError; then the file is as it was."""
    unfinished = unfinished_beside(path)
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    flush(path.parent)


def flush(path: Path) -> None:
    """Have what was written to a file, or renamed in a folder, survive a crash of the machine."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_tree(folder: Path) -> None:
    """As `flush`, for all that is in a folder, and for itself."""
    for path in sorted(folder.rglob("*"), reverse=True):
        flush(path)
    flush(folder)


def remove_abandoned(folder: Path) -> None:
    """What was being written in a folder when its process was killed: what began more than a day ago."""
    for path in folder.glob(f"{UNFINISHED}*"):
        with suppress(OSError):  # another may be first
            if time.time() - path.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Alone among all processes of this machine that ask for the same file; the system lets go for whoever is killed.

    flock(2): works on local file systems and on NFS since Linux 2.6.12.
    """
    with file.open("a") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
