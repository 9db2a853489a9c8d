"""The rejects file: every record that did not get in, with line number and reason, so that nothing is lost silently."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from middleware.catalog.read import Reject
from middleware.errors import ConfigError

REFUSED = "refused"
SAMPLES_KEPT = 20


class Rejects:
    """Counts rejects by reason and writes them to `path` (None: counts and the first few only).

    The file has one JSON object a line: {"line", "reason", "detail", "raw"}; it is made when the first reject comes.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._file: IO[str] | None = None
        self._reset()

    def start(self, keep_refused_to_line: int = 0) -> None:
        """Begin a new file; of the last run's only what the cluster refused up to that line stays in it.

        Raises ConfigError where the file cannot be written.
        """
        self._reset()
        if self.path is None:
            return
        try:
            kept = list(self._read_refused(keep_refused_to_line))
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigError("--rejects", str(self.path), f"cannot be written: {error.strerror}") from error
        for reject in kept:
            self.add(reject)

    def _reset(self) -> None:
        self.close()
        self.counts: Counter[str] = Counter()
        self.samples: list[Reject] = []
        self.refused_lines: set[int] = set()

    def add(self, reject: Reject) -> None:
        """Count and write one reject."""
        self.counts[reject.reason] += 1
        if reject.reason == REFUSED:
            self.refused_lines.add(reject.line)
        if len(self.samples) < SAMPLES_KEPT:
            self.samples.append(reject)
        if self.path is not None:
            self._write(self.path, reject)

    def flush(self) -> None:
        """Make what was written so far survive a crash."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, path: Path, reject: Reject) -> None:
        if self._file is None:
            try:
                self._file = path.open("a", encoding="utf-8", errors="backslashreplace")
            except OSError as error:
                raise ConfigError("--rejects", str(path), f"cannot be written: {error.strerror}") from error
        row = {"line": reject.line, "reason": reject.reason, "detail": reject.detail, "raw": reject.raw}
        self._file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def _read_refused(self, to_line: int) -> Iterator[Reject]:
        if self.path is None or to_line <= 0 or not self.path.is_file():
            return
        with self.path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                row = _parse(line)
                if row.get("reason") == REFUSED and row["line"] <= to_line:
                    yield Reject(row["line"], REFUSED, row["detail"], row["raw"])


def _parse(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        return {}  # the last line of a run that was killed while it wrote
    return row if isinstance(row, dict) else {}
