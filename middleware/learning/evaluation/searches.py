"""The searches of an evaluation: each judged query's hits in Elasticsearch's order and in every variant's own."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import quote

from elastic_transport import TransportError
from elasticsearch import ApiError

from middleware.catalog.client import ask, explain
from middleware.config import FeatureFields
from middleware.errors import CommandError, RerankError
from middleware.experiments.assign import resolve
from middleware.learning.cascade.make import start_engine
from middleware.learning.shop import PLACEHOLDER, Shop, section_of
from middleware.learning.shop_vectors import open_vectors
from middleware.personalization.identity import open_identity
from middleware.personalization.store import ProfileReader
from middleware.ranking import Scored, make_ranking
from middleware.search.document import read_values
from middleware.search.hits import Hit, SearchResponse
from middleware.search.plan import Plan
from middleware.search.reasons import Reason
from middleware.search.window import read_window
from middleware.second_stage import Reader, SecondStage

ID = "_id"
APPLIED = "applied"

_JSON = {"content-type": "application/json", "accept": "application/json"}
_IDS_ASKED = 1000
_MOST_HITS = 10_000
_RERANK_MS = re.compile(r"\brerank;dur=([\d.]+)")


@dataclass(frozen=True, slots=True)
class Reranked:
    """A variant's answer: document ids, best first; how many of them are in its order, and at what cost.

    `outcome` is "applied", or why Elasticsearch's order was kept.
    """

    hits: Sequence[str]
    window: int
    second_stage_ms: float
    outcome: str


@dataclass(frozen=True, slots=True)
class Searched:
    """One query: ids and texts of its hits in Elasticsearch's order, and the answers by variant and window."""

    hits: Sequence[str]
    document_texts: Sequence[str]
    reranked: Mapping[tuple[str, int], Reranked]


class Searcher(Protocol):
    """Sends a query through every variant."""

    @property
    def own_windows(self) -> Mapping[str, int]:
        """The window of each variant."""
        ...

    def search(self, query_text: str) -> Searched:
        """Raises CommandError where Elasticsearch or the proxy refuses it."""
        ...


@dataclass(frozen=True, slots=True)
class Setup:
    """What is the same for all searches. `windows`: others than a variant's own that it is tried with, too."""

    variants: Sequence[str]
    windows: Sequence[int] = ()
    id_field: str = ID
    profile_user: str | None = None
    budget_ms: int = 60_000


class InProcess:
    """The proxy's own planning and second stage, run here."""

    def __init__(self, shop: Shop, setup: Setup, stage: SecondStage, reader: Reader) -> None:
        section, settings = section_of(shop.index, shop.settings), shop.settings
        self.own_windows = {name: resolve(name, section, settings).window for name in setup.variants}
        deepest = max(shop.hits, *self.own_windows.values(), *setup.windows)
        # A variant's own search: what its second stage reads of a hit is asked for by its own plan.
        self._shops = {
            name: replace(shop, settings=settings.model_copy(update={"default_variant": name}), hits=deepest)
            for name in setup.variants
        }
        self._setup, self._stage, self._reader = setup, stage, reader

    def search(self, query_text: str) -> Searched:
        first: tuple[Plan, SearchResponse] | None = None
        answers = {}
        for name, shop in self._shops.items():
            plan, found = shop.search(query_text)
            first = first or (plan, found)
            for window in sorted({self.own_windows[name], *self._setup.windows}):
                variant = replace(plan.variant, window=window)
                answers[name, window] = self._rerank(replace(plan, variant=variant), found)
        assert first is not None  # there is at least one variant
        return _searched(*first, answers, self._setup.id_field)

    def _rerank(self, plan: Plan, response: SearchResponse) -> Reranked:
        started = time.perf_counter()
        (outcome,) = self._stage.rerank([(plan, response)], self._reader, self._setup.budget_ms)
        took_ms = (time.perf_counter() - started) * 1000
        ids = read_ids(response.hits, self._setup.id_field)
        if isinstance(outcome, Scored):
            order = make_ranking(plan, response, outcome).positions
            return Reranked([ids[place] for place in order], len(outcome.order), took_ms, APPLIED)
        why = outcome.fallback_reason if isinstance(outcome, RerankError) else str(outcome)
        return Reranked(ids, 0, took_ms, why)


class ThroughProxy:
    """A running proxy, asked with its own header; `shop` reaches the cluster through the same proxy, switched off."""

    def __init__(self, shop: Shop, setup: Setup) -> None:
        section = section_of(shop.index, shop.settings)
        self.own_windows = {name: resolve(name, section, shop.settings).window for name in setup.variants}
        self._shop, self._setup = shop, setup
        self._names = shop.settings.headers

    def search(self, query_text: str) -> Searched:
        answers = {(name, self.own_windows[name]): self._ask(name, query_text) for name in self._setup.variants}
        return _searched(*self._shop.search(query_text), answers, self._setup.id_field)

    def _ask(self, variant: str, query_text: str) -> Reranked:
        body = json.loads(self._shop.form.replace(PLACEHOLDER, json.dumps(query_text)[1:-1]))
        body |= {"from": 0, "size": max(self._shop.hits, self.own_windows[variant])}
        headers = {**_JSON, self._names.switch: variant, self._names.budget_ms: str(self._setup.budget_ms)}
        if self._setup.profile_user:
            headers[self._names.user] = self._setup.profile_user
        client, target = self._shop.client, f"/{quote(self._shop.index)}/_search"
        try:
            answer = client.perform_request("POST", target, headers=headers, body=body)
        except (ApiError, TransportError) as error:
            raise explain(client, error) from error
        ids = [_id_of(hit.get("_id"), hit.get("_source"), self._setup.id_field) for hit in answer.body["hits"]["hits"]]
        return self._read_headers(ids, answer.meta.headers)

    def _read_headers(self, ids: Sequence[str], headers: Mapping[str, str]) -> Reranked:
        word = headers.get(self._names.switch)
        if word is None:
            raise CommandError(f"--proxy: no es-rerank answers there: the answer has no header {self._names.switch}")
        took = _RERANK_MS.search(headers.get("server-timing", ""))
        took_ms = float(took[1]) if took else 0.0
        if word != APPLIED:
            return Reranked(ids, 0, took_ms, headers.get(self._names.reason, word))
        return Reranked(ids, int(headers.get(self._names.window, "0")), took_ms, APPLIED)


@contextmanager
def in_process(shop: Shop, setup: Setup) -> Iterator[InProcess]:
    """A searcher with the models that the variants need, loaded; nothing is remembered between searches.

    Raises CommandError where a model cannot be loaded.
    """
    settings = shop.settings.model_copy(update={"rankings": shop.settings.rankings.model_copy(update={"ttl_s": 0})})
    shop = replace(shop, settings=settings)
    section = section_of(shop.index, settings)
    wanted = {resolve(name, section, settings).model for name in setup.variants}
    with ExitStack() as stack:
        engines = {}
        for name in sorted(model for model in wanted if model):
            engines[name] = start_engine(settings.open_model(name))
            stack.callback(engines[name].stop)
        reader = _reader(stack, shop, setup.profile_user)
        variants = [resolve(name, section, settings, shop.fusions) for name in setup.variants]
        vectors = open_vectors(stack, shop, variants)
        yield InProcess(shop, setup, SecondStage(settings, engines, vectors), reader)


def switched_off(shop: Shop) -> Shop:
    """The shop behind a proxy, as if the proxy were not there."""
    return replace(shop, client=shop.client.options(headers={shop.settings.headers.switch: "off"}))


def known_documents(shop: Shop, ids: Sequence[str], id_field: str) -> set[str]:
    """Those of `ids` that the index holds, by `_id` or by a field. Raises CommandError where it cannot be asked."""
    known: set[str] = set()
    for start in range(0, len(ids), _IDS_ASKED):
        chunk = list(ids[start : start + _IDS_ASKED])
        by_field: list[Any] = [{"terms": {name: chunk}} for name in (id_field, f"{id_field}.keyword")]
        query: Any = {"ids": {"values": chunk}} if id_field == ID else {"bool": {"should": by_field}}
        body = {"size": _MOST_HITS, "query": {"bool": {"filter": [query]}}, "_source": [id_field]}
        found = _search(shop, shop.index, body)["hits"]["hits"]
        known |= {_id_of(hit["_id"], hit.get("_source"), id_field) for hit in found} & set(chunk)
    return known


def read_ids(hits: Sequence[Hit], id_field: str) -> list[str]:
    """The ids that judgments name. Raises CommandError where the hits lack the field."""
    return [_id_of(hit.decoded("_id"), hit.decoded("_source"), id_field) for hit in hits]


def _id_of(own: Any, source: Any, id_field: str) -> str:
    if id_field == ID:
        return str(own)
    values = read_values(source, id_field)
    if not values:
        raise CommandError(f"--id-field: document {own} has no {id_field} in its _source; see also --search")
    return str(values[0])


def _reader(stack: ExitStack, shop: Shop, user: str | None) -> Reader:
    settings = shop.settings
    if not user or not settings.profiles.enabled:
        return Reader()
    products = settings.indices.get(settings.profiles.products_index)

    def fetch(index: str, body: Mapping[str, object], _: Mapping[str, str]) -> Mapping[str, object]:
        found: Mapping[str, object] = _search(shop, index, body)
        return found

    identity = open_identity(settings.privacy)
    fields = products.features if products else FeatureFields()
    profiles = ProfileReader(settings.profiles, fields, fetch, identity=identity)
    stack.callback(profiles.close)
    future = profiles.prefetch(user, {})
    if future.result() is None:
        raise CommandError(f"--profile: {user} has no usable event in {settings.profiles.events_index}")
    return Reader(user, future)


def _search(shop: Shop, index: str, body: Mapping[str, Any]) -> Any:
    target = f"/{quote(index)}/_search?ignore_unavailable=true"
    return ask(shop.client, lambda: shop.client.perform_request("POST", target, headers=_JSON, body=body))


def _searched(
    plan: Plan, response: SearchResponse, answers: Mapping[tuple[str, int], Reranked], id_field: str
) -> Searched:
    window = read_window(plan, response, has_profile=False)
    texts = [""] * len(response.hits) if isinstance(window, Reason) else window.document_texts
    return Searched(read_ids(response.hits, id_field), texts, answers)
