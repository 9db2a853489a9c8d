"""Elasticsearch's `text_similarity_reranker` and OpenSearch's `query_context`, executed by us on any cluster."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from http_call import Answer, call, fill, ndjson

from middleware.config import ModelSettings
from middleware.rerank.engine import Engine

pytestmark = pytest.mark.integration

INDEX = "syntax-products"
WORDS = ("red", "blue", "green", "phone", "case", "cable", "leather", "shoe", "usb", "iphone", "running")
DOCUMENTS = 40
TEXT = "red iphone case"
MATCH = {"match": {"title": "phone case cable"}}


def titles() -> list[str]:
    draw = random.Random(3)
    return [" ".join(draw.choices(WORDS, k=draw.randint(3, 9))) for _ in range(DOCUMENTS)]


def long_text(number: int) -> str:
    """Some sentences, only one of which is about what is searched for, and not the first."""
    filler = " ".join(f"{WORDS[(number + place) % 3]} leather shoe {place}." for place in range(60))
    return f"{filler} {titles()[number]}. {filler}"


@pytest.fixture(scope="module")
def node(engine_url: str) -> Iterator[str]:
    call(f"{engine_url}/{INDEX}", method="DELETE")
    documents = [
        {"title": title, "brand": title.split()[0], "text": long_text(number)} for number, title in enumerate(titles())
    ]
    fill(
        engine_url,
        INDEX,
        (line for number, document in enumerate(documents) for line in ({"index": {"_id": str(number)}}, document)),
    )
    yield engine_url
    call(f"{engine_url}/{INDEX}", method="DELETE")


@pytest.fixture(scope="module")
def proxy(node: str, start_proxy_process: Any, tiny_model_folder: Path) -> str:
    configuration = {
        "upstream": {"urls": [node]},
        "models": {"tiny": {"source": str(tiny_model_folder)}},
        "indices": {"syntax": {"patterns": ["syntax-*"], "template": "{title}"}},
        "budget_ms": 30_000,
    }
    return str(start_proxy_process(configuration, wait_for="ready").url)


@pytest.fixture(scope="module")
def engine(tiny_model_folder: Path) -> Iterator[Engine]:
    made = Engine(ModelSettings(source=str(tiny_model_folder)))
    made.start()
    while not made.ready:
        assert made.error is None
    yield made
    made.stop()


def reranker(**changes: Any) -> dict[str, Any]:
    inner = changes.pop("inner", {"standard": {"query": MATCH}})
    body = {"retriever": inner, "field": "title", "inference_id": "my-rerank-model", "inference_text": TEXT}
    return {"retriever": {"text_similarity_reranker": {**body, **changes}}}


def ask(url: str, body: dict[str, Any], parameters: str = "", **headers: str) -> Answer:
    return call(f"{url}/{INDEX}/_search{parameters}", body, headers=headers)


def ids(answer: Answer) -> list[str]:
    return [hit["_id"] for hit in answer.json["hits"]["hits"]]


def scores(answer: Answer) -> list[float]:
    return [hit["_score"] for hit in answer.json["hits"]["hits"]]


def model_scores(engine: Engine, node: str, window: int, field: str = "title", **body: Any) -> dict[str, float]:
    """_id -> the model's score of each of the first hits of the inner query."""
    hits = ask(node, {"query": MATCH, "size": window, **body}).json["hits"]["hits"]
    values = engine.score(TEXT, [hit["_source"][field] for hit in hits], budget_ms=30_000)
    return {hit["_id"]: float(value) for hit, value in zip(hits, values, strict=True)}


def test_the_model_alone_orders_the_window_and_gives_the_scores(node, proxy, engine) -> None:
    expected = model_scores(engine, node, 15)
    answer = ask(proxy, {**reranker(rank_window_size=15), "size": 15})
    assert answer.headers["X-Rerank"] == "applied"
    assert ids(answer) == sorted(expected, key=lambda name: -expected[name])
    assert scores(answer) == pytest.approx([1 + expected[name] for name in ids(answer)], abs=1e-5)
    assert answer.json["hits"]["max_score"] == scores(answer)[0]


def test_the_answer_has_the_members_that_elasticsearch_documents(node, proxy) -> None:
    answer = ask(proxy, reranker()).json
    plain = ask(node, {"query": MATCH}).json
    assert set(answer) == set(plain) == {"took", "timed_out", "_shards", "hits"}
    assert set(answer["hits"]) == {"total", "max_score", "hits"}
    direct = {hit["_id"]: set(hit) for hit in ask(node, {"query": MATCH, "size": 10}).json["hits"]["hits"]}
    assert all(set(hit) == direct[hit["_id"]] for hit in answer["hits"]["hits"])
    assert answer["hits"]["total"] == plain["hits"]["total"]  # all matches of the inner query


def test_without_a_size_the_page_is_the_window_and_that_is_ten(proxy) -> None:
    assert len(ids(ask(proxy, reranker()))) == 10
    assert len(ids(ask(proxy, reranker(rank_window_size=7)))) == 7
    assert len(ids(ask(proxy, {**reranker(rank_window_size=7), "size": 3}))) == 3


def test_pages_end_with_the_window(proxy) -> None:
    pages = [ask(proxy, {**reranker(rank_window_size=12), "from": start, "size": 5}) for start in (0, 5, 10, 15)]
    assert [len(ids(page)) for page in pages] == [5, 5, 2, 0]
    assert len({name for page in pages for name in ids(page)}) == 12
    assert len({page.json["hits"]["total"]["value"] for page in pages}) == 1


def test_min_score_drops_hits_and_counts_what_is_left(node, proxy, engine) -> None:
    expected = sorted(model_scores(engine, node, 20).values(), reverse=True)
    bound = (expected[5] + expected[6]) / 2
    answer = ask(proxy, {**reranker(rank_window_size=20, min_score=bound), "size": 20})
    assert len(ids(answer)) == 6
    assert answer.json["hits"]["total"] == {"value": 6, "relation": "eq"}
    as_number = ask(
        proxy, {**reranker(rank_window_size=20, min_score=bound), "size": 3}, "?rest_total_hits_as_int=true"
    )
    assert (len(ids(as_number)), as_number.json["hits"]["total"]) == (3, 6)


def test_filters_of_the_reranker_hold(node, proxy) -> None:
    brand = {"term": {"brand.keyword": "red"}}
    answer = ask(proxy, reranker(filter=[brand]))
    assert (
        answer.json["hits"]["total"]
        == ask(node, {"query": {"bool": {"must": MATCH, "filter": brand}}}).json["hits"]["total"]
    )
    assert {hit["_source"]["brand"] for hit in answer.json["hits"]["hits"]} == {"red"}


def test_a_sort_inside_chooses_the_window_and_leaves_no_sort_values(node, proxy, engine) -> None:
    by_brand = [{"brand.keyword": "asc"}, {"_doc": "asc"}]
    expected = model_scores(engine, node, 8, sort=by_brand)
    answer = ask(proxy, reranker(inner={"standard": {"query": MATCH, "sort": by_brand}}, rank_window_size=8))
    assert ids(answer) == sorted(expected, key=lambda name: -expected[name])
    assert not any("sort" in hit for hit in answer.json["hits"]["hits"])
    assert answer.json["hits"]["max_score"] == scores(answer)[0]


def test_long_fields_are_scored_by_their_best_chunks(node, proxy, engine) -> None:
    settings = {"strategy": "sentence", "max_chunk_size": 20, "sentence_overlap": 0}
    chunked = ask(
        proxy, {**reranker(field="text", chunk_rescorer={"size": 2, "chunking_settings": settings}), "size": 10}
    )
    whole = ask(proxy, {**reranker(field="text"), "size": 10})
    assert chunked.headers["X-Rerank"] == whole.headers["X-Rerank"] == "applied"
    assert set(ids(chunked)) == set(ids(whole))
    # The beginnings are alike: only the chunk that names the product tells the documents apart.
    assert len(set(scores(chunked))) > len(set(scores(whole)))


def test_aggregations_and_source_filters_stand_beside_it(node, proxy) -> None:
    beside = {"aggs": {"brands": {"terms": {"field": "brand.keyword"}}}, "_source": ["brand"]}
    answer = ask(proxy, {**reranker(), **beside}).json
    plain = ask(node, {"query": MATCH, **beside}).json
    assert answer["aggregations"] == plain["aggregations"]
    assert all(set(hit["_source"]) == {"brand"} and "fields" not in hit for hit in answer["hits"]["hits"])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (reranker(field=None), "field"),
        ({**reranker(), "query": MATCH}, "cannot specify [retriever] and [query]"),
        ({**reranker(rank_window_size=5), "size": 6}, "rank_window_size"),
        (reranker(inner={"standard": {"query": {"no_such_query": {}}}}), "no_such_query"),
    ],
)
def test_what_is_wrong_is_said(proxy, body, words) -> None:
    answer = ask(proxy, body)
    assert answer.status == 400
    assert words in json.dumps(answer.json["error"]["reason"]) + json.dumps(answer.json["error"]["root_cause"])


def test_a_standard_retriever_is_a_plain_query_where_the_cluster_has_none(node, proxy) -> None:
    answer = ask(proxy, {"retriever": {"standard": {"query": MATCH, "filter": {"term": {"brand.keyword": "red"}}}}})
    plain = ask(proxy, {"query": {"bool": {"must": MATCH, "filter": {"term": {"brand.keyword": "red"}}}}})
    assert answer.headers["X-Rerank"] == "applied"
    assert ids(answer) == ids(plain)


def test_switched_off_the_cluster_gets_its_own_syntax_untouched(node, proxy) -> None:
    off = ask(proxy, reranker(), **{"X-Rerank": "off"})
    assert (off.status, off.json) == (400, ask(node, reranker()).json)


@pytest.mark.parametrize(
    "context",
    [{"query_text": TEXT}, {"query_text_path": "query.match.title.query"}, {"query_text_path": "query.match.title"}],
)
def test_a_query_context_gives_the_query_text_and_goes_no_further(node, proxy, context) -> None:
    text = context.get("query_text", "phone case cable")
    answer = ask(proxy, {"query": MATCH, "ext": {"rerank": {"query_context": context}}})
    same = ask(proxy, {"query": MATCH, "ext": {"rerank": {"query_text": text}}})
    assert (answer.headers["X-Rerank"], ids(answer), scores(answer)) == ("applied", ids(same), scores(same))
    assert answer.json["hits"]["total"] == ask(node, {"query": MATCH}).json["hits"]["total"]


@pytest.mark.parametrize(
    ("headers", "options"),
    [({"X-Rerank": "control"}, {}), ({}, {"size": 0, "aggs": {"brands": {"terms": {"field": "brand.keyword"}}}})],
)
def test_a_reranker_that_is_not_executed_leaves_the_search_inside_it(node, proxy, headers, options) -> None:
    given = ask(proxy, {**reranker(), **options}, **headers)
    plain = ask(node, {"query": MATCH, "size": 10, **options})
    assert (given.status, given.headers["X-Rerank"]) == (200, "skipped")
    assert {**given.json, "took": 0} == {**plain.json, "took": 0}


def test_an_index_that_is_not_configured_gets_what_was_sent(node, proxy) -> None:
    call(f"{node}/other-index", method="PUT")
    given, direct = (call(f"{url}/other-index/_search", reranker()) for url in (proxy, node))
    call(f"{node}/other-index", method="DELETE")
    assert (given.status, given.body) == (direct.status, direct.body)


def test_a_reranker_among_many_searches_is_executed_or_leaves_the_search_inside_it(node, proxy) -> None:
    lines = [{"index": INDEX}, reranker(rank_window_size=5), {"index": INDEX}, {**reranker(), "size": 0}]
    given = call(f"{proxy}/_msearch", ndjson(lines), {"Content-Type": "application/x-ndjson"})
    assert [response["status"] for response in given.json["responses"]] == [200, 200]
    assert [len(response["hits"]["hits"]) for response in given.json["responses"]] == [5, 0]
    assert given.headers["X-Rerank-Window"] == "5, 0"
