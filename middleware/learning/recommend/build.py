"""`recommend build`: of each product the key of its vector, what it is bought with, and how many bought it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch

from middleware.catalog.bootstrap_patience import Patience, fetch
from middleware.catalog.product_vectors import TextSource
from middleware.catalog.vector_scan import scan
from middleware.config import ProfileSettings, RecommendSettings
from middleware.learning.recommend.baskets import Spool
from middleware.learning.recommend.cooccurrence import Companions, Counting, count_pairs
from middleware.learning.recommend.keeper import Keeper
from middleware.learning.recommend.products import Products, read_products
from middleware.personalization.events import parse_event
from middleware.personalization.identity import Identity
from middleware.personalization.lookup import EVENT_FIELDS
from middleware.personalization.state import SECONDS_PER_DAY
from middleware.recommend.index import (
    BUILD,
    BUILT_AT,
    BUYERS,
    ENCODER,
    INDEX,
    OBJECT_IDS,
    TOGETHER,
    VECTOR_KEY,
    together_document,
)


@dataclass(frozen=True, slots=True)
class Shop:
    """Where products and events lie, where the result is kept, and under what terms.

    `encoder`: the revision of what makes the products' vectors, None without vectors. `least_users`: as in `privacy`.
    """

    source: TextSource
    kept_in: str
    encoder: str | None
    profiles: ProfileSettings
    recommend: RecommendSettings
    least_users: int


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build read and wrote. `acts` are events that count, `unknown` those on products that are not there.

    `paired`: products with something that is bought together with them; `removed`: those that are gone.
    """

    products: int
    events: int
    acts: int
    unknown: int
    users: int
    paired: int
    removed: int
    seconds: float


OnStep = Callable[[str, int], None]
"""Is told what is being read or written, and how many so far."""


def build_recommendations(
    client: Elasticsearch, shop: Shop, identity: Identity, on_step: OnStep | None = None, *, patience_s: float = 120.0
) -> BuildReport:
    """Write a document for every product into `shop.kept_in`, and remove those of products that are gone.

    A shop's own events, with names, and ours, with hashes, of one user are counted as one user's. Run again after a
    failure it begins anew. Raises CommandError where the cluster fails for longer than `patience_s`.
    """
    started, patience, say = time.monotonic(), Patience(patience_s), on_step or (lambda step, done: None)
    products = read_products(
        client, shop.source, shop.profiles.id_field, shop.encoder, patience, lambda done: say("products read", done)
    )
    with tempfile.TemporaryDirectory(prefix="es-rerank-recommend-") as folder:
        spool = Spool(Path(folder))
        read = _read_acts(client, shop, products, identity, spool, patience, say)
        within_s = shop.recommend.together_days * SECONDS_PER_DAY
        counting = count_pairs(spool, len(products.ids), Path(folder), within_s)
        companions = {each.product: each for each in counting.companions(shop.least_users, shop.recommend.together)}
    keeper, build = Keeper(client, shop.kept_in, patience), f"{time.time():.3f}"
    keeper.prepare()
    documents = _documents(products, counting, companions, shop, build)
    keeper.put(documents, lambda done: say("products written", done))
    removed = keeper.remove_others(BUILD, build)
    return BuildReport(len(products.ids), *read, counting.users, len(companions), removed, time.monotonic() - started)


def _read_acts(
    client: Elasticsearch,
    shop: Shop,
    products: Products,
    identity: Identity,
    spool: Spool,
    patience: Patience,
    say: OnStep,
) -> tuple[int, int, int]:
    """Spool the acts in the events index; how many events were read, count, and are on products that are not there."""
    events = acts = unknown = 0
    index = shop.profiles.events_index
    if not fetch(client, lambda: client.indices.exists(index=index), patience):
        return 0, 0, 0
    with closing(scan(client, index, EVENT_FIELDS, patience, _acts_query(shop))) as pages:
        for hits in pages:
            for event in (parse_event(hit.get("_source")) for hit in hits):
                number = None if event is None else products.numbers.get(event.object_id)
                if event is not None and number is not None and event.action_name in shop.recommend.actions:
                    spool.add(identity.hash(event.client_id), event.timestamp_s, number)
                    acts += 1
                unknown += event is not None and number is None
            events += len(hits)
            say("events read", events)
    return events, acts, unknown


def _acts_query(shop: Shop) -> dict[str, Any]:
    """Of the actions that count; with action_name as keyword, or as the text that dynamic mapping makes of it."""
    actions = list(shop.recommend.actions)
    names = ("action_name", "action_name.keyword")
    return {"bool": {"filter": [{"bool": {"should": [{"terms": {name: actions}} for name in names]}}]}}


def _documents(
    products: Products, counting: Counting, companions: Mapping[int, Companions], shop: Shop, build: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """_id and document of each product; a number of buyers below `least_users` is not told."""
    names: dict[int, list[str]] = {}
    for name, number in products.numbers.items():
        names.setdefault(number, []).append(name)
    now = int(time.time() * 1000)
    for number, (product, key) in enumerate(zip(products.ids, products.keys, strict=True)):
        document: dict[str, Any] = {OBJECT_IDS: names.get(number, []), INDEX: shop.source.index}
        document |= {BUILD: build, BUILT_AT: now}
        if key is not None:
            document |= {VECTOR_KEY: key, ENCODER: shop.encoder}
        if counting.buyers[number] >= shop.least_users:
            document[BUYERS] = int(counting.buyers[number])
        if number in companions:
            found = companions[number]
            others = [products.ids[other] for other in found.others.tolist()]
            document[TOGETHER] = together_document(others, found.scores.tolist())
        yield product, document
