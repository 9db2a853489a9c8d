"""`_msearch`: every search has a plan, an outcome and an error of its own; else the answer is the node's."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from http_call import Answer, call, fill, ndjson

pytestmark = pytest.mark.integration

WORDS = ("red", "blue", "phone", "case", "cable", "usb")
MATCH = {"query": {"match": {"title": "red phone"}}}
INDICES = {"many-a": {}, "many-narrow": {"settings": {"max_result_window": 15}}, "many-other": {}}
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture(scope="module")
def node(engine_url: str) -> Iterator[str]:
    draw = random.Random(8)
    for name, settings in INDICES.items():
        call(f"{engine_url}/{name}", method="DELETE")
        assert call(f"{engine_url}/{name}", settings, method="PUT").status == 200
        titles = [" ".join(draw.choices(WORDS, k=draw.randint(2, 6))) for _ in range(30)]
        lines = [line for title in titles for line in ({"index": {}}, {"title": title})]
        fill(engine_url, name, lines)
    yield engine_url
    for name in INDICES:
        call(f"{engine_url}/{name}", method="DELETE")


@pytest.fixture(scope="module")
def proxy(node: str, start_proxy_process: Any, tiny_model_folder: Any) -> str:
    configuration = {
        "upstream": {"urls": [node]},
        "models": {"tiny": {"source": str(tiny_model_folder)}},
        "variants": {"default": {"window": 20}},
        "indices": {"many": {"patterns": ["many-a", "many-narrow"], "template": "{title}"}},
        "budget_ms": 30_000,
    }
    return str(start_proxy_process(configuration, wait_for="ready").url)


def ask(url: str, *lines: dict[str, Any], target: str = "/_msearch", **headers: str) -> Answer:
    return call(url + target, ndjson(lines), headers={**NDJSON, **headers})


def names(response: dict[str, Any]) -> list[str]:
    return [hit["_id"] for hit in response["hits"]["hits"]]


def without_order(response: dict[str, Any]) -> Any:
    """A response without what reranking changes."""
    outer = {name: value for name, value in response.items() if name != "took"}
    if "hits" in outer:
        hits = [{name: value for name, value in hit.items() if name != "_score"} for hit in outer["hits"]["hits"]]
        outer["hits"] = {**outer["hits"], "max_score": 0, "hits": sorted(hits, key=lambda hit: hit["_id"])}
    return outer


SEARCHES = (
    ({"index": "many-a"}, {**MATCH, "size": 30}),
    ({"index": ["many-a"]}, {**MATCH, "sort": ["_doc"]}),
    ({"index": "many-other"}, MATCH),
    ({"index": "many-missing"}, MATCH),
    ({}, {**MATCH, "size": 0}),
    ({"index": "many-narrow"}, {**MATCH, "size": 10}),
    ({"index": "many-a"}, {"query": {"match": {"title": "nothing like it"}}}),
    (
        {"index": "many-a", "preference": "mine"},
        {**MATCH, "size": 30, "highlight": {"fields": {"title": {}}}, "from": 0},
    ),
    ({"index": "many-a"}, {**MATCH, "size": 5, "highlight": {"fields": {"title": {}}}}),
)


def test_each_search_has_its_own_outcome(node, proxy) -> None:
    lines = [line for pair in SEARCHES for line in pair]
    direct, given = ask(node, *lines, target="/many-a/_msearch"), ask(proxy, *lines, target="/many-a/_msearch")
    assert given.headers["X-Rerank"] == "applied"
    assert given.headers["X-Rerank-Reason"] == "sort, index_not_configured, size_0, first_stage_failed, no_hits"
    assert given.headers["X-Rerank-Window"].startswith("20, 0, 0, 0, 0, 0, 0, 20")
    ours, theirs = given.json["responses"], direct.json["responses"]
    assert [without_order(each) for each in ours[:8]] == [without_order(each) for each in theirs[:8]]
    assert names(ours[0]) != names(theirs[0])
    assert names(ours[8]) == names(ours[0])[:5]
    assert all("highlight" in hit for hit in ours[8]["hits"]["hits"])
    for place in (1, 2, 3, 4, 5, 6):
        assert {**ours[place], "took": 0} == {**theirs[place], "took": 0}


def test_a_search_is_ranked_like_its_own_request(proxy) -> None:
    alone = call(f"{proxy}/many-a/_search", {**MATCH, "size": 20}).json
    (among,) = ask(proxy, {"index": "many-a"}, {**MATCH, "size": 20}).json["responses"]
    assert names(among) == names(alone)
    assert [hit["_score"] for hit in among["hits"]["hits"]] == [hit["_score"] for hit in alone["hits"]["hits"]]


def test_pages_of_a_search_agree_also_beyond_the_window(node, proxy) -> None:
    seen = []
    for start in range(0, 40, 7):
        (page,) = ask(proxy, {"index": "many-a"}, {**MATCH, "from": start, "size": 7}).json["responses"]
        seen += names(page)
    (whole,) = ask(node, {"index": "many-a"}, {**MATCH, "size": 30}).json["responses"]
    assert sorted(seen) == sorted(names(whole))


@pytest.mark.parametrize(
    "filter_path", ["responses.hits.hits._id", "took,responses.status", "-responses.hits.hits._source", "**._score"]
)
def test_filter_path_is_that_of_the_whole_answer(node, proxy, filter_path) -> None:
    target = f"/_msearch?filter_path={filter_path}"
    lines = [*SEARCHES[0], *SEARCHES[3]]
    direct, given = ask(node, *lines, target=target).json, ask(proxy, *lines, target=target).json
    assert set(direct) == set(given)
    shapes = [[sorted(each) for each in answer.get("responses", [])] for answer in (direct, given)]
    assert shapes[0] == shapes[1]
    hits = [
        [len(each.get("hits", {}).get("hits", [])) for each in answer.get("responses", [])]
        for answer in (direct, given)
    ]
    assert hits[0] == hits[1]


def test_our_own_syntax_goes_no_further_and_the_rest_as_it_is(proxy) -> None:
    own = {**MATCH, "ext": {"rerank": {"query_text": "usb cable"}}}
    given = ask(proxy, {"index": "many-a"}, own, {"index": "many-other"}, own)
    assert [response["status"] for response in given.json["responses"]] == [200, 200]
    off = ask(proxy, {"index": "many-a"}, own, {"index": "many-other"}, own, **{"X-Rerank": "off"})
    assert [response["status"] for response in off.json["responses"]] == [200, 200]
    assert (off.headers["X-Rerank"], off.headers["X-Rerank-Reason"]) == ("skipped", "off")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"{}\n",
        b'{"index":"many-a"}\n{"query":{"match":{"title":"red"}}}',
        b"{}\n[]\n",
        b'{"nope":1}\n{}\n',
        b"{}{}\n{}\n",
    ],
)
def test_what_we_do_not_read_is_left_to_the_node(node, proxy, data) -> None:
    direct, given = (call(f"{url}/many-a/_msearch", data, headers=NDJSON) for url in (node, proxy))
    bodies = [re.sub(rb'"took":\d+', b"", answer.body) for answer in (given, direct)]
    assert (given.status, bodies[0]) == (direct.status, bodies[1])
    assert given.headers["X-Rerank"] == "skipped"


def test_a_failing_model_leaves_every_search_in_the_nodes_order(node, start_proxy_process, tmp_path) -> None:
    configuration = {
        "upstream": {"urls": [node]},
        "models": {"broken": {"source": "no-such/model"}},
        "indices": {"many": {"patterns": ["many-*"], "template": "{title}"}},
    }
    broken = start_proxy_process(configuration).url
    lines = [line for pair in SEARCHES[:2] for line in pair]
    direct, given = ask(node, *lines), ask(broken, *lines)
    assert (given.headers["X-Rerank"], given.headers["X-Rerank-Reason"]) == ("fallback", "model_unavailable, sort")
    assert [names(each) for each in given.json["responses"]] == [names(each) for each in direct.json["responses"]]
