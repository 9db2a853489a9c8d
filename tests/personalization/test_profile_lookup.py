"""The bodies of the searches behind a profile, and what is read from their answers."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from middleware.config import FeatureFields, ProfileSettings
from middleware.errors import UpstreamError
from middleware.personalization.fields import HitFields
from middleware.personalization.lookup import events_body, products_bodies, read_events, read_products
from middleware.search.document import Template, parse_template

SETTINGS = ProfileSettings(max_events=7, action_weights={"click": 1.0, "hover": 0.0})
FIELDS = FeatureFields()


class Text(NamedTuple):
    template: Template
    max_field_chars: int


def answer(*hits):
    return {"hits": {"hits": list(hits)}}


def event(client_id, timestamp="2026-05-01T12:00:00Z"):
    return {
        "_source": {
            "client_id": client_id,
            "action_name": "click",
            "timestamp": timestamp,
            "event_attributes": {"object": {"object_id": "p1"}},
        }
    }


def test_only_as_many_events_are_asked_for_as_configured_and_only_those_that_count():
    body = events_body(["anna"], SETTINGS)
    assert body["size"] == 7
    assert "hover" not in repr(body["query"])
    assert "click" in repr(body["query"])


def test_events_of_others_and_malformed_events_are_left_out():
    read = read_events(answer(event("anna"), event("anna smith"), event("anna", "noon"), {}, "hit"), ["anna"])
    assert [found.client_id for found in read] == ["anna"]


def test_a_user_is_looked_for_under_the_hash_and_the_raw_name():
    both = events_body(["u1.hash", "anna"], SETTINGS)["query"]["bool"]["filter"][0]["bool"]["should"]
    assert [each["match_phrase"]["client_id"]["query"] for each in both] == ["u1.hash", "anna"]
    read = read_events(answer(event("anna"), event("u1.hash"), event("bela")), ["u1.hash", "anna"])
    assert [found.client_id for found in read] == ["anna", "u1.hash"]


def test_events_are_asked_for_from_a_moment_on_where_one_is_given():
    assert "range" not in repr(events_body(["anna"], SETTINGS))
    body = events_body(["anna"], SETTINGS, 1_777_636_800.1239)
    assert {"timestamp": {"gte": 1_777_636_800_123, "format": "epoch_millis"}} in [
        each.get("range") for each in body["query"]["bool"]["filter"]
    ]


def test_a_products_text_is_made_as_its_vector_was():
    source = Text(parse_template("{title}[ | {brand}]"), 8)
    (body,) = products_bodies(["p1"], SETTINGS, FIELDS, source.template)
    assert body["_source"] == ["brand", "category", "price", "title"]
    hit = {"_id": "p1", "_source": {"brand": "Acme", "title": "A very long name"}}
    assert read_products(answer(hit), SETTINGS, FIELDS, source)["p1"][1] == "A very l | Acme"


def test_each_product_is_asked_for_once_in_searches_of_bounded_size():
    object_ids = [f"p{number % 2500}" for number in range(5000)]
    bodies = list(products_bodies(object_ids, SETTINGS, FIELDS))
    asked = [body["query"]["bool"]["filter"][0]["ids"]["values"] for body in bodies]
    assert [body["size"] for body in bodies] == [1000, 1000, 500]
    assert [object_id for chunk in asked for object_id in chunk] == object_ids[:2500]


def test_without_events_no_product_is_asked_for():
    assert list(products_bodies([], SETTINGS, FIELDS)) == []


def test_only_the_feature_fields_are_fetched():
    settings = SETTINGS.model_copy(update={"id_field": "sku"})
    (body,) = products_bodies(["p1"], settings, FeatureFields(category=None))
    assert body["_source"] == ["brand", "price", "sku"]
    (bare,) = products_bodies(["p1"], SETTINGS, FeatureFields(brand=None, category=None, price=None))
    assert bare["_source"] is False


def test_products_are_known_by_document_id_or_by_the_id_field():
    hit = {"_id": "p1", "_source": {"brand": "Acme", "price": "5", "sku": ["s1", 2]}}
    assert read_products(answer(hit), SETTINGS, FIELDS) == {"p1": (HitFields(("acme",), (), 5.0), "")}
    by_sku = read_products(answer(hit), SETTINGS.model_copy(update={"id_field": "sku"}), FIELDS)
    assert set(by_sku) == {"s1", "2"}


@pytest.mark.parametrize("empty", [{}, {"hits": None}, {"hits": {}}, {"error": {}, "status": 404}], ids=repr)
def test_an_answer_without_hits_has_no_events(empty):
    assert read_events(empty, ["anna"]) == ()


@pytest.mark.parametrize("status", [400, 403, 429, 500, None])
def test_an_error_answer_is_an_upstream_error(status):
    with pytest.raises(UpstreamError, match=str(status)):
        read_events({"error": {"type": "x"}, "status": status}, ["anna"])
