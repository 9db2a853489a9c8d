from __future__ import annotations

import json
from dataclasses import replace

import pytest
from requests_of_tests import MATCH, SETTINGS, plan, planned, read, sent, sent_body

from middleware.config import IndexSettings, ModelSettings, Settings
from middleware.errors import RequestError
from middleware.search.plan import Plan, Skip, make_plan
from middleware.search.reasons import Reason
from middleware.search.request import SearchRequest


@pytest.mark.parametrize(
    ("reason", "options"),
    [
        (Reason.INDEX_NOT_CONFIGURED, {"target": "/logs/_search"}),
        (Reason.CONTENT_TYPE, {"headers": {"content-type": "text/html"}}),
        (Reason.CONTENT_TYPE, {"headers": {"content-type": "application/x-ndjson"}}),
        (Reason.CONTENT_TYPE, {"headers": {"content-type": ""}}),
        (Reason.CONTENT_ENCODING, {"headers": {"content-encoding": "gzip"}}),
        (Reason.CONTENT_ENCODING, {"headers": {"content-encoding": "br"}}),
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
        (Reason.CONTENT_TYPE, {"body": b"", "target": "/products/_search?source={}"}),
        (
            Reason.FORMAT,
            {"body": b"query: {}", "headers": {"content-type": "application/yaml", "accept": "text"}},
        ),
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
        (Reason.STORED_FIELDS_NONE, {"body": {**MATCH, "stored_fields": "_none_", "rescore": {}}}),
        (
            Reason.STORED_FIELDS_NONE,
            {"body": {**MATCH, "rescore": {}}, "target": "/products/_search?stored_fields=_none_"},
        ),
        (Reason.NO_QUERY_TEXT, {"body": b""}),
        (Reason.NO_QUERY_TEXT, {"body": {"query": {"match_all": {}}}}),
        (Reason.NO_QUERY_TEXT, {"target": "/products/_search?q="}),
        (Reason.BEYOND_WINDOW, {"body": {**MATCH, "from": 20}}),
        (Reason.BEYOND_WINDOW, {"target": "/products/_search?from=20"}),
    ],
)
def test_a_search_that_is_not_reranked_says_why_and_goes_on_untouched(reason, options) -> None:
    found = plan(**options)
    assert (found.reason if isinstance(found, Skip) else found) is reason


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
    assert sent_body({**MATCH, "from": start, "size": size, "min_score": 1e-3}) == {
        **MATCH,
        "from": 0,
        "size": asked,
        "min_score": 1e-3,
    }


def test_the_first_stage_target_lacks_what_we_answer_for() -> None:
    target = "/products/_search?pretty&filter_path=took;size=3&q=a+b&from=0"
    assert sent(target=target).target.startswith("/products/_search?pretty&q=a+b&preference=rerank-")
    assert read(target=target).filter_path == "took"


def test_all_pages_of_a_search_go_to_the_same_copies_of_the_shards() -> None:
    pages = [planned({**MATCH, "from": start}) for start in (0, 10, 19)]
    beyond = plan({**MATCH, "from": 20})
    (preference,) = {page.preference for page in (*pages, beyond)}
    assert preference
    assert planned({"query": {"match": {"title": "other"}}}).preference != preference
    assert planned(target="/products/_search?preference=mine").preference is None
    assert planned(target="/products/_search?routing=a").preference is None


def test_our_own_syntax_gives_the_query_text_and_goes_no_further() -> None:
    body = {**MATCH, "ext": {"rerank": {"query_text": "what I mean"}, "other": {}}}
    assert planned(body).query_text == "what I mean"
    assert sent_body(body)["ext"] == {"other": {}}
    assert "ext" not in planned({**MATCH, "ext": {"rerank": {"query_text": "x"}}}).body


@pytest.mark.parametrize("target", ["/logs/_search", "/products/_search?scroll=1m"])
def test_our_own_syntax_is_taken_out_of_what_is_not_reranked(target) -> None:
    request = read({**MATCH, "ext": {"rerank": {"query_text": "x"}}}, target)
    assert isinstance(request, SearchRequest)
    assert json.loads(request.without_own_syntax()) == MATCH
    assert read(MATCH, target).without_own_syntax() is None


@pytest.mark.parametrize("own", [{}, {"query_text": ""}, {"query_text": 1}, {"query_text": "x", "what": 1}])
def test_our_own_syntax_wrongly_used_is_an_error(own) -> None:
    with pytest.raises(RequestError, match=r"ext\.rerank"):
        plan({**MATCH, "ext": {"rerank": own}})


@pytest.mark.parametrize("rerank", ["text", [1]])
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
        ({"script_fields": {"x": {"script": "1"}}, "size": 20}, "", ("title", "variants.color")),
        ({"script_fields": {"title": {"script": "1"}}, "size": 20}, "", ("variants.color",)),
        ({"script_fields": 5, "size": 20}, "", ("title", "variants.color")),
        ({"_source": False, "fields": ["ti*"]}, "", ("variants.color",)),
        ({"_source": False, "fields": [{"field": "title"}, "variants.*"]}, "", ()),
        ({"_source": False, "docvalue_fields": [{"field": "title", "format": "x"}]}, "", ("variants.color",)),
        ({"_source": False}, "?docvalue_fields=x,title", ("variants.color",)),
        ({"_source": False, "collapse": {"field": "title"}}, "", ("variants.color",)),
        ({"_source": False, "fields": ["x"], "aggs": {"a": {"top_hits": {"fields": ["y"]}}}}, "",
         ("title", "variants.color")),
    ],
)  # fmt: skip
def test_only_fields_that_the_client_does_not_get_are_added(body, target, added) -> None:
    found = planned({**MATCH, **body}, f"/products/_search{target}")
    assert found.added_fields == added
    assert sent_body({**MATCH, **body}, f"/products/_search{target}").get("fields", []) == [
        *body.get("fields", []),
        *added,
    ]


def test_top_hits_do_not_take_over_the_fields_that_we_add() -> None:
    inner = {"top": {"top_hits": {"size": 1}}, "own": {"top_hits": {"fields": ["a"]}}, "odd": 5}
    aggs = {"groups": {"terms": {"field": "group"}, "aggs": inner}}
    shielded = sent_body({**MATCH, "_source": False, "aggs": aggs})["aggs"]["groups"]["aggs"]
    assert shielded["top"]["top_hits"]["fields"] == ["_es_rerank_no_such_field"]
    assert (shielded["own"], shielded["odd"]) == (inner["own"], 5)
    assert sent_body({**MATCH, "aggs": aggs})["aggs"] == aggs


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
        Reason.NOT_RENDERED,
        Reason.ASYNC_SEARCH,
        *list(Reason)[list(Reason).index(Reason.NO_HITS) :],
    }
    assert tested == set(Reason) - decided_later


def test_fields_that_top_hits_would_take_over_are_asked_for_apart() -> None:
    body = {**MATCH, "_source": False, "fields": ["x"], "aggs": {"a": {"top_hits": {}}}}
    found = planned(body)
    assert (found.added_fields, found.deferral is not None) == ((), True)
    assert sent_body(body)["fields"] == ["x"]
    assert sent_body(body)["_source"] == ["title", "variants.color"]


def template_settings(**index) -> Settings:
    return SETTINGS.model_copy(update={"indices": {"products": IndexSettings(template="{title}", **index)}})


def planned_template(params, settings, rendered=MATCH) -> Plan:
    request = read({"id": "t", "params": params}, "/products/_search/template?scroll_size=1&q=ignored")
    assert isinstance(request, SearchRequest)
    (search,) = request.with_bodies([rendered]).searches
    found = make_plan(search, "default", settings)
    assert isinstance(found, Plan), found
    return found


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"q": "what was typed"}, "what was typed"),
        ({"keywords": " second ", "q": ""}, "second"),
        ({"q": 5}, "red phone"),
        ({"size": 3}, "red phone"),
        (None, "red phone"),
    ],
)
def test_the_query_text_of_a_template_is_in_the_parameter_that_the_configuration_names(params, text) -> None:
    settings = template_settings(template_parameters=("q", "keywords"))
    assert planned_template(params, settings).query_text == text
    assert planned_template(params, SETTINGS).query_text == "red phone"


def test_a_template_goes_out_as_a_template_that_renders_to_our_body() -> None:
    found = planned_template({"q": "x"}, SETTINGS, {**MATCH, "explain": True, "size": 20})
    sent_out = found.search.outgoing({**found.body, "size": 20})
    assert (sent_out["source"], sent_out["explain"]) == ("{{{body}}}", True)
    assert json.loads(sent_out["params"]["body"]) == {**MATCH, "size": 20}


def test_terms_count_as_query_text_on_the_fields_that_the_configuration_names() -> None:
    body = {"query": {"term": {"brand": "Acme"}}}
    assert planned(body, settings=template_settings(query_text_fields=("brand",))).query_text == "Acme"
    assert plan(body, settings=template_settings()) == Skip(Reason.NO_QUERY_TEXT)


RRF = {
    "rrf": {"retrievers": [{"standard": {"query": MATCH["query"]}}, {"knn": {"field": "v"}}], "rank_window_size": 15}
}


def plan_on(body, *, has_retrievers) -> Plan | Skip:
    request = read(body)
    assert isinstance(request, SearchRequest)
    return make_plan(request.searches[0], "default", SETTINGS, has_retrievers=has_retrievers)


def test_a_tree_of_retrievers_is_reranked_as_far_as_it_reaches_where_the_cluster_has_them() -> None:
    found = plan_on({"retriever": RRF}, has_retrievers=True)
    assert isinstance(found, Plan)
    assert (found.query_text, found.variant.window, found.first_stage_size) == ("red phone", 15, 15)
    assert found.body == {"retriever": RRF}
    beyond = plan_on({"retriever": RRF, "from": 10, "size": 10}, has_retrievers=True)
    assert beyond == Skip(Reason.RETRIEVER)
    assert plan_on({"retriever": RRF}, has_retrievers=False) == Skip(Reason.RETRIEVER)


@pytest.mark.parametrize("has_retrievers", [True, False])
def test_a_standard_retriever_is_planned_on_every_cluster(has_retrievers) -> None:
    standard = {"standard": {"query": MATCH["query"], "filter": {"term": {"brand": "b"}}}}
    found = plan_on({"retriever": standard}, has_retrievers=has_retrievers)
    assert isinstance(found, Plan)
    assert found.query_text == "red phone"
    assert ("retriever" in found.body) is has_retrievers


def test_a_reranker_inside_a_tree_is_left_to_the_cluster() -> None:
    inside = {"text_similarity_reranker": {"retriever": {"standard": {"query": MATCH["query"]}}, "field": "title"}}
    tree = {"rrf": {"retrievers": [inside, {"standard": {"query": MATCH["query"]}}]}}
    assert plan_on({"retriever": tree}, has_retrievers=True) == Skip(Reason.RETRIEVER)


def test_a_reranker_orders_by_the_model_named_alone_and_gives_its_window_and_no_more() -> None:
    settings = SETTINGS.model_copy(update={"models": {"mine": ModelSettings(source="org/mine")}})
    reranker = {
        "retriever": {"standard": {"query": MATCH["query"]}},
        "field": "description",
        "inference_id": "mine",
        "inference_text": "what I mean",
        "rank_window_size": 30,
    }
    request = read({"retriever": {"text_similarity_reranker": reranker}, "from": 25, "size": 10})
    assert isinstance(request, SearchRequest)
    found = make_plan(request.searches[0], "default", settings)
    assert isinstance(found, Plan)
    assert (found.query_text, found.variant.window, found.first_stage_size) == ("what I mean", 30, 30)
    assert (found.variant.model, found.variant.weights) == ("mine", {"cross_encoder": 1.0})
    assert found.body["query"] == MATCH["query"]


RERANKER = {
    "retriever": {
        "text_similarity_reranker": {
            "retriever": {"standard": {"query": MATCH["query"]}},
            "field": "title",
            "inference_text": "what I mean",
        }
    }
}


def test_a_cluster_that_has_no_reranker_gets_the_retriever_inside_it() -> None:
    request = read({**RERANKER, "size": 3})
    assert isinstance(request, SearchRequest)
    assert request.without_own_syntax() is None
    (search,) = request.searches
    assert replace(search, knows_rerankers=False).upstream_body == {**MATCH, "size": 3}


def test_our_own_syntax_is_taken_out_of_a_template_that_was_rendered() -> None:
    own = {**MATCH, "ext": {"rerank": {"query_text": "x"}}}
    request = read({"id": "t"}, "/products/_search/template")
    assert isinstance(request, SearchRequest)
    rendered = request.with_bodies([own])
    assert json.loads(json.loads(rendered.without_own_syntax())["params"]["body"]) == MATCH
    assert request.with_bodies([MATCH]).without_own_syntax() is None


def test_half_a_surrogate_pair_in_a_name_is_a_name() -> None:
    request = read(b'{"index":"products-\\ud800"}\n{"query":{"match":{"title":"red"}}}\n', "/_msearch")
    assert isinstance(request, SearchRequest)
    assert isinstance(make_plan(request.searches[0], "default", SETTINGS), Plan)


def test_a_type_without_a_body_decides_on_the_answer_all_the_same() -> None:
    request = read(b"", "/products/_search?q=red", {"content-type": "application/yaml"})
    assert isinstance(request, SearchRequest)
    assert request.own_headers == {"Content-Type": "application/json", "Accept": "application/yaml"}
