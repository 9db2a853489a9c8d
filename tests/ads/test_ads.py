"""Ads as they lie in the index, what they have cost, and who has seen them."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from middleware.ads.ad import Ad, read_ad
from middleware.ads.ledger import Ledger
from middleware.features.words import word_set


def test_an_ad_is_read_whole():
    source = {"object_id": 7, "bid": 0.5, "budget": 10, "starts_at": "2026-01-01", "ends_at": 1_800_000_000_000}
    found = read_ad("a", source | {"queries": ["running shoes", " "], "not_queries": "kids", "clusters": [3]})
    assert found == Ad(
        "a", "7", 0.5, 10.0, 1_767_225_600.0, 1_800_000_000.0, (word_set("shoes running"),), (word_set("kid"),),
        frozenset("3"),
    )  # fmt: skip
    assert read_ad("b", {"object_id": "p", "bid": 1}).ends_s == math.inf


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (None, "no document"),
        ({"bid": 1}, "object_id"),
        ({"object_id": "p"}, "bid"),
        ({"object_id": "p", "bid": True}, "bid"),
        ({"object_id": "p", "bid": 0}, "bid"),
        ({"object_id": "p", "bid": float("nan")}, "bid"),
        ({"object_id": "p", "bid": 1, "budget": -1}, "budget"),
        ({"object_id": "p", "bid": 1, "ends_at": "soon"}, "ends_at"),
        ({"object_id": "p", "bid": 1, "enabled": False}, "switched off"),
    ],
)
def test_what_is_wrong_with_an_ad_is_said(source, why):
    assert why in read_ad("a", source)


def test_an_ad_is_open_in_its_time_and_while_another_showing_is_paid_for():
    ad = Ad("a", "p", bid=0.3, budget=1.0, starts_s=10, ends_s=20)
    assert [ad.is_open(now, 0.0) for now in (9.9, 10, 19.9, 20)] == [False, True, True, False]
    assert [ad.is_open(15, spent) for spent in (0.0, 0.7, 0.71)] == [True, True, False]


def test_an_ad_fits_whom_it_is_meant_for():
    ad = Ad("a", "p", 1, queries=(word_set("running shoe"),), not_queries=(word_set("kids"),))
    assert ad.fits(word_set("red running shoes"), None)
    assert not ad.fits(word_set("red shoes"), None)
    assert not ad.fits(word_set("kids running shoes"), None)
    assert Ad("a", "p", 1, clusters=frozenset("4")).fits(word_set("x"), "4")
    assert not Ad("a", "p", 1, clusters=frozenset("4")).fits(word_set("x"), None)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def test_what_was_shown_counts_until_the_log_has_it():
    clock = Clock()
    ledger = Ledger(clock)
    ledger.note("a", 0.5, "anna")
    assert ledger.spent() == {"a": 0.5}
    ledger.read_log({"a": 0.0}, asked_s=clock.now + 5)  # the log may not have it yet
    assert ledger.spent() == {"a": 0.5}
    ledger.read_log({"a": 0.5}, asked_s=clock.now + 11)
    assert ledger.spent() == {"a": 0.5}


def test_how_often_a_user_saw_an_ad_is_the_log_and_what_came_after():
    clock = Clock()
    ledger = Ledger(clock)
    ledger.note("a", 0.5, "anna")
    ledger.note("a", 0.5, "bela")
    assert ledger.seen("anna") == Counter(a=1)
    assert not ledger.knows("anna")
    clock.now += 60
    ledger.read_user_log("anna", Counter(a=3), ttl_s=15)  # the first one among them
    ledger.note("a", 0.5, "anna")
    ledger.read_log({}, asked_s=clock.now + 11)
    assert ledger.seen("anna") == Counter(a=4)
    assert ledger.seen(None) == Counter()
    clock.now += 16
    assert not ledger.knows("anna")


def test_a_user_who_is_forgotten_leaves_the_cost_alone():
    ledger = Ledger(Clock())
    ledger.note("a", 0.5, "anna")
    ledger.read_user_log("anna", Counter(a=3), ttl_s=15)
    ledger.forget("anna")
    assert ledger.seen("anna") == Counter()
    assert ledger.spent() == {"a": 0.5}
    assert "anna" not in repr(vars(ledger))
