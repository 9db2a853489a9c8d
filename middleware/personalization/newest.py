"""The events that this very process has accepted, which count before the index shows them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from threading import Lock

from middleware.personalization.events import Event
from middleware.ttl_cache import TtlLruCache

# Beyond the writer's and the index's delay; what takes longer counts again as soon as the index shows it.
_TTL_S = 60.0
_MOST_OF_ONE_USER = 64


class NewestEvents:
    """The newest events of the users seen last, for a minute; thread-safe."""

    def __init__(self, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`size`: users at once; `clock` times what is remembered."""
        self._events: TtlLruCache[str, tuple[int, tuple[Event, ...]]] = TtlLruCache(size, clock)
        self._stamps = itertools.count(1)
        self._lock = Lock()

    def add(self, events: Iterable[Event]) -> None:
        """Remember events, whose client_ids are hashes."""
        with self._lock:
            for event in events:
                _, before = self.of(event.client_id)
                newest = (*before, event)[-_MOST_OF_ONE_USER:]
                self._events.put(event.client_id, (next(self._stamps), newest), _TTL_S)

    def of(self, user_hash: str) -> tuple[int, tuple[Event, ...]]:
        """A stamp that changes whenever something is added, and the events."""
        known = self._events.get(user_hash)
        return known[0] if known else (0, ())

    def forget(self, user_hash: str | None = None) -> None:
        """Keep nothing of this user, or of any."""
        self._events.drop(lambda key: user_hash in (None, key))
