"""Work on single hits is left out of the window and asked for the page's hits alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from requests_of_tests import MATCH, planned, read, sent, sent_body

from middleware.search.deferral import match_page, page_body
from middleware.search.first_stage import page_request
from middleware.search.hits import Hit, SearchResponse, read_answer
from middleware.search.request import SearchRequest

FIELDS = ["title", "variants.color"]
NESTED = {"nested": {"path": "variants", "query": {"match": {"variants.color": "red"}}, "inner_hits": {"size": 1}}}


def hits_of(*members: dict[str, Any]) -> tuple[Hit, ...]:
    hits = [{"_index": "products", "_score": 1.0, **member} for member in members]
    (response,) = read_answer(json.dumps({"hits": {"hits": hits}}), is_multi=False).responses
    assert isinstance(response, SearchResponse)
    return response.hits


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"highlight": {"fields": {"title": {}}}}, ""),
        ({"explain": True}, ""),
        ({}, "?explain=true"),
        ({"script_fields": {"x": {"script": "1"}}}, ""),
        ({"stored_fields": "_none_"}, ""),
        ({"stored_fields": "_none_", "size": 20}, ""),
        ({"stored_fields": ["title"], "size": 20}, ""),
        ({"explain": "true"}, ""),
        ({}, "?stored_fields=_none_"),
        ({"query": NESTED}, ""),
        ({"query": {"bool": {"should": [NESTED, {"dis_max": {"queries": [NESTED]}}]}}}, ""),
        ({"collapse": {"field": "group", "inner_hits": {"name": "more"}}}, ""),
    ],
)
def test_the_window_is_asked_for_without_it(body, target) -> None:
    asked = {**MATCH, **body}, f"/products/_search{target}"
    window = sent_body(*asked)
    assert planned(*asked).deferral is not None
    assert window["_source"] == FIELDS
    assert not {"highlight", "explain", "script_fields", "stored_fields"} & set(window)
    assert "inner_hits" not in json.dumps(window)
    assert not any(name in sent(*asked).target for name in ("explain", "stored_fields"))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"explain": False, "highlight": {}},
        {"highlight": {"fields": {"title": {}}}, "size": 20},
        {"explain": True, "rescore": {"query": {}}},
        {"explain": "true", "rescore": {"query": {}}},
        {"explain": True, "profile": True},
        {"_source": ["title"]},
        {"query": {"match": {"nested": "inner_hits"}}},
        {"query": {"match": {"nested": {"query": "x", "inner_hits": 1}}}},
    ],
)
def test_where_it_saves_nothing_or_cannot_be_had_apart_one_request_asks_for_all(body) -> None:
    assert planned({**MATCH, **body}).deferral is None


def test_the_page_is_the_clients_own_search_for_its_hits() -> None:
    body = {
        **MATCH, "highlight": {"fields": {"title": {}}}, "aggs": {"a": {"max": {"field": "x"}}}, "from": 3,
        "post_filter": {"term": {"brand": "b"}}, "_source": ["brand"], "min_score": 1, "suggest": {}, "rescore": {},
    }  # fmt: skip
    page = page_body(body, hits_of({"_id": "1"}, {"_id": "2"}, {"_id": "1", "_index": "products-2"}), is_counted=False)
    only = page["post_filter"]["bool"]["filter"][1]["bool"]["should"]
    assert page["post_filter"]["bool"]["filter"][0] == body["post_filter"]
    assert [each["bool"]["filter"][1]["ids"]["values"] for each in only] == [["1", "2"], ["1"]]
    kept = {name: body[name] for name in ("query", "highlight", "_source", "min_score")}
    assert page == {**kept, "post_filter": page["post_filter"], "size": 3, "track_total_hits": False}


def test_groups_of_a_collapse_are_told_by_their_value_and_those_without_by_having_none() -> None:
    body = {**MATCH, "collapse": {"field": "group", "inner_hits": {"name": "more"}}}
    hits = hits_of({"_id": "1", "fields": {"group": ["A"]}}, {"_id": "2", "fields": {"group": [None]}}, {"_id": "3"})
    groups = page_body(body, hits, is_counted=False)["post_filter"]["bool"]["should"]
    assert groups == [{"terms": {"group": ["A"]}}, {"bool": {"must_not": {"exists": {"field": "group"}}}}]


def test_a_page_without_hits_is_asked_for_all_the_same() -> None:
    """What is wrong with the client's options must be said, though nothing was found."""
    body = page_body({**MATCH, "highlight": {"fields": {"title": {}}}}, (), is_counted=False)
    assert (body["post_filter"], body["size"], "highlight" in body) == ({"match_none": {}}, 0, True)


def test_the_page_goes_to_the_copies_that_the_window_came_from() -> None:
    asked = {**MATCH, "explain": True}, "/products/_search?typed_keys&from=2&filter_path=took&suggest_field=x"
    request, plan = read(*asked), planned(*asked)
    assert isinstance(request, SearchRequest)
    page = page_request(request, [(plan, hits_of({"_id": "1"}))])
    assert page.target == f"/products/_search?typed_keys&preference={plan.preference}"
    assert sent(*asked).target.endswith(f"preference={plan.preference}")


def test_hits_of_the_page_are_found_again_by_name_and_without_ids_by_place() -> None:
    wanted = hits_of({"_id": "1"}, {"_id": "2"})
    other_order = hits_of({"_id": "2"}, {"_id": "1"})
    assert match_page(wanted, other_order) == [other_order[1], other_order[0]]
    nameless = hits_of({}, {})
    assert match_page(wanted, nameless) == list(nameless)


@pytest.mark.parametrize(
    "found",
    [
        hits_of({"_id": "1"}),
        hits_of({"_id": "1"}, {"_id": "3"}),
        hits_of({"_id": "1"}, {"_id": "1"}),
        hits_of({"_id": "1"}, {"_id": "2", "_index": "other"}),
        hits_of({}, {"_index": "other"}),
    ],
)
def test_other_hits_than_those_of_the_window_are_noticed(found) -> None:
    assert match_page(hits_of({"_id": "1"}, {"_id": "2"}), found) is None


def test_top_hits_keep_the_inner_hits_that_they_share_with_the_query() -> None:
    groups = {"groups": {"terms": {"field": "x"}, "aggs": {"top": {"top_hits": {}}}}}
    assert planned({"query": NESTED, "aggs": groups}).deferral is None
    window = sent_body({"query": NESTED, "aggs": groups, "explain": True})
    assert (window["query"], "explain" in window) == (NESTED, False)
