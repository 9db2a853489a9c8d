"""The ads of a search: which may be shown to this user now, where, and the record that they were."""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import BoundedSemaphore, Event, Thread
from typing import Protocol

from middleware.ads.ad import Ad
from middleware.ads.blend import Blend, Offer, blend, most_ads
from middleware.ads.ledger import Ledger
from middleware.ads.searches import ads_body, read_ads, read_seen, read_spent, seen_body, spent_body
from middleware.behaviour.record import Record
from middleware.config import AdSettings
from middleware.errors import MiddlewareError
from middleware.features.words import word_set
from middleware.own_requests import Fetch
from middleware.ranking import Scored
from middleware.search.hits import SearchResponse
from middleware.search.plan import Plan
from middleware.search.response import Ranking
from middleware.ttl_cache import TtlLruCache

_MOST_READING = 32
_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Takes records without waiting for the disk; see behaviour.sink."""

    def put_soon(self, records: Sequence[Record]) -> bool: ...


@dataclass(frozen=True, slots=True)
class AdStatus:
    """One ad as it stands: `state` is open, waiting, ended, spent, or what is wrong with it."""

    ad_id: str
    state: str
    spent: float
    ad: Ad | None = None


@dataclass(frozen=True, slots=True)
class _Book:
    """The ads as they were last read: by product the ads, and by id what is wrong with others."""

    by_object: Mapping[str, Sequence[Ad]]
    wrong: Mapping[str, str]

    @property
    def ads(self) -> list[Ad]:
        return [ad for ads in self.by_object.values() for ad in ads]


class AdServer:
    """One per process, thread-safe. Nothing here is raised in a search: without its index there are no ads.

    What was decided for a ranking is remembered as long as the ranking is, so that its pages stay those of one order.
    """

    def __init__(
        self,
        settings: AdSettings,
        fetch: Fetch,
        sink: Sink,
        *,
        credentials: Mapping[str, str] | None = None,
        ranking_ttl_s: float = 60.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`credentials`: headers for our own searches; `now`: seconds since 1970."""
        self._settings, self._fetch, self._sink = settings, fetch, sink
        self._credentials, self._ttl_s, self._now = dict(credentials or {}), ranking_ttl_s, now
        self.ledger = Ledger()
        self._book = _Book({}, {})
        self._decided: TtlLruCache[bytes, Blend] = TtlLruCache(1000)
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="ads")
        self._room = BoundedSemaphore(_MOST_READING)
        self._closed = Event()

    def start(self) -> None:
        """Read the ads in a thread of its own, again and again."""
        Thread(target=self._keep_reading, name="ads", daemon=True).start()

    def close(self) -> None:
        """Nothing is read from here on."""
        self._closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def read(self) -> None:
        """Read the ads and what they have cost. Raises MiddlewareError; then what was known stays."""
        settings, asked_s = self._settings, time.monotonic()
        index = settings.index or ""
        ads, wrong = read_ads(self._fetch(index, ads_body(settings.max_ads), self._credentials))
        spent = read_spent(self._fetch(settings.impressions_index, spent_body(settings.max_ads), self._credentials))
        by_object: dict[str, list[Ad]] = {}
        for ad in ads:
            by_object.setdefault(ad.object_id, []).append(ad)
        self._book = _Book(by_object, wrong)
        self.ledger.read_log(spent, asked_s)

    def prepare(self, client_id: str | None) -> None:
        """Look up what a user (the hash) has seen, while Elasticsearch searches."""
        if client_id is None or not self._book.by_object or self.ledger.knows(client_id):
            return
        if self._closed.is_set() or not self._room.acquire(blocking=False):
            return
        try:
            self._pool.submit(self._read_seen, client_id).add_done_callback(lambda _: self._room.release())
        except RuntimeError:  # closed meanwhile
            self._room.release()

    def sponsor(
        self,
        plan: Plan,
        response: SearchResponse,
        scored: Scored,
        ranking: Ranking,
        client_id: str | None,
    ) -> Ranking:
        """The ranking with its ads; the same where there are none. Those on the client's page are noted and logged."""
        most = most_ads(plan.page.end - plan.page.start, self._settings.share)
        if not self._book.by_object or plan.wish.limits_hits or not most:
            return ranking
        key = _key(plan, response, ranking, client_id, most)
        remembered = self._decided.get(key)
        blended = remembered[0] if remembered else None
        if blended is None or (plan.page.start == 0 and not self._may_show(blended, client_id)):
            offers = self._offers(plan, response, scored, client_id)
            blended = blend(ranking.positions, offers, self._settings.slots, most)
            self._decided.put(key, blended, self._ttl_s)
        self._note(plan, response, blended, client_id)
        sponsored = {position: offer.ad.ad_id for position, offer in blended.sponsored.items()}
        return Ranking(blended.positions, ranking.scores, sponsored)

    def describe(self) -> list[AdStatus]:
        """Every ad that we know of, the most expensive first."""
        spent, now = self.ledger.spent(), self._now()
        told = [AdStatus(ad.ad_id, _state(ad, spent, now), spent.get(ad.ad_id, 0.0), ad) for ad in self._book.ads]
        wrong = [AdStatus(ad_id, why, spent.get(ad_id, 0.0)) for ad_id, why in self._book.wrong.items()]
        return sorted(told, key=lambda each: -each.spent) + wrong

    def forget(self, client_id: str) -> None:
        """Nothing in this process names this user (the hash) any more."""
        self.ledger.forget(client_id)

    def _offers(self, plan: Plan, response: SearchResponse, scored: Scored, client_id: str | None) -> dict[int, Offer]:
        """Of the hits that the model read, those that somebody may and wants to pay for."""
        spent, seen, now = self.ledger.spent(), self.ledger.seen(client_id), self._now()
        cluster = scored.profile.cluster if scored.profile else None
        words, relevance = word_set(plan.query_text), scored.features["cross_encoder"]
        offers = {}
        for position in scored.order[: scored.read]:
            if relevance[position] < self._settings.least_relevance:
                continue
            ads = [
                ad
                for ad in self._book.by_object.get(str(response.hits[position].decoded("_id")), ())
                if ad.is_open(now, spent.get(ad.ad_id, 0.0))
                and ad.fits(words, cluster)
                and seen[ad.ad_id] < self._settings.per_user_day
            ]
            if ads:
                offers[position] = Offer(max(ads, key=lambda ad: ad.bid), float(relevance[position]))
        return offers

    def _may_show(self, blended: Blend, client_id: str | None) -> bool:
        """Whether all ads of a decision may be shown once more."""
        spent, seen, now = self.ledger.spent(), self.ledger.seen(client_id), self._now()
        ads = [offer.ad for offer in blended.sponsored.values()]
        return all(
            ad.is_open(now, spent.get(ad.ad_id, 0.0)) and seen[ad.ad_id] < self._settings.per_user_day for ad in ads
        )

    def _note(self, plan: Plan, response: SearchResponse, blended: Blend, client_id: str | None) -> None:
        for place in range(*slice(plan.page.start, plan.page.end).indices(len(blended.positions))):
            position = blended.positions[place]
            offer = blended.sponsored.get(position)
            if offer is None:
                continue
            self.ledger.note(offer.ad.ad_id, offer.ad.bid, client_id)
            shown = {
                "timestamp": round(self._now() * 1000),
                "ad_id": offer.ad.ad_id,
                "object_id": offer.ad.object_id,
                "index": response.hits[position].index,
                "user_query": plan.query_text,
                "variant": plan.variant.name,
                "place": place + 1,
                "relevance": round(offer.relevance, 4),
                "cost": offer.ad.bid,
            }
            if client_id is not None:
                shown["client_id"] = client_id
            if not self._sink.put_soon([Record(self._settings.impressions_index, secrets.token_urlsafe(15), shown)]):
                _log.warning("no room to log the showing of ad %s", offer.ad.ad_id)

    def _read_seen(self, client_id: str) -> None:
        try:
            body = seen_body(client_id, self._now())
            seen = read_seen(self._fetch(self._settings.impressions_index, body, self._credentials))
            self.ledger.read_user_log(client_id, seen, self._settings.refresh_s)
        except MiddlewareError as error:
            _log.warning("what users have seen of ads cannot be read: %s", error)

    def _keep_reading(self) -> None:
        while not self._closed.is_set():
            try:
                self.read()
            except MiddlewareError as error:
                _log.warning("ads of %s cannot be read, those known go on: %s", self._settings.index, error)
            except Exception:  # noqa: BLE001  a bug of ours must not end the thread that keeps budgets
                _log.exception("ads of %s cannot be read, those known go on", self._settings.index)
            self._closed.wait(self._settings.refresh_s)


def _state(ad: Ad, spent: Mapping[str, float], now_s: float) -> str:
    if now_s < ad.starts_s:
        return "waiting"
    if now_s >= ad.ends_s:
        return "ended"
    return "open" if ad.is_open(now_s, spent.get(ad.ad_id, 0.0)) else "spent"


def _key(plan: Plan, response: SearchResponse, ranking: Ranking, client_id: str | None, most: int) -> bytes:
    """A digest of what a decision is for: one user's ranking of these hits."""
    names = [response.hits[position].name for position in ranking.positions[: len(ranking.scores)]]
    parts = (client_id, plan.variant.name, plan.query_text, most, names)
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()
