"""Paging where the copies of a shard disagree on the order of ties: over all pages every hit appears exactly once."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from http_call import call

pytestmark = pytest.mark.integration

INDEX = "paging-replicas"
COLOURS = ("red", "blue", "green", "black", "white")
N_DOCUMENTS = 120
WINDOW = 20
QUERIES = {
    "ties": {"constant_score": {"filter": {"match": {"title": "lamp"}}}},
    "match": {"match": {"title": "lamp red"}},
}


def write(url: str, lines: list[dict[str, Any]], *, refresh: bool) -> None:
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    answer = call(f"{url}/{INDEX}/_bulk?refresh={'true' if refresh else 'false'}", body, timeout=120)
    assert answer.status == 200
    assert not [item for item in answer.json["items"] if next(iter(item.values()))["status"] not in (200, 201, 404)]


def documents(numbers: list[int]) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for number in numbers:
        lines += [{"index": {"_id": str(number)}}, {"title": f"lamp {COLOURS[number % len(COLOURS)]}"}]
    return lines


def disturb(urls: list[str], seed: int) -> None:
    """Delete, write again and refresh from several clients at once, so that each copy has an order of its own."""
    draw = random.Random(seed)
    numbers = list(range(N_DOCUMENTS))
    draw.shuffle(numbers)
    write(urls[0], [{"delete": {"_id": str(number)}} for number in numbers[: N_DOCUMENTS // 3]], refresh=True)
    parts = [numbers[start::12] for start in range(12)]
    with ThreadPoolExecutor(6) as clients:
        for part in [
            clients.submit(write, urls[at % 2], documents(part), refresh=at % 4 == 0) for at, part in enumerate(parts)
        ]:
            part.result()


def ids(answer: Any) -> list[str]:
    assert answer.status == 200, answer.body
    assert answer.json["_shards"]["failed"] == 0
    return [hit["_id"] for hit in answer.json["hits"]["hits"]]


def orders_of_the_copies(urls: list[str]) -> list[list[str]]:
    """The direct order of ties by the copies on each node: both nodes have a copy of every shard."""
    body = {"query": QUERIES["ties"], "size": N_DOCUMENTS}
    nodes = call(f"{urls[0]}/_nodes/_all/none").json["nodes"]
    return [ids(call(f"{urls[0]}/{INDEX}/_search?preference=_only_nodes:{name}", body)) for name in sorted(nodes)]


@pytest.fixture(scope="module")
def urls(cluster_urls: list[str]) -> Iterator[list[str]]:
    """Both nodes, with an index whose copies differ in their order of ties and change no more."""
    settings = {"number_of_shards": 3, "number_of_replicas": 1, "refresh_interval": "-1"}
    mappings = {"properties": {"title": {"type": "text"}}}
    assert call(f"{cluster_urls[0]}/{INDEX}", {"settings": settings, "mappings": mappings}, method="PUT").status == 200
    health = f"{cluster_urls[0]}/_cluster/health/{INDEX}?wait_for_status=green&timeout=60s"
    assert call(health).json["status"] == "green"
    write(cluster_urls[0], documents(list(range(N_DOCUMENTS))), refresh=True)
    for seed in range(20):
        disturb(cluster_urls, seed)
        assert call(f"{cluster_urls[0]}/{INDEX}/_refresh", b"").json["_shards"]["failed"] == 0
        first, second = orders_of_the_copies(cluster_urls)
        if first != second:
            break
    wait_until_merged(cluster_urls[0])
    yield cluster_urls
    call(f"{cluster_urls[0]}/{INDEX}", method="DELETE")


def wait_until_merged(url: str) -> None:
    deadline = time.monotonic() + 60
    while call(f"{url}/{INDEX}/_stats/merge").json["_all"]["total"]["merges"]["current"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def proxy_url(start_proxy_process, tiny_model_folder, urls) -> str:
    configuration = {
        "upstream": {"urls": urls},
        "models": {"tiny": {"source": str(tiny_model_folder)}},
        "variants": {"default": {"model": "tiny", "window": WINDOW}},
        "indices": {"paging": {"patterns": [INDEX], "template": "{title}"}},
        "budget_ms": 60_000,
    }
    return str(start_proxy_process(configuration, wait_for="ready").url)


def pages(url: str, query: dict[str, Any], size: int, parameters: str = "") -> list[str]:
    """The ids of all pages, one after the other."""
    seen: list[str] = []
    for start in range(0, N_DOCUMENTS + size, size):
        seen += ids(call(f"{url}/{INDEX}/_search?from={start}&size={size}{parameters}", {"query": query}))
    return seen


def check(url: str, query: dict[str, Any], size: int, parameters: str = "") -> None:
    """Pages of one size hold every hit once, in the same order each time, whichever node answers."""
    runs = [pages(url, query, size, parameters) for _ in range(3)]
    for run in runs:
        assert sorted(run, key=int) == [str(number) for number in range(N_DOCUMENTS)]
    assert runs[0] == runs[1] == runs[2]


def test_the_copies_of_the_shards_do_differ_in_their_order_of_ties(urls):
    first, second = orders_of_the_copies(urls)
    assert sorted(first) == sorted(second)
    assert len(first) == N_DOCUMENTS
    assert first != second
    assert orders_of_the_copies(urls) == [first, second]


def test_pages_from_different_copies_do_not_agree(urls):
    first, second = orders_of_the_copies(urls)
    cut = next(place for place in range(N_DOCUMENTS) if first[place] != second[place]) + 1
    assert len({*first[:cut], *second[cut:]}) < N_DOCUMENTS


def test_searches_are_reranked_across_the_nodes(proxy_url):
    for query in QUERIES.values():
        answer = call(f"{proxy_url}/{INDEX}/_search", {"query": query, "size": WINDOW})
        assert answer.headers["X-Rerank"] == "applied", answer.headers.items()


@pytest.mark.parametrize("size", [7, WINDOW, 50])
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_pages_agree_where_the_client_names_a_preference(proxy_url, query, size):
    check(proxy_url, query, size, "&preference=shopper-17")


@pytest.mark.parametrize("size", [7, WINDOW, 50])
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_pages_agree_although_the_copies_do_not(proxy_url, query, size):
    check(proxy_url, query, size)
