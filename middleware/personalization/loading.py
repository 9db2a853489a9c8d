"""One profile, read from the cluster: what the last batch stored, the events since, the products that they name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from middleware.config import FeatureFields, ProfileSettings
from middleware.errors import UpstreamError
from middleware.own_requests import Fetch
from middleware.personalization.clusters import Others
from middleware.personalization.events import Event
from middleware.personalization.lookup import (
    events_body,
    profile_body,
    read_events,
    read_profile,
    read_statistics,
    statistics_body,
)
from middleware.personalization.products import ProductReader, VectorSource
from middleware.personalization.profiles import Profile, profile_of
from middleware.personalization.state import EMPTY, ProfileState, fold
from middleware.ttl_cache import TtlLruCache

_MOST_CREDENTIALS = 64
_FAILURE_TTL_S = 5.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose profile is read for whom: `names` are the client_ids that mean the user, the hash first.

    `who` is a digest of the credentials in `headers`; `base` is remembered of an earlier read, `accepted` are events
    that the index may not show yet; `now` in seconds since 1970.
    """

    names: Sequence[str]
    headers: Mapping[str, str]
    who: bytes
    base: ProfileState | None
    accepted: Sequence[Event]
    now: float


class ProfileLoader:
    """Reads profiles, in the thread of the caller; thread-safe."""

    def __init__(
        self,
        settings: ProfileSettings,
        features: FeatureFields,
        fetch: Fetch,
        source: VectorSource | None,
        warn: Callable[[Exception], None],
        clock: Callable[[], float],
    ) -> None:
        """`warn` takes what went wrong where a profile can do without."""
        self._settings, self._fetch, self._warn = settings, fetch, warn
        self._products = ProductReader(settings, features, fetch, source, TtlLruCache(settings.cache_size, clock))
        self._others: TtlLruCache[bytes, Others] = TtlLruCache(_MOST_CREDENTIALS, clock)

    def load(self, wanted: Wanted) -> tuple[ProfileState | None, Profile | None]:
        """The base where it is new, to be remembered, and the profile, None where there is nothing to make one of.

        The base is the stored state with all events folded in but the session's: those are read anew each time, so
        that one that comes late, but within the session, counts. Raises UpstreamError.
        """
        settings, now = self._settings, wanted.now
        session_began = now - settings.session_minutes * 60
        base, new_base = wanted.base, None
        if base is None:
            base = self._stored(wanted)
        events = self._events(wanted, min(base.last_event_s, session_began))
        found = self._products.read((event.object_id for event in events), wanted.headers, wanted.who)
        products, model = found.by_id, found.model
        if wanted.base is None:
            settled = [event for event in events if event.timestamp_s < session_began]
            base = new_base = fold(base, settled, products, settings, now, model)
        state = fold(base, events, products, settings, now, model)
        session = fold(EMPTY, [e for e in events if e.timestamp_s >= session_began], products, settings, now, model)
        others = self._read_others(wanted)
        state, statistics = others.of(state)
        if state.weight <= 0 and statistics is None:
            return new_base, None
        return new_base, profile_of(state, session, statistics, everybody=others.everybody, settings=settings, now=now)

    def _events(self, wanted: Wanted, since_s: float) -> list[Event]:
        body = events_body(wanted.names, self._settings, since_s)
        found = read_events(self._fetch(self._settings.events_index, body, wanted.headers), wanted.names)
        by_id = {event.event_id: event for event in wanted.accepted} | {event.event_id: event for event in found}
        return list(by_id.values())

    def _stored(self, wanted: Wanted) -> ProfileState:
        """Without permission to read profiles, or where one is damaged, the events alone have to do."""
        try:
            answer = self._fetch(self._settings.index, profile_body(wanted.names[0]), wanted.headers)
            return read_profile(answer)
        except (UpstreamError, ValueError) as error:
            self._warn(error)
            return EMPTY

    def _read_others(self, wanted: Wanted) -> Others:
        known = self._others.get(wanted.who)
        if known is not None:
            return known[0]
        others, ttl_s = Others(), _FAILURE_TTL_S
        try:
            others = read_statistics(self._fetch(self._settings.index, statistics_body(), wanted.headers))
            ttl_s = self._settings.statistics_ttl_s
        except UpstreamError as error:
            self._warn(error)
        self._others.put(wanted.who, others, ttl_s)
        return others
