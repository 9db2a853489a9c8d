"""Facts about a profile: numbers as they are stored, in words."""

from __future__ import annotations

from dataclasses import replace

from middleware.config import ProfileSettings
from middleware.personalization.documents import to_document
from middleware.personalization.events import Event
from middleware.personalization.fields import HitFields
from middleware.personalization.state import EMPTY, Product, fold
from middleware.privacy.facts import facts_of

DAY = 86_400.0


def test_a_profile_is_told_as_it_was_folded():
    products = {"p1": Product(HitFields(("acme",), ("phones",), 100.0)), "p2": Product(HitFields(("volt",), (), 400.0))}
    events = [
        Event("u", "purchase", "p1", DAY, "e1"),
        Event("u", "add_to_cart", "p2", DAY, "e2"),
        Event("u", "add_to_cart", "p2", DAY, "e3"),
    ]
    state = replace(fold(EMPTY, events, products, ProfileSettings(), DAY), cluster="4")
    facts = facts_of(to_document(state), {"events": 3, "queries": 1, "profiles": 1})
    assert facts[:3] == [
        "3 events are kept in the index.",
        "1 query is kept in the index.",
        "The profile counts 3 events, the latest from 1970-01-02.",
    ]
    assert "Of the behaviour, by brand: acme (50%), volt (50%)." in facts
    assert "The usual price is 200.00 (geometric mean)." in facts
    assert "Bought: p1." in facts
    assert any("cluster 4" in fact for fact in facts)


def test_without_a_profile_it_says_so():
    assert facts_of(None, {"events": 0})[-1] == "No profile is stored."
