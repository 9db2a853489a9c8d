"""A lock that serves in the order of arrival, so that a search of many slices lets others in between."""

from __future__ import annotations

from collections import deque
from threading import Lock


class Turns:
    """`threading.Lock` lets whoever released it take it again before those that wait; this one hands it on."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._waiting: deque[Lock] = deque()
        self._taken = False

    def acquire(self, timeout_s: float) -> bool:
        """Wait for our turn; False where it did not come within `timeout_s`."""
        with self._guard:
            if not self._taken:
                self._taken = True
                return True
            turn = Lock()
            turn.acquire()
            self._waiting.append(turn)
        if turn.acquire(timeout=max(0.0, timeout_s)):
            return True
        with self._guard:
            if turn not in self._waiting:
                return True  # it came at the last moment
            self._waiting.remove(turn)
            return False

    def release(self) -> None:
        """Hand the turn on to whoever has waited longest."""
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False
