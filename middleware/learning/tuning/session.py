"""The processes at work on one study: a place for each that is known to be alive by a lock, which dies with it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from middleware.errors import CommandError


class Session:
    """This process's place among those at a study; `number` is 1, 2, ... and never given again while it lives.

    Byte 0 of the lock file is for what one process does at a time, byte n is held by the process with the number n.
    """

    def __init__(self, study: Path) -> None:
        """Raises CommandError where the folder cannot be written."""
        path = study.with_name(f"{study.name}.lock")
        try:
            # One descriptor for as long as the process lives: to close another of this file would free all locks.
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise CommandError(f"--study: {path}: {error.strerror or error}") from error
        self.number = 0

    def __enter__(self) -> Self:
        with self.alone():
            self.number = next(number for number in range(1, 10_000) if self._take(number))
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other process at this study is in here at the same time."""
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, 0)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, 0)

    def is_alive(self, number: int) -> bool:
        """Whether a process holds this place."""
        if number == self.number:
            return True
        if not self._take(number):
            return True
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)
        return False

    def _take(self, number: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except OSError:
            return False
        return True
