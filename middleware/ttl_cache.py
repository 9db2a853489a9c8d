"""A bounded memory of recent results that forgets by age and by disuse, for lookups that may be a little old."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class TtlLruCache(Generic[K, V]):
    """At most `size` values, each for the seconds given with it; the least recently used goes first. Thread-safe."""

    def __init__(self, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._lock = Lock()
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K) -> tuple[V] | None:
        """The value, in a tuple so that a remembered None differs from nothing remembered."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            expires, value = entry
            if expires <= self._clock():
                del self._entries[key]
                return None
            self._entries.move_to_end(key)
            return (value,)

    def put(self, key: K, value: V, ttl_s: float) -> None:
        with self._lock:
            self._put(key, value, ttl_s)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def put_first(self, key: K, value: V, ttl_s: float) -> V:
        """Remember `value` unless another is remembered; returns the one that is, so that all who ask agree."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry[0] > self._clock():
                return entry[1]
            self._put(key, value, ttl_s)
            return value

    def drop(self, is_dropped: Callable[[K], bool]) -> None:
        """Forget what is kept under the keys that this says yes to; looks at every key."""
        with self._lock:
            for key in [key for key in self._entries if is_dropped(key)]:
                del self._entries[key]

    def _put(self, key: K, value: V, ttl_s: float) -> None:
        self._entries[key] = (self._clock() + ttl_s, value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def forget(self, key: K) -> None:
        """Nothing is remembered under `key` any more."""
        with self._lock:
            self._entries.pop(key, None)

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)
