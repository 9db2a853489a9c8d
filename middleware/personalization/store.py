"""Profiles on the online path: read through a search seam, remembered for a while, never in a search's way."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

from middleware.config import FeatureFields, ProfileSettings
from middleware.errors import MiddlewareError
from middleware.personalization.fields import HitFields
from middleware.personalization.lookup import events_body, products_bodies, read_events, read_products
from middleware.personalization.profiles import Profile, profile_of
from middleware.personalization.state import EMPTY, Product, fold
from middleware.ttl_cache import TtlLruCache

logger = logging.getLogger(__name__)

Fetch = Callable[[str, Mapping[str, object], Mapping[str, str]], Mapping[str, object]]
"""Search seam: (index, body, the client's headers) -> Elasticsearch's answer; raises UpstreamError."""

# Long enough to spare a failing cluster, short enough to have the profile back with the next page.
FAILURE_TTL_S = 1.0
SECONDS_BETWEEN_WARNINGS = 60.0


@dataclass(frozen=True, slots=True)
class _Flight:
    """One read under way, shared by all who ask for the same user meanwhile."""

    key: bytes
    user_id: str
    headers: Mapping[str, str]
    now: float
    landing: Future[Profile | None] = field(default_factory=Future)


class ProfileReader:
    """Reads profiles from the events and products indices; one per process, thread-safe.

    A user without usable events has no profile (None), and so has one whose read fails: that is logged at most once
    a minute and never raised. Profiles are remembered per user and credentials, so a client never gets what only
    another client may read.
    """

    def __init__(
        self,
        settings: ProfileSettings,
        features: FeatureFields,
        fetch: Fetch,
        *,
        threads: int = 8,
        most_waiting: int = 32,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`threads` reads run at once for `prefetch`, `most_waiting` more may wait; `clock` times cache and log."""
        self._settings = settings
        self._features = features
        self._fetch = fetch
        self._clock = clock
        self._cache: TtlLruCache[bytes, Profile | None] = TtlLruCache(settings.cache_size, clock)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="profiles")
        self._room = threads + most_waiting
        self._lock = Lock()
        self._flights: dict[bytes, _Flight] = {}
        self._queued = 0
        self._closed = False
        self._next_warning = -float("inf")

    def read(self, user_id: str, headers: Mapping[str, str], now: float | None = None) -> Profile | None:
        """The user's profile, read in this thread unless remembered or under way; `now` in seconds since 1970."""
        flight, is_new = self._board(user_id, headers, now)
        if is_new:
            self._fly(flight)
        return flight.landing.result()

    def prefetch(self, user_id: str, headers: Mapping[str, str], now: float | None = None) -> Future[Profile | None]:
        """Start a read in the background. The future never raises; it holds None at once where no thread is free."""
        flight, is_new = self._board(user_id, headers, now)
        if is_new and not self._queue(flight):
            self._land(flight, None)
        return flight.landing

    def close(self) -> None:
        """Take no more background reads; those not started yet end with None, those running end by themselves."""
        with self._lock:
            self._closed = True
            waiting = list(self._flights.values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for flight in waiting:
            self._land(flight, None)

    def _board(self, user_id: str, headers: Mapping[str, str], now: float | None) -> tuple[_Flight, bool]:
        """The flight that answers this read, and whether it is the caller's to fly."""
        user_id = user_id.strip()
        flight = _Flight(_cache_key(user_id, headers), user_id, dict(headers), time.time() if now is None else now)
        # A running future cannot be cancelled: one caller that gives up must not take it from the others.
        flight.landing.set_running_or_notify_cancel()
        with self._lock:
            known = self._cache.get(flight.key) if self._settings.enabled and user_id else (None,)
            if known is None:
                shared = self._flights.setdefault(flight.key, flight)
                return shared, shared is flight
        flight.landing.set_result(known[0])
        return flight, False

    def _queue(self, flight: _Flight) -> bool:
        with self._lock:
            if self._closed or self._queued >= self._room:
                return False
            try:
                self._pool.submit(self._fly_queued, flight)
            except RuntimeError:  # the interpreter is going down, or has no thread left to give
                return False
            self._queued += 1
        return True

    def _fly_queued(self, flight: _Flight) -> None:
        try:
            self._fly(flight)
        finally:
            with self._lock:
                self._queued -= 1

    def _fly(self, flight: _Flight) -> None:
        profile: Profile | None = None
        ttl_s = min(FAILURE_TTL_S, self._settings.cache_ttl_s)
        try:
            profile = self._load(flight)
            ttl_s = float(self._settings.cache_ttl_s)
        except Exception as error:  # noqa: BLE001 - a profile is optional: no failure here may cost a search its answer
            self._warn(error)
        finally:
            self._land(flight, profile, ttl_s)

    def _land(self, flight: _Flight, profile: Profile | None, ttl_s: float = 0.0) -> None:
        with self._lock:
            if ttl_s > 0:
                self._cache.put(flight.key, profile, ttl_s)
            is_open = self._flights.get(flight.key) is flight
            if is_open:
                del self._flights[flight.key]
        # Outside the lock: a callback on the future may ask for the next profile.
        if is_open:
            flight.landing.set_result(profile)

    def _load(self, flight: _Flight) -> Profile | None:
        settings, features = self._settings, self._features
        answer = self._fetch(settings.events_index, events_body(flight.user_id, settings), flight.headers)
        events = read_events(answer, flight.user_id)
        products: dict[str, HitFields] = {}
        for body in products_bodies((event.object_id for event in events), settings, features):
            products |= read_products(self._fetch(settings.products_index, body, flight.headers), settings, features)
        known = {object_id: Product(fields) for object_id, fields in products.items()}
        state = fold(EMPTY, events, known, settings, flight.now)
        profile = profile_of(state, settings=settings, now=flight.now)
        return profile if profile.weight > 0 else None

    def _warn(self, error: Exception) -> None:
        with self._lock:
            now = self._clock()
            if now < self._next_warning:
                return
            self._next_warning = now + SECONDS_BETWEEN_WARNINGS
        expected = isinstance(error, MiddlewareError)
        logger.warning("profiles cannot be read, searches go without: %s", error, exc_info=None if expected else error)


def _cache_key(user_id: str, headers: Mapping[str, str]) -> bytes:
    """A digest: keys of one small size, and no credentials kept in memory."""
    credentials = "".join(value for name, value in headers.items() if name.lower() == "authorization")
    digest = hashlib.blake2b(user_id.encode("utf-8", "surrogatepass"), digest_size=16)
    digest.update(b"\0" + credentials.encode("utf-8", "surrogatepass"))
    return digest.digest()
