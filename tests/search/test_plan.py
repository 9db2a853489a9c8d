from __future__ import annotations

import json
from typing import Any

import pytest

from middleware.config import Settings
from middleware.errors import RequestError
from middleware.search.first_stage import first_stage_body, first_stage_target
from middleware.search.plan import Plan, SearchRequest, Skip, make_plan
from middleware.search.reasons import Reason
from middleware.search.target import read_search_target

MATCH = {"query": {"match": {"title": "red phone"}}}
SETTINGS = Settings.model_validate(
    {
        "variants": {"default": {"window": 20}},
        "indices": {"products": {"template": "{title}[ {variants.color}]"}},
        "profiles": {"enabled": False},
    }
)


def plan(
    body: Any = MATCH, target: str = "/products/_search", headers: dict[str, str] | None = None, method: str = "POST"
) -> Plan | Skip:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    search_target = read_search_target(method, target)
    assert search_target is not None
    sent = {"content-type": "application/json"} if data else {}
    return make_plan(SearchRequest(search_target, {**sent, **(headers or {})}, data), "default", SETTINGS)


def planned(*arguments: Any, **options: Any) -> Plan:
    found = plan(*arguments, **options)
    assert isinstance(found, Plan), found
    return found


@pytest.mark.parametrize(
    ("reason", "options"),
    [
        (Reason.INDEX_NOT_CONFIGURED, {"target": "/logs/_search"}),
        (Reason.CONTENT_TYPE, {"headers": {"content-type": "application/yaml"}}),
        (Reason.CONTENT_TYPE, {"headers": {"content-type": ""}}),
        (Reason.CONTENT_ENCODING, {"headers": {"content-encoding": "gzip"}}),
        (Reason.MALFORMED, {"body": b'{"query":'}),
        (Reason.MALFORMED, {"body": b" "}),
        (Reason.MALFORMED, {"body": b"[]"}),
        (Reason.MALFORMED, {"body": {**MATCH, "size": -1}}),
        (Reason.MALFORMED, {"body": {**MATCH, "from": None}}),
        (Reason.MALFORMED, {"body": {**MATCH, "from": True}}),
        (Reason.MALFORMED, {"body": {**MATCH, "size": 1.5}}),
        (Reason.MALFORMED, {"body": {**MATCH, "size": "9" * 5000}}),
        (Reason.MALFORMED, {"body": {**MATCH, "size": -1}, "target": "/products/_search?size=1"}),
        (Reason.MALFORMED, {"body": {**MATCH, "fields": "title"}}),
        (Reason.MALFORMED, {"target": "/products/_search?size=" + "9" * 5000}),
        (Reason.MALFORMED, {"target": "/products/_search?from="}),
        (Reason.MALFORMED, {"target": "/products/_search?size=%zz"}),
        (Reason.MALFORMED, {"target": "/products/_search?filter_path=-"}),
        (Reason.SOURCE_PARAMETER, {"body": b"", "target": "/products/_search?source={}"}),
        (Reason.FORMAT, {"target": "/products/_search?format=yaml"}),
        (Reason.FORMAT, {"headers": {"accept": "application/cbor"}}),
        (Reason.SIZE_0, {"body": {**MATCH, "size": 0}}),
        (Reason.SORT, {"body": {**MATCH, "sort": "price"}}),
        (Reason.SORT, {"body": {**MATCH, "sort": ["_score", "price"]}}),
        (Reason.SORT, {"body": {**MATCH, "sort": [{"_score": "asc"}]}}),
        (Reason.SORT, {"target": "/products/_search?sort=price"}),
        (Reason.SORT, {"body": {**MATCH, "sort": "price"}, "target": "/products/_search?sort=_score"}),
        (Reason.SEARCH_AFTER, {"body": {**MATCH, "search_after": [1]}}),
        (Reason.SCROLL, {"target": "/products/_search?scroll=1m"}),
        (Reason.POINT_IN_TIME, {"body": {**MATCH, "pit": {"id": "x"}}, "target": "/_search"}),
        (Reason.SLICE, {"body": {**MATCH, "slice": {"id": 0, "max": 2}}}),
        (Reason.RETRIEVER, {"body": {"retriever": {}}}),
        (Reason.STORED_FIELDS_NONE, {"body": {**MATCH, "stored_fields": "_none_"}}),
        (Reason.STORED_FIELDS_NONE, {"target": "/products/_search?stored_fields=_none_"}),
        (Reason.NO_QUERY_TEXT, {"body": b""}),
        (Reason.NO_QUERY_TEXT, {"body": {"query": {"match_all": {}}}}),
        (Reason.NO_QUERY_TEXT, {"target": "/products/_search?q="}),
        (Reason.BEYOND_WINDOW, {"body": {**MATCH, "from": 20}}),
        (Reason.BEYOND_WINDOW, {"target": "/products/_search?from=20"}),
    ],
)
def test_a_search_that_is_not_reranked_says_why_and_goes_on_untouched(reason, options) -> None:
    assert plan(**options) == Skip(reason)


@pytest.mark.parametrize(
    "sort", ["_score", ["_score"], [{"_score": "desc"}], {"_score": {"order": "desc"}}, {"_score": {}}, []]
)
def test_sorting_by_score_is_elasticsearch_s_own_order(sort) -> None:
    planned({**MATCH, "sort": sort})


@pytest.mark.parametrize("target", ["/_search", "/products,products-2/_search", "/prod*/_search", "/_all/_search"])
def test_searches_of_every_target_are_planned(target) -> None:
    planned(target=target)


def test_url_parameters_win_over_the_body() -> None:
    found = planned({**MATCH, "from": 1, "size": 2}, "/products/_search?size=5;from=7&q=blue+case")
    assert (found.page.start, found.page.end) == (7, 12)
    assert found.query_text == "blue case"


@pytest.mark.parametrize(("start", "size", "asked"), [(0, 10, 20), (10, 10, 20), (19, 10, 29), (0, 10_001, 10_001)])
def test_the_first_stage_reaches_to_the_end_of_the_window_or_of_the_page(start, size, asked) -> None:
    body = json.loads(first_stage_body(planned({**MATCH, "from": start, "size": size, "min_score": 1e-3})))
    assert body == {**MATCH, "from": 0, "size": asked, "min_score": 1e-3}


def test_the_first_stage_target_lacks_what_we_answer_for() -> None:
    found = planned(target="/products/_search?pretty&filter_path=took;size=3&q=a+b&from=0")
    assert first_stage_target(found) == "/products/_search?pretty&q=a+b"
    assert found.filter_path == "took"


def test_our_own_syntax_gives_the_query_text_and_goes_no_further() -> None:
    found = planned({**MATCH, "ext": {"rerank": {"query_text": "what I mean"}, "other": {}}})
    assert found.query_text == "what I mean"
    assert found.own_syntax
    assert json.loads(first_stage_body(found))["ext"] == {"other": {}}
    assert "ext" not in planned({**MATCH, "ext": {"rerank": {"query_text": "x"}}}).body


@pytest.mark.parametrize("options", [{"target": "/logs/_search"}, {"target": "/products/_search?scroll=1m"}])
def test_our_own_syntax_is_taken_out_of_what_is_not_reranked(options) -> None:
    skip = plan({**MATCH, "ext": {"rerank": {"query_text": "x"}}}, **options)
    assert isinstance(skip, Skip)
    assert skip.body is not None
    assert json.loads(skip.body) == MATCH


@pytest.mark.parametrize("own", [{}, {"query_text": ""}, {"query_text": 1}, {"query_text": "x", "what": 1}])
def test_our_own_syntax_wrongly_used_is_an_error(own) -> None:
    with pytest.raises(RequestError, match=r"ext\.rerank"):
        plan({**MATCH, "ext": {"rerank": own}})


@pytest.mark.parametrize("rerank", ["text", [1], {"query_context": {"query_text": "x"}}])
def test_what_is_not_our_syntax_is_left_to_elasticsearch(rerank) -> None:
    body = {**MATCH, "ext": {"rerank": rerank}}
    assert planned(body).body == body


@pytest.mark.parametrize(
    ("body", "target", "added"),
    [
        ({}, "", ()),
        ({"_source": True}, "", ()),
        ({"fields": ["a"]}, "", ()),
        ({"_source": False}, "", ("title", "variants.color")),
        ({"_source": {}}, "", ("title", "variants.color")),
        ({}, "?_source_includes=x", ("title", "variants.color")),
        ({"stored_fields": ["x"]}, "", ("title", "variants.color")),
        ({"script_fields": {"x": {"script": "1"}}}, "", ("title", "variants.color")),
        ({"script_fields": {"title": {"script": "1"}}}, "", ("variants.color",)),
        ({"script_fields": 5}, "", ("title", "variants.color")),
        ({"_source": False, "fields": ["ti*"]}, "", ("variants.color",)),
        ({"_source": False, "fields": [{"field": "title"}, "variants.*"]}, "", ()),
        ({"_source": False, "docvalue_fields": [{"field": "title", "format": "x"}]}, "", ("variants.color",)),
        ({"_source": False}, "?docvalue_fields=x,title", ("variants.color",)),
        ({"_source": False, "collapse": {"field": "title"}}, "", ("variants.color",)),
        ({"_source": False, "fields": ["x"], "aggs": {"a": {"top_hits": {}}}}, "", ()),
        ({"_source": False, "fields": ["x"], "aggs": {"a": {"top_hits": {"fields": ["y"]}}}}, "",
         ("title", "variants.color")),
    ],
)  # fmt: skip
def test_only_fields_that_the_client_does_not_get_are_added(body, target, added) -> None:
    found = planned({**MATCH, **body}, f"/products/_search{target}")
    assert found.added_fields == added
    sent = json.loads(first_stage_body(found))
    assert sent.get("fields", []) == [*body.get("fields", []), *added]


def test_top_hits_do_not_take_over_the_fields_that_we_add() -> None:
    inner = {"top": {"top_hits": {"size": 1}}, "own": {"top_hits": {"fields": ["a"]}}, "odd": 5}
    aggs = {"groups": {"terms": {"field": "group"}, "aggs": inner}}
    sent = json.loads(first_stage_body(planned({**MATCH, "_source": False, "aggs": aggs})))
    shielded = sent["aggs"]["groups"]["aggs"]
    assert shielded["top"]["top_hits"]["fields"] == ["_es_rerank_no_such_field"]
    assert (shielded["own"], shielded["odd"]) == (inner["own"], 5)
    assert json.loads(first_stage_body(planned({**MATCH, "aggs": aggs})))["aggs"] == aggs


def test_every_reason_of_the_plan_is_tested_here() -> None:
    (mark,) = [
        mark
        for mark in test_a_search_that_is_not_reranked_says_why_and_goes_on_untouched.pytestmark
        if mark.name == "parametrize"
    ]
    tested = {reason for reason, _ in mark.args[1]}
    decided_later = {
        Reason.OFF,
        Reason.CONTROL,
        Reason.BODY_TOO_LARGE,
        *list(Reason)[list(Reason).index(Reason.NO_HITS) :],
    }
    assert tested == set(Reason) - decided_later
