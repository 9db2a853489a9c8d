"""A budget that ends within the window: the head of it is reranked, and all pages of the search agree on that."""

from __future__ import annotations

import json
import uuid

import pytest
from http_call import call

pytestmark = pytest.mark.integration

DOCUMENTS = 300
WORDS = ("red", "blue", "green", "leather", "running", "usb", "cable", "pro", "max", "iphone")


@pytest.fixture(scope="module")
def index(engine_url):
    name = f"budget-{uuid.uuid4().hex[:8]}"
    lines = []
    for number in range(DOCUMENTS):
        title = "case " * (1 + number % 7) + " ".join(WORDS[(number * step) % 10] for step in range(1, 40))
        lines += [json.dumps({"index": {"_id": str(number)}}), json.dumps({"title": title})]
    assert call(f"{engine_url}/{name}/_bulk?refresh=true", "\n".join([*lines, ""]).encode()).json["errors"] is False
    yield name
    call(f"{engine_url}/{name}", method="DELETE")


@pytest.fixture(scope="module")
def proxy(start_proxy_process, engine_url, tiny_model_folder):
    configuration = {
        "upstream": {"urls": [engine_url]},
        "models": {"tiny": {"source": str(tiny_model_folder), "backend": "torch", "batch_tokens": 64}},
        "variants": {"default": {"model": "tiny", "window": DOCUMENTS}},
        "indices": {"budget": {"patterns": ["budget-*"], "template": "{title}"}},
    }
    return start_proxy_process(configuration, wait_for="ready").url


def ask(proxy, index, text, budget_ms, **page):
    body = {"query": {"match": {"title": "case"}}, "ext": {"rerank": {"query_text": text}}, **page}
    return call(f"{proxy}/{index}/_search", body, {"X-Rerank-Budget-Ms": str(budget_ms)})


def cut_short(proxy, index):
    """A query text and the first page of its search, of which a part of the window was reranked."""
    for attempt in range(100):
        text = f"red phone {attempt}"  # each its own: scores are remembered
        answer = ask(proxy, index, text, 3 + attempt % 20 + 5 * (attempt // 2), size=70)
        if answer.headers["X-Rerank"] == "applied" and int(answer.headers["X-Rerank-Window"]) < DOCUMENTS:
            return text, answer
    raise AssertionError("no budget ended within the window")


def test_the_pages_of_a_search_that_the_budget_cut_short_agree(proxy, index) -> None:
    text, first = cut_short(proxy, index)
    pages = [
        first,
        *(ask(proxy, index, text, 60_000, size=70, **{"from": start}) for start in range(70, DOCUMENTS, 70)),
    ]
    assert {page.headers["X-Rerank-Window"] for page in pages} == {first.headers["X-Rerank-Window"]}
    hits = [hit for page in pages for hit in page.json["hits"]["hits"]]
    assert sorted(int(hit["_id"]) for hit in hits) == list(range(DOCUMENTS))
    scores = [hit["_score"] for hit in hits]
    assert scores == sorted(scores, reverse=True)
    known = int(first.headers["X-Rerank-Window"])
    plain = call(
        f"{proxy}/{index}/_search", {"query": {"match": {"title": "case"}}, "size": DOCUMENTS}, {"X-Rerank": "off"}
    )
    expected = [hit["_id"] for hit in plain.json["hits"]["hits"]]
    assert {hit["_id"] for hit in hits[:known]} == set(expected[:known])
    assert [hit["_id"] for hit in hits[known:]] == expected[known:]
