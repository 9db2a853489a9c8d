"""What is popular with everybody, for those of whom nothing is known: read seldom, remembered, never an error."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from middleware.errors import MiddlewareError
from middleware.own_requests import Ask, hits_of, search_path
from middleware.personalization.documents import EVERYBODY, statistics_from_document
from middleware.recommend.index import bestsellers_search

_FAILURE_TTL_S = 5.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Popular:
    """Most popular first: as events name products (`object_ids`), else their `_id`s (`products`)."""

    object_ids: Sequence[str] = ()
    products: Sequence[str] = ()


class PopularityReader:
    """Reads the statistics of everybody, or where there are none, whom most users bought. Thread-safe."""

    def __init__(
        self,
        profiles_index: str,
        kept_in: str,
        ask: Ask,
        *,
        most: int,
        ttl_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`kept_in`: the index of `es-rerank recommend build`; `most`: how many are read."""
        self._profiles_index, self._kept_in, self._ask = profiles_index, kept_in, ask
        self._most, self._ttl_s, self._clock = most, ttl_s, clock
        self._known: tuple[float, Popular] = (-float("inf"), Popular())

    def read(self) -> Popular:
        """What is remembered, or read in this thread; nothing where it cannot be read."""
        until, popular = self._known
        now = self._clock()
        if now < until:
            return popular
        ttl_s = self._ttl_s
        try:
            popular = self._of_everybody() or self._bestsellers()
        except MiddlewareError as error:
            log.warning("what is popular cannot be read: %s", error)
            ttl_s = min(ttl_s, _FAILURE_TTL_S)
        self._known = (now + ttl_s, popular)
        return popular

    def _of_everybody(self) -> Popular | None:
        body = {"size": 1, "query": {"ids": {"values": [EVERYBODY]}}}
        for hit in hits_of(self._ask("POST", search_path(self._profiles_index), body)):
            try:
                shares = statistics_from_document(hit["_source"]).popularity
            except ValueError as error:
                log.warning("the document %s of %s is left out: %s", EVERYBODY, self._profiles_index, error)
                return None
            if shares:
                return Popular(object_ids=by_share(shares, self._most))
        return None

    def _bestsellers(self) -> Popular:
        hits = hits_of(self._ask("POST", search_path(self._kept_in), bestsellers_search(self._most)))
        return Popular(products=[str(hit["_id"]) for hit in hits])


def by_share(shares: Mapping[str, float], most: int) -> list[str]:
    """The names of a map name -> share, greatest first."""
    return sorted(shares, key=lambda name: (-shares[name], name))[:most]
