"""The profile reader: one read per user at a time, remembered, bounded, and never a failure for the search."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from middleware.config import FeatureFields, ProfileSettings
from middleware.errors import UpstreamError
from middleware.personalization.store import ProfileReader

NOW = 1_777_636_800.0
SETTINGS = ProfileSettings(cache_ttl_s=30)
PATIENCE_S = 30


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Shop:
    """A search seam over a handful of events, that counts what it is asked."""

    def __init__(self):
        self.asked = []
        self.failure = None
        self.gate = None
        self.entered = threading.Semaphore(0)

    def __call__(self, index, body, headers):
        self.asked.append((index, dict(headers)))
        self.entered.release()
        if self.gate is not None:
            assert self.gate.wait(PATIENCE_S)
        if self.failure is not None:
            raise self.failure
        if index == "products":
            return {"hits": {"hits": [{"_id": "p1", "_source": {"brand": "Acme", "price": 5}}]}}
        user = body["query"]["bool"]["filter"][0]["match_phrase"]["client_id"]["query"]
        return {"hits": {"hits": [] if user == "cold" else [self.event(user)]}}

    @staticmethod
    def event(user):
        source = {"client_id": user, "action_name": "click", "timestamp": NOW * 1000}
        return {"_source": source | {"event_attributes": {"object": {"object_id": "p1"}}}}


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
        ("ubi_events", {"Authorization": "Basic x"}),
        ("products", {"Authorization": "Basic x"}),
    ]


def test_a_profile_is_remembered_for_its_time(reader, shop, clock):
    assert reader.read("anna", {}, NOW) is reader.read("anna", {}, NOW)
    assert len(shop.asked) == 2
    clock.now = 30.0
    reader.read("anna", {}, NOW)
    assert len(shop.asked) == 4


def test_a_user_without_events_has_no_profile_and_that_is_remembered_too(reader, shop):
    assert reader.read("cold", {}, NOW) is None
    assert reader.prefetch("cold", {}).result(PATIENCE_S) is None
    assert [index for index, _ in shop.asked] == ["ubi_events"]


def test_users_and_credentials_do_not_share_a_profile(reader, shop):
    reader.read("anna", {"authorization": "ApiKey 1"}, NOW)
    reader.read("anna", {"Authorization": "ApiKey 1", "X-Opaque-Id": "7"}, NOW)
    assert len(shop.asked) == 2
    reader.read("anna", {"Authorization": "ApiKey 2"}, NOW)
    assert len(shop.asked) == 4


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
    assert len(shop.asked) == 2
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
    assert len(shop.asked) == 1
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
    assert len(shop.asked) == 8
