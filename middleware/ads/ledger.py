"""What ads have cost and who has seen them: counted from the log of showings, and here until the log has them."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock

from middleware.ttl_cache import TtlLruCache

# A showing is in the log by then, or the log cannot be read either.
_LOGGED_AFTER_S = 10.0
_USERS = 10_000


@dataclass(frozen=True, slots=True)
class _Shown:
    at_s: float
    ad_id: str
    cost: float
    client_id: str | None


class Ledger:
    """Thread-safe. What this process has shown lately is added to what the log said when it was last read.

    A showing may be counted twice for some seconds, never not at all: budgets are rather kept than spent. Those of
    other processes are known as soon as the log is read again.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._logged: Mapping[str, float] = {}
        self._lately: deque[_Shown] = deque()
        self._seen: TtlLruCache[str, Counter[str]] = TtlLruCache(_USERS, clock)

    def spent(self) -> dict[str, float]:
        """ad_id -> cost so far."""
        with self._lock:
            total: defaultdict[str, float] = defaultdict(float, self._logged)
            for shown in self._lately:
                total[shown.ad_id] += shown.cost
        return dict(total)

    def seen(self, client_id: str | None) -> Counter[str]:
        """ad_id -> how often this user saw it in a day; of a user whose log was not read yet, lately."""
        if client_id is None:
            return Counter()
        logged = self._seen.get(client_id)
        with self._lock:
            return self._lately_seen(client_id) if logged is None else Counter(logged[0])

    def knows(self, client_id: str) -> bool:
        """Whether the log was read for this user lately."""
        return self._seen.get(client_id) is not None

    def note(self, ad_id: str, cost: float, client_id: str | None) -> None:
        """An ad was shown."""
        logged = self._seen.get(client_id) if client_id is not None else None
        with self._lock:
            self._lately.append(_Shown(self._clock(), ad_id, cost, client_id))
            if logged is not None:
                logged[0][ad_id] += 1

    def read_log(self, spent: Mapping[str, float], asked_s: float) -> None:
        """What the log says all ads have cost, asked for at `asked_s` of the clock."""
        with self._lock:
            self._logged = dict(spent)
            while self._lately and self._lately[0].at_s < asked_s - _LOGGED_AFTER_S:
                self._lately.popleft()

    def read_user_log(self, client_id: str, seen: Counter[str], ttl_s: float) -> None:
        """What the log says a user has seen, good for `ttl_s`."""
        with self._lock:
            known = seen + self._lately_seen(client_id, since_s=self._clock() - _LOGGED_AFTER_S)
        self._seen.put(client_id, known, ttl_s)

    def forget(self, client_id: str) -> None:
        """Nothing here names this user any more."""
        with self._lock:
            kept = (_Shown(s.at_s, s.ad_id, s.cost, None) if s.client_id == client_id else s for s in self._lately)
            self._lately = deque(kept)
        self._seen.forget(client_id)

    def _lately_seen(self, client_id: str, since_s: float = -math.inf) -> Counter[str]:
        return Counter(each.ad_id for each in self._lately if each.client_id == client_id and each.at_s >= since_s)
