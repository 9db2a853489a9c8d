"""Profiles on the online path: read through a search seam, remembered for a while, never in a search's way."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass, field
from threading import Lock

from middleware.config import FeatureFields, ProfileSettings
from middleware.errors import MiddlewareError
from middleware.own_requests import Fetch
from middleware.personalization.events import parse_event
from middleware.personalization.identity import Identity
from middleware.personalization.loading import ProfileLoader, Wanted
from middleware.personalization.newest import NewestEvents
from middleware.personalization.products import VectorSource
from middleware.personalization.profiles import Profile
from middleware.personalization.state import ProfileState
from middleware.ttl_cache import TtlLruCache

logger = logging.getLogger(__name__)

# Long enough to spare a failing cluster, short enough to have the profile back with the next page.
FAILURE_TTL_S = 1.0
SECONDS_BETWEEN_WARNINGS = 60.0


@dataclass(frozen=True, slots=True)
class _Flight:
    """One read under way, shared by all who ask for the same user meanwhile and know of the same events.

    `key`: (hash, digest of the credentials); `stamp`: of the events accepted by this process until it began.
    """

    key: tuple[str, bytes]
    stamp: int
    name: str
    headers: Mapping[str, str]
    now: float
    landing: Future[Profile | None] = field(default_factory=Future)

    @property
    def place(self) -> tuple[str, bytes, int]:
        """Among the flights under way."""
        return (*self.key, self.stamp)


class ProfileReader:
    """Reads profiles from the profiles, events and products indices; one per process, thread-safe.

    A user of whom nothing can be said has no profile (None), and so has one whose read fails: that is logged at most
    once a minute and never raised. What is remembered is kept under the user's hash and the credentials, so a client
    never gets what only another client may read: the stored state for `cache_ttl_s`, the profile for `fresh_ttl_s`,
    unless this process accepts an event of the user, which counts from the next read on.
    """

    def __init__(
        self,
        settings: ProfileSettings,
        features: FeatureFields,
        fetch: Fetch,
        *,
        identity: Identity | None = None,
        vectors: VectorSource | None = None,
        threads: int = 8,
        most_waiting: int = 32,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`threads` reads run at once for `prefetch`, `most_waiting` more may wait; `clock` times cache and log.

        `identity`: makes hashes of names; without it a name is its own. `vectors`: of the products.
        """
        self._settings = settings
        self._clock = clock
        self._hash: Callable[[str], str] = identity.hash if identity else str.strip
        self._loader = ProfileLoader(settings, features, fetch, vectors, self._warn, clock)
        self._bases: TtlLruCache[tuple[str, bytes], ProfileState] = TtlLruCache(settings.cache_size, clock)
        self._profiles: TtlLruCache[tuple[str, bytes], tuple[int, Profile | None]] = TtlLruCache(
            settings.cache_size, clock
        )
        self._accepted = NewestEvents(settings.cache_size, clock)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="profiles")
        self._room = threads + most_waiting
        self._lock = Lock()
        self._flights: dict[tuple[str, bytes, int], _Flight] = {}
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

    def accept(self, events: Iterable[tuple[str, Mapping[str, object]]]) -> None:
        """Count events that this process has accepted from the next read on: (`_id`, UBI document), users as hashes.

        The index need not show them yet; when it does, they count once all the same.
        """
        if self._settings.enabled:
            parsed = (parse_event(document, event_id) for event_id, document in events)
            self._accepted.add(event for event in parsed if event is not None and event.event_id)

    def forget(self, user_hash: str | None = None) -> None:
        """Keep nothing of this user, or of any; reads under way end with None and leave nothing behind."""
        with self._lock:
            flights = [each for each in self._flights.values() if user_hash in (None, each.key[0])]
        for flight in flights:
            self._land(flight, None)
        self._accepted.forget(user_hash)
        for cache in (self._bases, self._profiles):
            cache.drop(lambda key: user_hash in (None, key[0]))

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
        user_hash = self._hash(user_id)
        key, stamp = (user_hash, _digest(headers)), self._accepted.of(user_hash)[0]
        flight = _Flight(key, stamp, user_id.strip(), dict(headers), time.time() if now is None else now)
        # A running future cannot be cancelled: one caller that gives up must not take it from the others.
        flight.landing.set_running_or_notify_cancel()
        with self._lock:
            known = self._profiles.get(key) if self._settings.enabled and user_hash else ((stamp, None),)
            if known is None or known[0][0] != stamp:
                shared = self._flights.setdefault(flight.place, flight)
                return shared, shared is flight
        flight.landing.set_result(known[0][1])
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
        read: tuple[ProfileState | None, Profile | None] | None = None
        try:
            read = self._loader.load(self._wanted(flight))
        except Exception as error:  # noqa: BLE001 - a profile is optional: no failure here may cost a search its answer
            self._warn(error)
        finally:
            self._land(flight, read, min(FAILURE_TTL_S, self._settings.fresh_ttl_s))

    def _wanted(self, flight: _Flight) -> Wanted:
        user_hash, who = flight.key
        base = self._bases.get(flight.key)
        names = tuple(dict.fromkeys((user_hash, flight.name)))
        accepted = self._accepted.of(user_hash)[1]
        return Wanted(names, flight.headers, who, base[0] if base else None, accepted, flight.now)

    def _land(
        self, flight: _Flight, read: tuple[ProfileState | None, Profile | None] | None, failure_ttl_s: float = 0.0
    ) -> None:
        """End a flight, unless it has ended: then nothing of it is remembered."""
        profile = read[1] if read else None
        with self._lock:
            is_open = self._flights.get(flight.place) is flight
            if not is_open:
                return
            del self._flights[flight.place]
            if read is not None:
                if read[0] is not None:
                    self._bases.put(flight.key, read[0], self._settings.cache_ttl_s)
                self._profiles.put(flight.key, (flight.stamp, profile), self._settings.fresh_ttl_s)
            elif failure_ttl_s > 0:
                self._profiles.put(flight.key, (flight.stamp, None), failure_ttl_s)
        # Outside the lock: a callback on the future may ask for the next profile.
        flight.landing.set_result(profile)

    def _warn(self, error: Exception) -> None:
        with self._lock:
            now = self._clock()
            if now < self._next_warning:
                return
            self._next_warning = now + SECONDS_BETWEEN_WARNINGS
        expected = isinstance(error, MiddlewareError)
        logger.warning("profiles cannot be read, searches go without: %s", error, exc_info=None if expected else error)


def _digest(headers: Mapping[str, str]) -> bytes:
    """Of the credentials: keys of one small size, and no credentials kept in memory."""
    credentials = "".join(value for name, value in headers.items() if name.lower() == "authorization")
    return hashlib.blake2b(credentials.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def profile_by(profile: Future[Profile | None] | None, deadline: float) -> Profile | None:
    """The profile if it is there by `deadline` (seconds, monotonic); one that comes later is left out."""
    if profile is None:
        return None
    try:
        return profile.result(timeout=max(0.0, deadline - time.monotonic()))
    except NotInTime:
        return None
