"""Work on single hits is done for the page alone, and each hit is what the client's own search gives."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from http_call import Answer, call, fill

pytestmark = pytest.mark.integration

WORDS = ("red", "blue", "phone", "case", "cable", "usb", "charger")
PARENTS = 40
MAPPINGS = {
    "properties": {
        "title": {"type": "text"},
        "shelf": {"type": "integer"},
        "day": {"type": "date"},
        "kind": {"type": "join", "relations": {"product": "review"}},
    }
}
MATCH = {"match": {"title": "red phone case"}}
REVIEWED = {
    "has_child": {
        "type": "review",
        "query": {"match": {"text": "good"}},
        "inner_hits": {"size": 2, "_source": ["stars"]},
    }
}
SEARCHES = {
    "highlight": {"query": MATCH, "highlight": {"fields": {"title": {}}}},
    "explain": {"query": MATCH, "explain": True},
    "has_child": {"query": {"bool": {"must": MATCH, "should": REVIEWED}}},
    "has_child and nothing else": {"query": {"bool": {"must": [MATCH, REVIEWED]}}, "_source": False},
    "collapse on numbers, some missing": {
        "query": MATCH,
        "collapse": {
            "field": "shelf",
            "inner_hits": [{"name": "two", "size": 2}, {"name": "new", "size": 1, "sort": [{"day": "desc"}]}],
        },
    },
    "no fields at all": {"query": MATCH, "stored_fields": "_none_", "docvalue_fields": ["shelf"]},
    "no fields, highlight": {
        "query": MATCH,
        "stored_fields": "_none_",
        "highlight": {"fields": {"title": {"type": "plain"}}},
    },
    "post_filter and rescore": {
        "query": MATCH,
        "post_filter": {"range": {"shelf": {"lt": 4}}},
        "highlight": {"fields": {"title": {}}},
        "rescore": {"window_size": 10, "query": {"rescore_query": {"match": {"title": "usb"}}}},
    },
    "everything": {
        "query": {"bool": {"must": MATCH, "should": REVIEWED}},
        "_source": ["shelf"],
        "fields": [{"field": "day", "format": "yyyy"}],
        "highlight": {"fields": {"title": {"number_of_fragments": 0}}},
        "explain": True,
        "version": True,
        "seq_no_primary_term": True,
        "aggs": {"shelves": {"terms": {"field": "shelf"}, "aggs": {"top": {"top_hits": {"size": 1}}}}},
        "suggest": {"spelt": {"text": "phonne", "term": {"field": "title"}}},
    },
}


@pytest.fixture(scope="module")
def node(engine_url: str) -> Iterator[str]:
    call(f"{engine_url}/apart", method="DELETE")
    settings = {"number_of_shards": 2, "number_of_replicas": 0}
    assert call(f"{engine_url}/apart", {"settings": settings, "mappings": MAPPINGS}, method="PUT").status == 200
    draw = random.Random(12)
    lines: list[dict[str, Any]] = []
    for number in range(PARENTS):
        shelf = {"shelf": draw.randint(1, 6)} if draw.random() < 0.8 else {}
        title = " ".join(draw.choices(WORDS, k=draw.randint(3, 8)))
        product = {"title": title, "day": f"2024-0{draw.randint(1, 9)}-11", "kind": "product", **shelf}
        lines += [{"index": {"_id": str(number), "routing": str(number % 3)}}, product]
        for place in range(draw.randint(0, 3)):
            review = {
                "text": draw.choice(("good", "good and cheap", "bad")),
                "stars": place,
                "kind": {"name": "review", "parent": str(number)},
            }
            lines += [{"index": {"_id": f"{number}-{place}", "routing": str(number % 3)}}, review]
    fill(engine_url, "apart", lines)
    yield engine_url
    call(f"{engine_url}/apart", method="DELETE")


@pytest.fixture(scope="module")
def proxy(node: str, start_proxy_process: Any, tiny_model_folder: Any) -> str:
    configuration = {
        "upstream": {"urls": [node]},
        "models": {"tiny": {"source": str(tiny_model_folder)}},
        "indices": {"apart": {"template": "{title}"}},
        "budget_ms": 30_000,
    }
    return str(start_proxy_process(configuration, wait_for="ready").url)


def ask(url: str, body: dict[str, Any], start: int, size: int, parameters: str = "") -> Answer:
    return call(f"{url}/apart/_search{parameters}", {**body, "from": start, "size": size})


def without_scores(hits: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps({name: value for name, value in hit.items() if name != "_score"}) for hit in hits)


@pytest.mark.parametrize("parameters", ["", "?rest_total_hits_as_int=true&typed_keys=true"])
@pytest.mark.parametrize("name", SEARCHES)
def test_all_pages_hold_the_hits_of_the_clients_own_search(node, proxy, name, parameters) -> None:
    body = SEARCHES[name]
    direct = ask(node, body, 0, 100, parameters).json
    pages = [ask(proxy, body, start, 7, parameters) for start in range(0, PARENTS + 7, 7)]
    assert pages[0].headers["X-Rerank"] == "applied"
    assert pages[1].headers["X-Rerank"] == "applied"
    hits = [hit for page in pages for hit in page.json["hits"]["hits"]]
    assert without_scores(hits) == without_scores(direct["hits"]["hits"])
    scores = [hit["_score"] for hit in hits]
    assert scores == sorted(scores, reverse=True)
    for part in ("aggregations", "suggest"):
        assert pages[0].json.get(part) == direct.get(part)
    assert pages[0].json["hits"]["total"] == direct["hits"]["total"]


DERIVED = {
    "settings": {"index.derived_source.enabled": True, "number_of_shards": 1, "number_of_replicas": 0},
    "mappings": {
        "properties": {
            "title": {"type": "text", "store": True},
            "brand": {"type": "keyword"},
            "price": {"type": "double"},
        }
    },
}


@pytest.fixture(scope="module")
def derived(node: str) -> Iterator[str]:
    """An index that keeps no source and makes it of its other parts; Elasticsearch 7.17 has no such thing."""
    call(f"{node}/apart-derived", method="DELETE")
    made = call(f"{node}/apart-derived", DERIVED, method="PUT")
    if made.status == 400:
        pytest.skip("this engine has no synthetic source")
    draw = random.Random(4)
    lines: list[dict[str, Any]] = []
    for number in range(30):
        title = " ".join(draw.choices(WORDS, k=draw.randint(2, 6)))
        lines += [{"index": {"_id": str(number)}}, {"price": draw.randint(1, 9) / 2, "brand": "Acme", "title": title}]
    fill(node, "apart-derived", lines)
    yield "apart-derived"
    call(f"{node}/apart-derived", method="DELETE")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"_source": False},
        {"_source": {"excludes": ["title"]}},
        {"_source": ["price"], "fields": ["brand"]},
        {"highlight": {"fields": {"title": {}}}},
        {"stored_fields": "_none_"},
    ],
    ids=json.dumps,
)
def test_a_synthetic_source_is_read_and_comes_back_as_the_client_asked_for_it(node, proxy, derived, options) -> None:
    body = {"query": {"match": {"title": "red phone"}}, **options}
    direct = call(f"{node}/{derived}/_search", {**body, "size": 100}).json
    pages = [call(f"{proxy}/{derived}/_search", {**body, "from": start, "size": 7}) for start in range(0, 35, 7)]
    assert pages[0].headers["X-Rerank"] == "applied"
    hits = [hit for page in pages for hit in page.json["hits"]["hits"]]
    assert without_scores(hits) == without_scores(direct["hits"]["hits"])


def test_an_index_that_changes_between_window_and_page_is_searched_as_it_was(
    node, start_proxy_process, tmp_path
) -> None:
    """A node that forgets a hit between the two requests: the answer is that to the client's own search."""
    from recorder import Recorder

    hits = [
        {"_index": "apart", "_id": str(number), "_score": 9.0 - number, "_source": {"title": "red"}}
        for number in range(8)
    ]

    def answer(request: bytes) -> bytes:
        is_page = b'"post_filter"' in request
        found = {
            "took": 1,
            "timed_out": False,
            "_shards": {"total": 1, "failed": 0},
            "hits": {"total": 8, "hits": hits[: 2 if is_page else 8]},
        }
        body = json.dumps(found).encode()
        return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)

    recorder = Recorder(answer, requests_per_connection=100)
    configuration = {"upstream": {"urls": [recorder.url]}, "indices": {"apart": {"template": "{title}"}}}
    proxy = start_proxy_process(configuration).url
    given = ask(proxy, SEARCHES["highlight"], 0, 3)
    assert (given.headers["X-Rerank"], given.headers["X-Rerank-Reason"]) == ("fallback", "first_stage_failed")
    assert len(given.json["hits"]["hits"]) == 8  # as the node answered the client's own bytes
    window, page, own = recorder.requests[-3:]
    assert b"highlight" not in window
    assert b"highlight" in page
    assert own.endswith(json.dumps({**SEARCHES["highlight"], "from": 0, "size": 3}).encode())
    recorder.close()
