"""Where a search leaves the usual path, the client gets what Elasticsearch itself would have answered."""

from __future__ import annotations

import json
import random
from urllib.parse import quote

import pytest
import urllib3
from http_call import Answer, call

from middleware.search.filter_path import filter_json, is_valid

pytestmark = pytest.mark.integration

WORDS = ("red", "blue", "phone", "case", "cable", "usb")
MATCH = {"query": {"match": {"title": "red phone"}}}
MAPPINGS = {
    "edge-plain": {},
    "edge-narrow": {"settings": {"max_result_window": 15}},
    "edge-sourceless": {"mappings": {"_source": {"enabled": False}, "properties": {"title": {"type": "text"}}}},
    "edge-odd": {"mappings": {"dynamic": False, "properties": {"title": {"type": "text"}}}},
}
ODD = (
    b'{"title":"red phone","o":{"x":1.0,"y":{"z":[1,2]},"e":{},"l":[]},"a.b":1,"m":[{"x":1},[3,{"x":4}],[],{}]}',
    b'{"title":"red","n":null,"o":[{"x":{"x":{"x":5}}}],"deep":{"title":{"a":1,"b":2}}}',
    b'{"title":"red \\ud800 phone","empty":{}}',
)


@pytest.fixture(scope="module")
def node(engine_url):
    draw = random.Random(5)
    for name, mapping in MAPPINGS.items():
        call(f"{engine_url}/{name}", method="DELETE")
        assert call(f"{engine_url}/{name}", mapping, method="PUT").status == 200
        titles = [json.dumps({"title": " ".join(draw.choices(WORDS, k=4))}).encode() for _ in range(30)]
        lines = [line for source in (ODD if name == "edge-odd" else titles) for line in (b'{"index":{}}', source)]
        assert call(f"{engine_url}/{name}/_bulk?refresh=true", b"\n".join((*lines, b""))).json["errors"] is False
    yield engine_url
    for name in MAPPINGS:
        call(f"{engine_url}/{name}", method="DELETE")


@pytest.fixture(scope="module")
def proxy(node, start_proxy_process, tiny_model_folder):
    configuration = {
        "upstream": {"urls": [node]},
        "server": {"max_search_bytes": 10_000},
        "models": {"tiny": {"source": str(tiny_model_folder)}},
        "variants": {"default": {"window": 20}},
        "indices": {"edge": {"patterns": ["edge-*"], "template": "{title}"}},
        "budget_ms": 30_000,
    }
    return start_proxy_process(configuration, wait_for="ready").url


def both(node: str, proxy: str, target: str, body: object = None, **options: object) -> tuple[Answer, Answer]:
    return call(node + target, body, **options), call(proxy + target, body, **options)


def outcome(answer: Answer) -> tuple[str | None, str | None]:
    return answer.headers["X-Rerank"], answer.headers["X-Rerank-Reason"]


@pytest.mark.parametrize(
    ("target", "body", "status"),
    [
        ("/edge-plain/_search", {**MATCH, "size": 10_001}, 400),
        ("/edge-plain/_search", {**MATCH, "from": 19, "size": 2**31 - 1}, 400),
        ("/edge-narrow/_search", {**MATCH, "size": 16}, 400),
        ("/edge-missing/_search", MATCH, 404),
        ("/edge-plain/_search", b'{"query":{"match":{"title":"red"}', 400),
        ("/edge-plain/_search", b'{"query":{"match":{"title":"red"}},"query":{}}', 400),
        ("/edge-plain/_search", b" ", 400),
        ("/edge-plain/_search", {"query": {"no_such_query": {}}}, 400),
        ("/edge-plain/_search", {**MATCH, "no_such_key": 1}, 400),
        ("/edge-plain/_search", {**MATCH, "from": None}, 400),
        ("/edge-plain/_search?from=", MATCH, 400),
        ("/edge-plain/_search?size=%zz", MATCH, 400),
        ("/edge-plain/_search?filter_path=-", MATCH, 400),
        ("/edge-plain/_search?no_such_parameter=1&filter_path=error.type", MATCH, 400),
        ("/edge-plain/_search", {**MATCH, "ext": {"no_such_plugin": {}}}, 400),
    ],
)
def test_elasticsearch_s_own_error_is_returned_byte_for_byte(node, proxy, target, body, status) -> None:
    expected, given = both(node, proxy, target, body)
    assert expected.status == status
    assert (given.status, given.body) == (expected.status, expected.body)
    assert given.headers["content-type"] == expected.headers["content-type"]


@pytest.mark.parametrize(
    ("target", "body"),
    [
        # the window of 20 is larger than the index allows
        ("/edge-narrow/_search", MATCH),
        # one index of two refuses the window, the other the added fields: parts of an answer are no answer
        ("/edge-plain,edge-narrow/_search", MATCH),
        ("/edge-plain,edge-sourceless/_search", {**MATCH, "_source": False}),
    ],
)
def test_a_first_stage_that_fails_where_the_client_s_search_does_not_falls_back(node, proxy, target, body) -> None:
    expected, given = both(node, proxy, target, body)
    assert expected.json["_shards"]["failed"] == 0
    assert outcome(given) == ("fallback", "first_stage_failed")
    assert given.status == 200
    assert {**given.json, "took": 0} == {**expected.json, "took": 0}


def test_an_index_without_source_keeps_elasticsearch_s_order(node, proxy) -> None:
    expected, given = both(node, proxy, "/edge-sourceless/_search", MATCH)
    assert outcome(given) == ("skipped", "no_document_text")
    assert given.json["hits"] == expected.json["hits"]


@pytest.mark.parametrize("headers", [{"Accept": "*/*"}, {"Accept": "application/json, text/plain;q=0.5"}, {}])
def test_a_search_in_the_url_alone_is_reranked(proxy, headers) -> None:
    target = f"{proxy}/edge-plain/_search?q=title:red%20phone;size=3"
    response = urllib3.request("GET", target, headers=headers, retries=False)
    assert (response.status, response.headers["X-Rerank"]) == (200, "applied")
    assert len(response.json()["hits"]["hits"]) == 3


def test_a_lone_surrogate_in_a_document_or_query_is_no_obstacle(proxy) -> None:
    body = b'{"query":{"match":{"title":"red \\udfff phone"}}}'
    answer = call(f"{proxy}/edge-odd/_search", body)
    assert outcome(answer) == ("applied", None)
    assert b'"red \\ud800 phone"' in answer.body


def test_ext_rerank_gives_the_query_text_and_never_reaches_elasticsearch(proxy) -> None:
    body = {"query": {"match_all": {}}, "ext": {"rerank": {"query_text": "blue usb cable"}}}
    for target, expected in (
        ("edge-plain", ("applied", None)),
        ("edge-plain,x-*", ("skipped", "index_not_configured")),
    ):
        answer = call(f"{proxy}/{target}/_search", body)
        assert (answer.status, *outcome(answer)) == (200, *expected)
    switched_off = call(f"{proxy}/edge-plain/_search", body, headers={"X-Rerank": "off"})
    assert (switched_off.status, *outcome(switched_off)) == (200, "skipped", "off")


@pytest.mark.parametrize(
    ("body", "headers", "named"),
    [
        ({"ext": {"rerank": {"query_text": ""}}}, {}, "ext.rerank.query_text"),
        ({"ext": {"rerank": {"query_txt": "red"}}}, {}, "query_txt"),
        (MATCH, {"X-Rerank-Budget-Ms": "-1"}, "X-Rerank-Budget-Ms"),
        (MATCH, {"X-Rerank-Budget-Ms": "soon"}, "X-Rerank-Budget-Ms"),
        (MATCH, {"X-Rerank-Budget-Ms": "9" * 5000}, "X-Rerank-Budget-Ms"),
        (MATCH, {"X-Rerank": "no-such-variant"}, "no-such-variant"),
    ],
)
def test_our_own_syntax_wrongly_used_is_a_400_in_elasticsearch_s_shape(proxy, body, headers, named) -> None:
    answer = call(f"{proxy}/edge-plain/_search", body, headers=headers)
    assert answer.status == answer.json["status"] == 400
    assert answer.json["error"]["type"] == "illegal_argument_exception"
    assert named in answer.json["error"]["reason"]
    assert answer.json["error"]["root_cause"][0]["reason"] == answer.json["error"]["reason"]


def test_a_body_larger_than_the_limit_passes_through(node, proxy) -> None:
    body = {**MATCH, "post_filter": {"terms": {"title.keyword": ["x" * 100] * 200}}, "stats": ["y"]}
    expected, given = both(node, proxy, "/edge-plain/_search", body)
    assert outcome(given) == ("skipped", "body_too_large")
    assert given.json["hits"] == expected.json["hits"]


def test_a_document_too_deep_for_our_filter_is_answered_by_elasticsearch(node, proxy) -> None:
    source = b'{"title":"unfathomable","deep":' + b'{"d":' * 600 + b"1" + b"}" * 600 + b"}"
    assert call(f"{node}/edge-odd/_doc/deep?refresh=true", source, method="PUT").status == 201
    search = {"query": {"match": {"title": "unfathomable"}}}
    expected, given = both(node, proxy, "/edge-odd/_search?filter_path=hits.hits._source.**.t", search)
    assert call(f"{node}/edge-odd/_doc/deep?refresh=true", method="DELETE").status == 200
    assert (given.status, given.body) == (expected.status, expected.body)


NAMES = (
    "hits", "hits", "hits", "_source", "title", "o", "x", "y", "z", "m", "_id", "_score", "total", "value", "*", "**",
    "*", "**", "_*", "t*", "*s", "h*ts", "a", "b", "a\\.b", "e", "l", "n", "deep", "empty", "took", "_shards", "*o*",
    "", "x*x",
)  # fmt: skip
PREFIXES = (
    "hits.hits",
    "hits",
    "**",
    "hits.hits._source",
    "hits.hits._source.o",
    "hits.hits._source.m",
    "hits.*._source",
)


def draw_pattern(draw: random.Random) -> str:
    path = [draw.choice(PREFIXES)] if draw.random() < 0.6 else []
    path += draw.choices(NAMES, k=draw.choice((1, 1, 2, 3)))
    return ("-" if draw.random() < 0.3 else "") + ".".join(path)


def test_filter_path_leaves_what_elasticsearch_leaves(node) -> None:
    """The embedded node is older than 8.15; newer ones keep empty objects and lists below an exclusion."""
    draw = random.Random(11)
    version = tuple(int(part) for part in call(node).json["version"]["number"].split(".")[:2])
    target = f"{node}/edge-odd/_search"
    whole = {words: call(target, {"query": {"match": {"title": words}}}).body.decode() for words in ("red", "nothing")}
    for _ in range(150):
        filter_path = ",".join(draw_pattern(draw) for _ in range(draw.choice((1, 1, 2, 3))))
        if not is_valid(filter_path) or (version >= (8, 15) and "-" in filter_path):
            continue
        for words, text in whole.items():
            body = {"query": {"match": {"title": words}}}
            expected = call(f"{target}?filter_path={quote(filter_path, safe='')}", body).json
            if expected.get("status") == 400:
                continue
            filtered = json.loads(filter_json(text, filter_path))
            assert {**filtered, "took": "took" in filtered} == {**expected, "took": "took" in expected}, filter_path
