"""The profile reader: one read per user at a time, remembered, bounded, and never a failure for the search."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from middleware.config import FeatureFields, ProfileSettings
from middleware.errors import UpstreamError
from middleware.personalization.documents import ClusterStatistics, statistics_to_document, to_document
from middleware.personalization.events import Event
from middleware.personalization.fields import HitFields
from middleware.personalization.identity import Identity
from middleware.personalization.products import VectorSource
from middleware.personalization.state import EMPTY, Product, fold
from middleware.personalization.store import ProfileReader
from middleware.rerank.vectors import pack
from middleware.search.document import parse_template

NOW = 1_777_636_800.0
SETTINGS = ProfileSettings(cache_ttl_s=30)
PATIENCE_S = 30


PRODUCTS = {"p1": Product(HitFields(("acme",), (), 5.0))}


class Packed:
    """Vectors of texts, all the same."""

    texts = ()

    def read_packed(self, texts, headers):
        Packed.texts = texts
        return "encoder@1", pack(np.array([[3.0, 4.0]] * len(texts), dtype=np.float32))


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Shop:
    """A search seam over a handful of events, that counts what it is asked."""

    def __init__(self):
        self.asked = []
        self.failure = None
        self.stored = {}
        self.events = {}
        self.gate = None
        self.entered = threading.Semaphore(0)

    def __call__(self, index, body, headers):
        self.asked.append((index, dict(headers)))
        self.entered.release()
        if self.gate is not None:
            assert self.gate.wait(PATIENCE_S)
        if self.failure is not None:
            raise self.failure
        if index == "profiles":
            ids = body["query"].get("ids", {"values": ["everybody"]})["values"]
            return {
                "hits": {"hits": [{"_id": each, "_source": self.stored[each]} for each in ids if each in self.stored]}
            }
        if index == "products":
            return {"hits": {"hits": [{"_id": "p1", "_source": {"brand": "Acme", "price": 5}}]}}
        users = [
            each["match_phrase"]["client_id"]["query"] for each in body["query"]["bool"]["filter"][0]["bool"]["should"]
        ]
        self.since = [each["range"] for each in body["query"]["bool"]["filter"] if "range" in each]
        found = [{"_id": name, "_source": event} for name, event in self.events.items()]
        mine = [{"_id": f"click of {user}", "_source": click(user)} for user in users if user != "cold"]
        return {"hits": {"hits": [*mine, *(hit for hit in found if hit["_source"]["client_id"] in users)]}}

    def count(self, *indices):
        return sum(index in indices for index, _ in self.asked)


def click(user, object_id="p1", at_s=NOW, action="click"):
    source = {"client_id": user, "action_name": action, "timestamp": at_s * 1000}
    return source | {"event_attributes": {"object": {"object_id": object_id}}}


@pytest.fixture
def shop():
    return Shop()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reader(shop, clock):
    reader = ProfileReader(SETTINGS, FeatureFields(), shop, threads=2, most_waiting=1, clock=clock)
    yield reader
    if shop.gate is not None:
        shop.gate.set()
    reader.close()


def test_a_profile_is_read_from_events_and_products(reader, shop):
    profile = reader.read("anna", {"Authorization": "Basic x"}, NOW)
    assert profile.brand_affinity == pytest.approx({"acme": 2 / 7})
    assert shop.asked == [
        (index, {"Authorization": "Basic x"}) for index in ("profiles", "ubi_events", "products", "profiles")
    ]


def test_a_profile_is_remembered_for_a_moment_and_the_stored_state_for_longer(reader, shop, clock):
    assert reader.read("anna", {}, NOW) is reader.read("anna", {}, NOW)
    assert shop.asked == [(index, {}) for index in ("profiles", "ubi_events", "products", "profiles")]
    shop.asked.clear()
    clock.now = SETTINGS.fresh_ttl_s
    reader.read("anna", {}, NOW)
    assert shop.asked == [("ubi_events", {})]
    shop.asked.clear()
    clock.now = 30.0
    reader.read("anna", {}, NOW)
    assert shop.asked == [("profiles", {}), ("ubi_events", {})]


def test_a_user_without_events_has_no_profile_and_that_is_remembered_too(reader, shop):
    assert reader.read("cold", {}, NOW) is None
    assert reader.prefetch("cold", {}).result(PATIENCE_S) is None
    assert shop.count("ubi_events") == 1


def test_users_and_credentials_do_not_share_a_profile(reader, shop):
    reader.read("anna", {"authorization": "ApiKey 1"}, NOW)
    reader.read("anna", {"Authorization": "ApiKey 1", "X-Opaque-Id": "7"}, NOW)
    assert shop.count("ubi_events", "products") == 2
    reader.read("anna", {"Authorization": "ApiKey 2"}, NOW)
    assert shop.count("ubi_events", "products") == 4


@pytest.mark.parametrize("user", ["", "   "])
def test_a_blank_user_has_no_profile(reader, shop, user):
    assert reader.read(user, {}) is None
    assert shop.asked == []


def test_profiles_that_are_switched_off_are_not_read(shop):
    reader = ProfileReader(SETTINGS.model_copy(update={"enabled": False}), FeatureFields(), shop)
    assert reader.read("anna", {}) is None
    assert reader.prefetch("anna", {}).result(0) is None
    assert shop.asked == []


def test_a_prefetch_gives_the_profile_that_a_read_gives(reader):
    assert reader.prefetch("anna", {}, NOW).result(PATIENCE_S) == reader.read("anna", {}, NOW)


def test_concurrent_reads_of_one_user_are_done_once(reader, shop):
    shop.gate = threading.Event()
    with ThreadPoolExecutor(6) as callers:
        reads = [callers.submit(reader.read, "anna", {}, NOW) for _ in range(6)]
        fetched = [reader.prefetch("anna", {}, NOW) for _ in range(6)]
        assert shop.entered.acquire(timeout=PATIENCE_S)
        shop.gate.set()
        profiles = [future.result(PATIENCE_S) for future in reads + fetched]
    assert shop.count("ubi_events") == 1
    assert all(profile is profiles[0] for profile in profiles)


def test_a_caller_that_gives_up_does_not_take_the_profile_from_the_others(reader, shop):
    shop.gate = threading.Event()
    given_up, patient = reader.prefetch("anna", {}, NOW), reader.prefetch("anna", {}, NOW)
    assert not given_up.cancel()
    shop.gate.set()
    assert patient.result(PATIENCE_S) is not None


def test_a_saturated_pool_answers_at_once_without_a_profile(reader, shop):
    shop.gate = threading.Event()
    waiting = [reader.prefetch(f"user-{number}", {}, NOW) for number in range(3)]
    assert reader.prefetch("one-too-many", {}, NOW).result(0) is None
    assert not any(future.done() for future in waiting)
    shop.gate.set()
    assert all(future.result(PATIENCE_S) is not None for future in waiting)


def test_after_saturation_the_user_is_read_again(reader, shop):
    shop.gate = threading.Event()
    waiting = [reader.prefetch(f"user-{number}", {}, NOW) for number in range(3)]
    assert reader.prefetch("anna", {}, NOW).result(0) is None
    shop.gate.set()
    assert all(future.result(PATIENCE_S) for future in waiting)
    assert reader.read("anna", {}, NOW) is not None


@pytest.mark.parametrize("failure", [UpstreamError("no node answers"), KeyError("a bug")], ids=repr)
def test_a_failing_read_is_no_profile_and_is_tried_again_soon(reader, shop, clock, failure):
    shop.failure = failure
    assert reader.read("anna", {}, NOW) is None
    assert reader.prefetch("anna", {}, NOW).result(PATIENCE_S) is None
    assert shop.count("ubi_events") <= 1
    shop.failure = None
    clock.now = 1.0
    assert reader.read("anna", {}, NOW) is not None


def test_failures_are_logged_at_most_once_a_minute(reader, shop, clock, caplog):
    shop.failure = UpstreamError("no node answers")
    with caplog.at_level(logging.WARNING):
        for second in (0.0, 30.0, 59.0, 60.0):
            clock.now = second
            reader.read("anna", {}, NOW)
    assert [record.getMessage() for record in caplog.records] == [
        "profiles cannot be read, searches go without: no node answers"
    ] * 2


def test_closing_ends_what_still_waits(shop):
    shop.gate = threading.Event()
    reader = ProfileReader(SETTINGS, FeatureFields(), shop, threads=1)
    running = reader.prefetch("anna", {}, NOW)
    waiting = reader.prefetch("bela", {}, NOW)
    assert shop.entered.acquire(timeout=PATIENCE_S)
    reader.close()
    assert running.result(PATIENCE_S) is None
    assert waiting.result(PATIENCE_S) is None
    assert reader.prefetch("cora", {}, NOW).result(0) is None
    shop.gate.set()


def test_a_callback_on_a_future_may_ask_for_the_next_profile(reader):
    answered = threading.Event()

    def ask_again(_):
        reader.prefetch("bela", {}, NOW)
        answered.set()

    reader.prefetch("anna", {}, NOW).add_done_callback(ask_again)
    assert answered.wait(PATIENCE_S)


def test_no_more_users_are_remembered_than_configured(shop):
    reader = ProfileReader(SETTINGS.model_copy(update={"cache_size": 2}), FeatureFields(), shop)
    for user in ("anna", "bela", "cora", "anna"):
        reader.read(user, {}, NOW)
    assert shop.count("ubi_events") == 4


def test_what_the_batch_stored_counts_and_only_newer_events_are_asked_for(reader, shop):
    settled = fold(EMPTY, [Event("u", "purchase", "p1", NOW - 86_400, "old")], PRODUCTS, SETTINGS, NOW - 3600)
    shop.stored["anna"] = to_document(settled)
    profile = reader.read("anna", {}, NOW)
    assert profile.events == 2
    assert profile.weight == pytest.approx(2 + 8 * 0.5 ** (1 / 30))
    assert set(profile.bought) == {"p1"}
    assert shop.since == [{"timestamp": {"gte": int((NOW - 86_400) * 1000), "format": "epoch_millis"}}]


def test_the_sessions_events_are_asked_for_even_where_the_batch_has_counted_them(reader, shop):
    settled = fold(EMPTY, [Event("u", "click", "p1", NOW, "click of anna")], PRODUCTS, SETTINGS, NOW)
    shop.stored["anna"] = to_document(settled)
    assert reader.read("anna", {}, NOW).events == 1
    assert shop.since == [{"timestamp": {"gte": int((NOW - 1800) * 1000), "format": "epoch_millis"}}]


def test_a_damaged_profile_document_leaves_the_events(reader, shop, caplog):
    shop.stored["anna"] = {"kind": "user"}
    assert reader.read("anna", {}, NOW).events == 1
    assert "not the document of a profile" in caplog.text


def test_a_user_who_did_nothing_has_everybodys_profile(reader, shop):
    everybody = ClusterStatistics("everybody", 100, brand_affinity={"acme": 0.4}, popularity={"p9": 0.25})
    shop.stored["everybody"] = statistics_to_document(everybody, NOW)
    profile = reader.read("cold", {}, NOW)
    assert (profile.brand_affinity, profile.cluster_popularity, profile.events) == ({"acme": 0.4}, {"p9": 0.25}, 0)


def test_an_event_that_this_process_accepted_counts_at_once_and_once(reader, shop):
    before = reader.read("anna", {}, NOW)
    reader.accept([("new", click("anna", action="purchase"))])
    after = reader.read("anna", {}, NOW)
    assert (before.events, after.events, after.weight) == (1, 2, 10.0)
    assert after.version != before.version
    assert reader.read("anna", {}, NOW) is after
    shop.events["new"] = click("anna", action="purchase")
    reader.accept([("other", click("bela"))])
    assert reader.read("anna", {"Authorization": "other"}, NOW).events == 2


def test_a_read_under_way_does_not_hide_an_event_accepted_meanwhile(reader, shop):
    shop.gate = threading.Event()
    early = reader.prefetch("anna", {}, NOW)
    assert shop.entered.acquire(timeout=PATIENCE_S)
    reader.accept([("new", click("anna"))])
    late = reader.prefetch("anna", {}, NOW)
    shop.gate.set()
    assert [each.result(PATIENCE_S).events for each in (early, late)] == [1, 2]


def test_a_user_is_known_by_the_hash_under_either_name(shop):
    identity = Identity(b"a secret of tests")
    reader = ProfileReader(SETTINGS, FeatureFields(), shop, identity=identity)
    hashed = identity.hash("anna")
    assert reader.read("anna", {}, NOW).events == 2  # the shop of tests has a click of each name
    assert reader.read(hashed, {}, NOW).events == 2
    reader.accept([("new", click(hashed))])
    assert reader.read("anna", {}, NOW).events == 3


def test_of_a_forgotten_user_nothing_is_left(reader, shop):
    reader.accept([("new", click("anna"))])
    reader.accept([("one of bela's", click("bela"))])
    reader.read("anna", {}, NOW)
    shop.gate = threading.Event()
    shop.asked.clear()
    flying = reader.prefetch("anna", {"Authorization": "other"}, NOW)
    reader.forget("anna")
    assert flying.result(PATIENCE_S) is None
    shop.gate.set()
    shop.gate = None
    assert reader.read("anna", {}, NOW).events == 1
    assert reader.read("bela", {}, NOW).events == 2
    reader.forget("anna")
    assert "anna" not in repr(vars(reader)) + repr(
        [vars(each) for each in vars(reader).values() if hasattr(each, "__dict__")]
    )


def test_all_users_can_be_forgotten(reader):
    before = reader.read("anna", {}, NOW)
    reader.accept([("new", click("bela"))])
    reader.forget()
    assert reader.read("anna", {}, NOW) is not before
    assert reader.read("bela", {}, NOW).events == 1


def test_vectors_of_products_make_the_users_and_the_sessions(shop):
    shop.events["yesterday"] = click("anna", at_s=NOW - 86_400)
    source = VectorSource(Packed(), parse_template("{brand}"), 100)
    reader = ProfileReader(SETTINGS, FeatureFields(), shop, vectors=source)
    profile = reader.read("anna", {}, NOW)
    assert profile.vector_model == "encoder@1"
    assert profile.vector == pytest.approx([0.6, 0.8], abs=0.01)
    assert profile.session_vector == pytest.approx([0.6, 0.8], abs=0.01)
    assert Packed.texts == ["Acme"]
