"""Scores that were computed before, bounded in bytes, so that no pair goes through a model twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Protocol

from middleware.rerank.halves import Halves

# Measured with CPython 3.11: 99 to 118 for the key, the score and their place in a dict, 148 while a dict grows.
_BYTES_EACH = 160


class SharedScores(Protocol):
    """A memory that other processes share; whatever fails in it is a score that is not there."""

    def find(self, keys: list[bytes], patience_s: float) -> Mapping[bytes, float]:
        """The scores that it knows, within `patience_s`."""
        ...

    def put(self, scores: Mapping[bytes, float]) -> None:
        """Remember scores, without making the caller wait."""
        ...


class ScoreMemory:
    """Key to score, thread-safe, in no more than `max_bytes`; what was not used for long goes first."""

    def __init__(self, max_bytes: int, shared: SharedScores | None = None) -> None:
        self._scores: Halves[bytes, float] = Halves(max_bytes // _BYTES_EACH)
        self._shared = shared
        self._lock = Lock()

    @property
    def entries(self) -> int:
        """Scores remembered."""
        with self._lock:
            return len(self._scores)

    def find(self, keys: Iterable[bytes]) -> dict[bytes, float]:
        """The scores that this process remembers."""
        with self._lock:
            return {key: score for key in keys if (score := self._scores.get(key)) is not None}

    def find_anywhere(self, keys: Iterable[bytes], patience_s: float) -> dict[bytes, float]:
        """As `find`, and what is missing from the memory that processes share, within `patience_s`."""
        wanted = list(dict.fromkeys(keys))
        found = self.find(wanted)
        if self._shared is None or len(found) == len(wanted):
            return found
        theirs = self._shared.find([key for key in wanted if key not in found], patience_s)
        self._put(theirs)
        return found | dict(theirs)

    def put(self, scores: Mapping[bytes, float]) -> None:
        """Remember scores, for the other processes, too."""
        self._put(scores)
        if self._shared is not None:
            self._shared.put(scores)

    def _put(self, scores: Mapping[bytes, float]) -> None:
        with self._lock:
            for key, score in scores.items():
                self._scores.put(key, score)
