"""Who owns which folder of a spool: each process one of its own, under a lock that the system lifts when it dies."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from middleware.behaviour.segments import drop_torn_end, segments_in
from middleware.durable_files import flush, locked

_PREFIX = "room-"
_OWNER = "owner.lock"
_READER = "reader.lock"
_ROOT = "rooms.lock"


class Room:
    """One folder of segments and the lock that makes it ours; `leave` lets go of it."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    def leave(self) -> None:
        """Let go of it, and remove it where nothing waits in it."""
        with locked(self.path.parent / _ROOT):
            if not segments_in(self.path):
                with suppress(OSError):
                    for name in (_READER, _OWNER):
                        (self.path / name).unlink(missing_ok=True)
                    self.path.rmdir()
            os.close(self._lock)


def enter_new_room(root: Path) -> Room:
    """A room of our own under `root`, which is made where it is missing. Raises OSError."""
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(root / _ROOT):  # nobody takes it for left behind before its lock is ours
        path = root / f"{_PREFIX}{secrets.token_hex(8)}"
        path.mkdir(mode=0o700)
        flush(root)
        lock = _try_lock(path / _OWNER)
        if lock is None:
            raise OSError(f"{path}: a new folder is locked already")
        return Room(path, lock)


def enter_left_rooms(root: Path) -> list[Room]:
    """The rooms of processes that have died, now ours; torn last lines, never acknowledged, are cut off."""
    if not root.is_dir():
        return []
    rooms = []
    with locked(root / _ROOT):
        for path in all_rooms(root):
            lock = _try_lock(path / _OWNER)
            if lock is not None:
                rooms.append(Room(path, lock))
    for room in rooms:
        for segment in segments_in(room.path):
            drop_torn_end(segment)
    return rooms


def all_rooms(root: Path) -> list[Path]:
    """Every room under `root`, whoever owns it."""
    return sorted(path for path in root.glob(f"{_PREFIX}*") if path.is_dir())


@contextmanager
def alone_in(room: Path) -> Iterator[None]:
    """Nobody else sends from this room, or erases in it, meanwhile. Where the room has gone, nothing is held."""
    try:
        file = os.open(room / _READER, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _try_lock(path: Path) -> int | None:
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    except BaseException:
        os.close(file)
        raise
    return file
