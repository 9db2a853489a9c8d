from __future__ import annotations

import json

from requests_of_tests import planned

from middleware.personalization.fields import HitFields
from middleware.search.hits import SearchResponse, read_answer
from middleware.search.window import Window, read_window


def respond(*sources: dict[str, object]) -> SearchResponse:
    hits = [{"_index": "products", "_id": str(n), "_score": 1.5, "_source": each} for n, each in enumerate(sources)]
    (response,) = read_answer(json.dumps({"hits": {"hits": hits}}), is_multi=False).responses
    assert isinstance(response, SearchResponse)
    return response


def test_texts_and_fields_of_a_window_are_those_of_its_hits() -> None:
    response = respond({"title": "red", "variants": [{"color": "a"}, {"color": 5}], "brand": " ACME "}, {"price": 3})
    window = read_window(planned(), response)
    assert isinstance(window, Window)
    assert list(window.document_texts) == ["red a 5", ""]
    assert list(window.hit_fields) == [HitFields(brand=("acme",)), HitFields(price=3.0)]


def test_without_a_profile_the_texts_are_the_same_and_no_fields_are_read() -> None:
    response = respond({"title": "red", "brand": "Acme", "price": 3})
    with_profile, without = (read_window(planned(), response, has_profile=has) for has in (True, False))
    assert isinstance(with_profile, Window)
    assert isinstance(without, Window)
    assert list(with_profile.document_texts) == list(without.document_texts) == ["red"]
    assert list(without.hit_fields) == []


def test_fields_that_only_we_asked_for_are_read_beside_a_filtered_source() -> None:
    text = '{"hits":{"hits":[{"_index":"products","_score":1,"_source":{},"fields":{"title":["red"]}}]}}'
    (response,) = read_answer(text, is_multi=False).responses
    assert isinstance(response, SearchResponse)
    window = read_window(planned(), response)
    assert isinstance(window, Window)
    assert list(window.document_texts) == ["red"]
