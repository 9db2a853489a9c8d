"""Whose data was erased when, by hash: what arrives late of the time before is not written again, nor counted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from middleware.errors import MiddlewareError
from middleware.personalization.events import read_timestamp
from middleware.privacy.archive import Archive
from middleware.privacy.documents import Person
from middleware.privacy.keeping import KeptRecord

_BODY: Mapping[str, Any] = {
    "settings": {"number_of_shards": 1, "auto_expand_replicas": "0-1"},
    "mappings": {"dynamic": "strict", "properties": {"erased_at": {"type": "date", "format": "epoch_millis"}}},
}
_OVERLAP_MS = 600_000  # hosts' clocks may differ by so much
_log = logging.getLogger(__name__)


def bury(archive: Archive, index: str, person: Person, now: float) -> None:
    """Keep that all of this user from before `now` (seconds since 1970) is erased, and nothing else of them."""
    archive.make_index(index, _BODY)
    for name in person.hashes:
        archive.put(index, name, {"erased_at": int(now * 1000)})


def read_erasures(archive: Archive, index: str, since_ms: int = 0) -> dict[str, float]:
    """Hash -> when it was last erased, in seconds since 1970; those erased from `since_ms` on."""
    query = {"range": {"erased_at": {"gte": since_ms}}}
    return {str(hit["_id"]): hit["_source"]["erased_at"] / 1000 for hit in archive.hits(index, query)}


def erased_at(archive: Archive, index: str, hashes: Iterable[str]) -> float | None:
    """When this user was last erased, in seconds since 1970, or None."""
    found = archive.hits(index, {"ids": {"values": list(hashes)}})
    return max((hit["_source"]["erased_at"] / 1000 for hit in found), default=None)


class Erasures:
    """The tombstones as a writer knows them: read again where they are older than `most_age_s`. Thread-safe.

    Where they cannot be read, those known before count; `es-rerank privacy purge` removes what slips through.
    """

    def __init__(
        self,
        open_archive: Callable[[], Archive],
        index: str,
        most_age_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_archive = open_archive
        self._index = index
        self._most_age_s = most_age_s
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, float] = {}
        self._next_look = -float("inf")

    def look_again(self) -> None:
        """Read them with the next question: somebody has been erased."""
        with self._lock:
            self._next_look = -float("inf")

    def cover(self, record: KeptRecord) -> bool:
        """As `covers`, for a record on its way to the cluster."""
        document = record.document
        moment = read_timestamp(document.get("timestamp"))
        names = {document.get("client_id"), document.get("user_id")}
        return moment is not None and any(isinstance(name, str) and self.covers(name, moment) for name in names)

    def covers(self, client_hash: str, timestamp_s: float) -> bool:
        """Whether something that this user did at this moment (seconds since 1970) was erased since."""
        with self._lock:
            if self._clock() >= self._next_look:
                self._look()
                self._next_look = self._clock() + self._most_age_s
            return timestamp_s <= self._known.get(client_hash, -float("inf"))

    def _look(self) -> None:
        since = max((int(moment * 1000) - _OVERLAP_MS for moment in self._known.values()), default=0)
        try:
            self._known |= read_erasures(self._open_archive(), self._index, since)
        except (MiddlewareError, OSError) as error:  # a file with our credentials may be gone
            _log.warning("erasures cannot be read, those known before count: %s", error)
