"""Profiles from a real node: events and products indexed, two users read, and told apart by their features."""

from __future__ import annotations

import json
import time
import uuid
from urllib.parse import quote

import numpy as np
import pytest
import urllib3

from middleware.catalog.mapping_files import load_body
from middleware.config import FeatureFields, ProfileSettings
from middleware.personalization.documents import ClusterStatistics, statistics_to_document, to_document
from middleware.personalization.events import Event
from middleware.personalization.features import profile_features
from middleware.personalization.fields import HitFields
from middleware.personalization.state import EMPTY, Product, fold
from middleware.personalization.store import ProfileReader

pytestmark = pytest.mark.integration

NOW = 1_777_636_800.0
DAY = 86_400
PRODUCTS = {
    "p1": {"sku": "SKU 1", "brand": "Acme", "category": ["Electronics", "Phones"], "price": 900},
    "p2": {"sku": "SKU 2", "brand": "Volt", "category": ["Electronics", "Cables"], "price": "9.99"},
    "p3": {"sku": "SKU 3", "brand": "Volt", "category": "Phones", "price": 120.0},
    "p4": {"sku": "SKU 4"},
}
HITS = [
    HitFields(("acme",), ("electronics", "phones"), 850.0),
    HitFields(("volt",), ("electronics", "cables"), 12.0),
    HitFields(),
]
OBJECT = {"properties": {"object": {"properties": {"object_id": {"type": "keyword"}}}}}
MAPPINGS = {
    "keyword": {
        "client_id": {"type": "keyword"},
        "action_name": {"type": "keyword"},
        "timestamp": {"type": "date"},
        "event_attributes": OBJECT,
    },
    "text": {"client_id": {"type": "text"}, "action_name": {"type": "text"}, "timestamp": {"type": "date"}},
    "dynamic": {},
}


class Node:
    """The node and the indices of one test; `fetch` is the search seam over it."""

    def __init__(self, url):
        self.url = url
        self.pool = urllib3.PoolManager()
        self.prefix = f"profiles-test-{uuid.uuid4().hex[:8]}"

    def call(self, method, path, body=None):
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        headers = {"Content-Type": "application/x-ndjson" if isinstance(body, bytes) else "application/json"}
        return self.pool.request(method, f"{self.url}/{path}", body=data, headers=headers).json()

    def fetch(self, index, body, headers):
        return self.call("POST", f"{quote(index)}/_search", body)

    def index(self, name, documents):
        lines = []
        for document_id, document in documents:
            lines += [json.dumps({"index": {"_id": document_id} if document_id else {}}), json.dumps(document)]
        answer = self.call("POST", f"{name}/_bulk?refresh=true", "\n".join([*lines, ""]).encode())
        assert answer["errors"] is False, answer


def act(user, action, object_id, days_ago=0, iso=False):
    timestamp_ms = int((NOW - days_ago * DAY) * 1000)
    timestamp = "2026-05-01T12:00:00.000Z" if iso else timestamp_ms
    attributes = {"object": {"object_id": object_id}}
    return {"client_id": user, "action_name": action, "timestamp": timestamp, "event_attributes": attributes}


EVENTS = [
    act("anna-1", "purchase", "p1", iso=True),
    act("anna-1", "click", "p1", days_ago=30),
    act("anna-1", "view", "p2", days_ago=60),
    act("anna-1", "view", "p-gone"),
    act("anna-1", "hover", "p2"),
    act("bela-2", "add_to_cart", "p2"),
    act("bela-2", "purchase", "p2"),
    act("bela-2", "view", "p4"),
    act("anna-1 smith", "purchase", "p2", days_ago=1),
    {"client_id": "anna-1", "action_name": "click", "timestamp": int((NOW - DAY) * 1000)},
]


@pytest.fixture
def node(engine_url):
    node = Node(engine_url)
    yield node
    names = ",".join(f"{node.prefix}-{kind}" for kind in ("events", "products", "profiles", "vectors"))
    node.call("DELETE", f"{names}?ignore_unavailable=true")


@pytest.fixture(params=MAPPINGS)
def shop(node, request):
    """The node with events under each mapping that is met in the wild, and a handful of products."""
    created = node.call("PUT", f"{node.prefix}-events", {"mappings": {"properties": MAPPINGS[request.param]}})
    assert created.get("acknowledged"), created
    if request.param == "dynamic":
        # Dynamic mapping takes the first timestamp for the type of all: a date must come as text.
        node.index(f"{node.prefix}-events", [("seed", act("nobody", "view", "p1", iso=True))])
    node.index(f"{node.prefix}-events", [(None, event) for event in EVENTS])
    node.index(f"{node.prefix}-products", PRODUCTS.items())
    return node


def reader_on(node, fetch=None, **settings):
    kinds = {"index": "profiles", "events_index": "events", "products_index": "products"}
    indices = {name: f"{node.prefix}-{kind}" for name, kind in kinds.items()}
    return ProfileReader(ProfileSettings(**(indices | settings)), FeatureFields(), fetch or node.fetch)


def test_two_users_are_told_apart_by_what_they_did(shop):
    reader = reader_on(shop)
    anna, bela = reader.read("anna-1", {}, NOW), reader.read("bela-2", {}, NOW)
    assert anna.weight == pytest.approx(8 + 1 + 0.25)
    assert anna.brand_affinity == pytest.approx({"acme": 9 / 14.25, "volt": 0.25 / 14.25})
    assert bela.weight == 13.0
    assert bela.category_affinity == pytest.approx({"electronics": 6 / 18, "cables": 6 / 18})
    for_anna, for_bela = profile_features(anna, HITS), profile_features(bela, HITS)
    for name in ("brand_affinity", "category_affinity", "price_fit"):
        assert for_anna[name][0] > for_anna[name][1], name
        assert for_bela[name][1] > for_bela[name][0], name
        assert for_anna[name][2] == for_bela[name][2], name


def test_a_prefetched_profile_is_the_one_that_is_read(shop):
    reader = reader_on(shop)
    assert reader.prefetch("bela-2", {}, NOW).result(30) == reader_on(shop).read("bela-2", {}, NOW)
    reader.close()


def test_only_the_newest_events_count(shop):
    profile = reader_on(shop, max_events=1, action_weights={"purchase": 8.0, "click": 2.0}).read("anna-1", {}, NOW)
    assert profile.weight == 8.0
    assert set(profile.brand_affinity) == {"acme"}


def test_a_user_nobody_has_seen_has_no_profile(shop):
    assert reader_on(shop).read("cora-3", {}, NOW) is None


def test_products_are_found_by_an_id_field(node):
    node.index(f"{node.prefix}-products", PRODUCTS.items())
    node.index(f"{node.prefix}-events", [(None, act("anna-1", "purchase", "SKU 1", iso=True))])
    profile = reader_on(node, id_field="sku").read("anna-1", {}, NOW)
    assert profile.brand_affinity == pytest.approx({"acme": 8 / 13})


def test_without_indices_there_is_no_profile_and_no_complaint(node, caplog):
    assert reader_on(node).read("anna-1", {}, NOW) is None
    assert caplog.records == []


def test_a_search_that_the_node_refuses_is_no_profile_and_is_logged(shop, caplog):
    def refused(index, body, headers):
        return shop.fetch(index, dict(body) | {"size": -5}, headers)

    assert reader_on(shop, fetch=refused).read("anna-1", {}, NOW) is None
    assert "profiles cannot be read" in caplog.text


@pytest.fixture
def batch(node):
    """What a batch stored an hour ago under our own mapping: anna's purchase, and what everybody likes."""
    created = node.call("PUT", f"{node.prefix}-profiles", load_body("profiles"))
    assert created.get("acknowledged"), created
    node.index(f"{node.prefix}-products", PRODUCTS.items())
    vector = np.array([0.6, 0.8], dtype=np.float32)
    bought = {"p1": Product(HitFields(("acme",), ("electronics", "phones"), 900.0, attributes=("a.b=c",)), vector)}
    purchase = Event("u", "purchase", "p1", NOW - 30 * DAY, "old")
    state = fold(EMPTY, [purchase], bought, ProfileSettings(), NOW - 3600, "encoder@1")
    everybody = ClusterStatistics("everybody", 99, {"zeta": 0.5}, popularity={"p3": 0.1})
    cluster = ClusterStatistics("0", 50, {"volt": 0.5}, vector=vector, vector_model="encoder@1")
    stored = [("anna-1", to_document(state))]
    stored += [(each.document_id, statistics_to_document(each, NOW)) for each in (everybody, cluster)]
    node.index(f"{node.prefix}-profiles", stored)
    return node


def test_newer_events_are_folded_into_what_the_batch_stored(batch):
    # Under dynamic mapping the timestamps are plain numbers here.
    seen = act("anna-1", "purchase", "p1", days_ago=30)
    batch.index(f"{batch.prefix}-events", [("old", seen), ("new", act("anna-1", "click", "p2"))])
    profile = reader_on(batch).read("anna-1", {}, NOW)
    assert (profile.events, profile.cluster) == (2, "0")
    assert profile.weight == pytest.approx(8 / 2 + 2, rel=1e-3)
    assert profile.brand_affinity == pytest.approx({"acme": 4 / 11, "volt": (2 + 5 * 0.5) / 11}, rel=1e-3)
    assert set(profile.bought) == {"p1"}
    assert profile.vector == pytest.approx([0.6, 0.8], abs=1e-3)


def test_who_did_nothing_yet_has_everybodys_profile(batch):
    profile = reader_on(batch).read("cora-3", {}, NOW)
    assert (profile.events, profile.brand_affinity, profile.cluster_popularity) == (0, {"zeta": 0.5}, {"p3": 0.1})


def test_a_click_that_others_wrote_changes_the_next_profile_within_two_seconds(batch):
    settings = {"index": {"refresh_interval": "500ms"}}
    created = batch.call(
        "PUT", f"{batch.prefix}-events", {"settings": settings, "mappings": {"properties": MAPPINGS["keyword"]}}
    )
    assert created.get("acknowledged"), created
    reader, now = reader_on(batch), time.time()
    before = reader.read("anna-1", {})
    clicked = {**act("anna-1", "click", "p2"), "timestamp": int(now * 1000)}
    sent = time.monotonic()
    assert batch.call("PUT", f"{batch.prefix}-events/_doc/click", clicked)["result"] == "created"
    while reader.read("anna-1", {}).version == before.version:
        assert time.monotonic() - sent < 2, "the click is not seen"
        time.sleep(0.02)
    after = reader.read("anna-1", {})
    assert (before.events, after.events) == (1, 2)
    assert after.brand_affinity["volt"] > before.brand_affinity["volt"]
