"""The digest of a model's file, which is read once for all who ask: weights are large, and two parts want theirs."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

# What is younger may be written once more without a new time: file systems count in steps of up to two seconds.
_COARSEST_CLOCK_NS = 2_000_000_000
_Stamp = tuple[int, ...]
_known: dict[Path, tuple[_Stamp, bytes]] = {}


def file_digest(path: Path) -> bytes:
    """SHA-256 of a file's content, 32 bytes; remembered by this process while the file stays as it is."""
    path = path.resolve()
    told = path.stat()
    stamp = (told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns)
    known = _known.get(path)
    if known is not None and known[0] == stamp:
        return known[1]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    if time.time_ns() - max(told.st_mtime_ns, told.st_ctime_ns) > _COARSEST_CLOCK_NS:
        _known[path] = stamp, digest
    return digest
