"""Whatever is wrong with the model, a search is answered with Elasticsearch's order, and says why."""

from __future__ import annotations

import json
import shutil
import urllib.request
import uuid

import pytest
from http_call import call

pytestmark = pytest.mark.integration

SEARCH = {"query": {"match": {"title": "iphone case"}}, "size": 8}


@pytest.fixture(scope="module")
def index(engine_url):
    name = f"transport-failures-{uuid.uuid4().hex[:8]}"
    lines = []
    for number in range(30):
        title = f"{['iphone', 'phone', 'usb'][number % 3]} case {'pro ' * (number % 4)}"
        lines += [json.dumps({"index": {"_id": str(number)}}), json.dumps({"title": title})]
    assert call(f"{engine_url}/{name}/_bulk?refresh=true", "\n".join([*lines, ""]).encode()).json["errors"] is False
    yield name
    urllib.request.urlopen(urllib.request.Request(f"{engine_url}/{name}", method="DELETE")).close()


@pytest.fixture(scope="module")
def proxy(start_proxy_process, engine_url, tiny_model_folder, tmp_path_factory):
    corrupt = tmp_path_factory.mktemp("models") / "corrupt"
    shutil.copytree(tiny_model_folder, corrupt)
    (corrupt / "model.safetensors").write_bytes(b"\xff" * 1000)
    configuration = {
        "upstream": {"urls": [engine_url]},
        "models": {
            "tiny": {"source": str(tiny_model_folder)},
            "corrupt": {"source": str(corrupt)},
            "hub": {"source": "nobody/no-such-model"},
        },
        "variants": {name: {"model": name} for name in ("tiny", "corrupt", "hub")},
        "default_variant": "tiny",
        "indices": {"failures": {"patterns": ["transport-failures-*"], "template": "{title}"}},
        "budget_ms": 30_000,
    }
    proxy = start_proxy_process(configuration)
    proxy.wait_for_model("tiny")
    return proxy


def ids(answer) -> list[str]:
    return [hit["_id"] for hit in answer.json["hits"]["hits"]]


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"X-Rerank": "corrupt"}, "model_unavailable"),
        ({"X-Rerank": "hub"}, "model_unavailable"),
        ({"X-Rerank": "tiny", "X-Rerank-Budget-Ms": "1"}, "deadline_exceeded"),
    ],
)
def test_a_failing_second_stage_leaves_elasticsearchs_order(proxy, engine_url, index, headers, reason):
    answer = call(f"{proxy.url}/{index}/_search", SEARCH, headers)
    assert (answer.status, answer.headers["X-Rerank"], answer.headers["X-Rerank-Reason"]) == (200, "fallback", reason)
    assert ids(answer) == ids(call(f"{engine_url}/{index}/_search", SEARCH))


def test_the_same_search_with_a_model_is_reranked(proxy, index):
    answer = call(f"{proxy.url}/{index}/_search", SEARCH, {"X-Rerank": "tiny"})
    assert (answer.status, answer.headers["X-Rerank"]) == (200, "applied")


def test_readiness_names_the_models_that_are_missing_and_why(proxy):
    answer = call(f"{proxy.url}/_rerank/ready")
    assert answer.status == 503
    models = answer.json["models"]
    assert models["tiny"]["ready"]
    assert not models["corrupt"]["ready"]
    assert call(f"{proxy.url}/_rerank/health").status == 200


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"X-Rerank": "bogus"}, "bogus"),
        ({"X-Rerank-Budget-Ms": "soon"}, "soon"),
        ({"X-Rerank-Budget-Ms": "-1"}, "-1"),
        ({"X-Rerank-Budget-Ms": "9" * 5000}, "X-Rerank-Budget-Ms"),
    ],
)
def test_a_wrong_header_of_ours_is_a_400_that_names_it(proxy, index, headers, named):
    answer = call(f"{proxy.url}/{index}/_search", SEARCH, headers)
    assert (answer.status, answer.json["error"]["type"]) == (400, "illegal_argument_exception")
    assert named in answer.json["error"]["reason"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"query":',
        b"[]",
        b"\xff\xfe",
        b'{"query":{"nope":{}}}',
        b'{"size":-5}',
        b'{"size":99999999999999}',
        b'{"query":{"match":{"title":"a"}},"size":9000000}',
        b'{"query":{"match":{"title":"a"}},"from":20000}',
        b'{"a":' * 5000,
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_search_that_elasticsearch_refuses_is_refused_in_its_own_words(proxy, engine_url, index, body):
    ours = call(f"{proxy.url}/{index}/_search", body)
    theirs = call(f"{engine_url}/{index}/_search", body)
    assert (ours.status, ours.json) == (theirs.status, theirs.json)
    assert ours.status in (400, 500)


def test_no_answer_and_no_log_line_of_a_refused_search_holds_a_stack_trace(proxy):
    assert "Traceback" not in proxy.log.read_text()
