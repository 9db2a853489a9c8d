"""The files of a spool: lines appended and flushed by one process, read in batches, blanked where they must go."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from middleware.durable_files import flush

SUFFIX = ".segment"
_sync = getattr(os, "fdatasync", os.fsync)


@dataclass(frozen=True, slots=True)
class Line:
    """One whole line of a segment, and where in the file it begins, in bytes."""

    offset: int
    text: bytes

    @property
    def is_blank(self) -> bool:
        """Whether it was erased."""
        return not self.text.strip()


class OpenSegment:
    """A new segment that grows. One thread at a time; what `append` returned from survives a crash of the machine."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self.path = path
        self.size = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        flush(path.parent)

    def append(self, data: bytes) -> None:
        """Add whole lines and have them on disk. Raises OSError; then the segment is at its end, and to be closed."""
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            _sync(self._file)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, self.size)
            raise
        self.size += len(data)

    def close(self) -> None:
        """Take nothing more."""
        os.close(self._file)


def segments_in(folder: Path) -> list[Path]:
    """The segments of a folder, oldest first; none where there is no such folder."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def made_at_s(path: Path) -> float:
    """When a segment was begun, in seconds since 1970, as its name says."""
    return int(path.name.partition("-")[0]) / 1000


def lines_from(path: Path, offset: int = 0) -> Iterator[Line]:
    """The whole lines of a file from `offset` on; a last line that is still being written, or torn, is none."""
    with path.open("rb") as file:
        file.seek(offset)
        for text in file:
            if text.endswith(b"\n"):
                yield Line(offset, text)
            offset += len(text)


def lines_at(path: Path, offsets: list[int]) -> Iterator[Line]:
    """The lines that begin at `offsets`."""
    with path.open("rb") as file:
        for offset in offsets:
            file.seek(offset)
            yield Line(offset, file.readline())


def blank_lines(path: Path, is_wanted: Callable[[bytes], bool]) -> int:
    """Overwrite with blanks the lines that are wanted, so that nothing moves for who reads or appends meanwhile.

    Returns their number; none where the file has gone. Flushed to disk.
    """
    found = 0
    with suppress(FileNotFoundError), path.open("r+b", buffering=0) as file:
        for line in lines_from(path):
            if is_wanted(line.text):
                os.pwrite(file.fileno(), b" " * (len(line.text) - 1), line.offset)
                found += 1
        if found:
            os.fsync(file.fileno())
    return found


def drop_torn_end(path: Path) -> None:
    """Cut off what a process that was killed left behind its last whole line."""
    end = 0
    for line in lines_from(path):
        end = line.offset + len(line.text)
    if end < path.stat().st_size:
        os.truncate(path, end)
        flush(path)
