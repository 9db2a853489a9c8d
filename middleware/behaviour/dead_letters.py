"""Records that the cluster refused for good, kept by day for people to look at: nothing acknowledged just vanishes."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

from middleware.behaviour.record import Record
from middleware.behaviour.segments import blank_lines

_FOLDER = "dead-letters"
_log = logging.getLogger(__name__)


class DeadLetters:
    """Files of NDJSON under `root`/dead-letters, one per day and process: {at, reason, index, id, document}."""

    def __init__(self, root: Path, max_bytes: int, clock: Callable[[], float] = time.time) -> None:
        """Beyond `max_bytes` of all files together, those of the oldest day go. `clock`: seconds since 1970."""
        self._folder = root / _FOLDER
        self._max_bytes = max_bytes
        self._clock = clock

    def add(self, refused: Iterable[tuple[Record, str]]) -> None:
        """Keep records with the cluster's reasons, durably. Raises OSError."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        at = now.isoformat(timespec="milliseconds")
        lines = [
            json.dumps(
                {"at": at, "reason": reason, "index": record.index, "id": record.id, "document": record.document}
            )
            for record, reason in refused
        ]
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{now.date().isoformat()}-{os.getpid()}.ndjson"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        self._drop_oldest()

    def find(self, client_hash: str) -> tuple[Record, ...]:
        """The refused records that name this user."""
        found = []
        for path in self._files():
            with suppress(FileNotFoundError):
                lines = [line for line in path.read_text(encoding="utf-8").splitlines() if client_hash in line]
                letters = [json.loads(line) for line in lines]
                found += [Record(letter["index"], letter["id"], letter["document"]) for letter in letters]
        return tuple(found)

    def erase(self, client_hash: str) -> int:
        """Overwrite the refused records that name this user; how many there were."""
        name = client_hash.encode()
        return sum(blank_lines(path, lambda line: name in line) for path in self._files())

    def purge(self, before: date) -> int:
        """Remove the files of the days before this one (UTC); how many there were."""
        old = [path for path in self._files() if path.name < before.isoformat()]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _files(self) -> list[Path]:
        """Oldest first."""
        return sorted(self._folder.glob("*.ndjson"))

    def _drop_oldest(self) -> None:
        files = self._files()
        while len(files) > 1 and sum(_size(path) for path in files) > self._max_bytes:
            oldest = files.pop(0)
            oldest.unlink(missing_ok=True)
            _log.error("dead letters are over events.dead_letters_max_bytes: %s was removed", oldest)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
