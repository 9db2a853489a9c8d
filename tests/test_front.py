"""The application over WSGI with a fake cluster and fake models: the doors, and every failure of a model."""

from __future__ import annotations

import io
import json

import pytest

from middleware.app import create_app
from middleware.config import Settings
from middleware.errors import (
    BackendError,
    DeadlineExceeded,
    ModelUnavailable,
    Overloaded,
    UpstreamError,
    UpstreamTimeout,
)
from middleware.front import RAW_HEADERS, read_request
from middleware.message import Response, json_response

HITS = [
    {"_index": "products", "_id": str(number), "_score": 9.0 - number, "_source": {"title": f"shoe {number}"}}
    for number in range(5)
]
FOUND = {
    "took": 1,
    "timed_out": False,
    "hits": {"total": {"value": 5, "relation": "eq"}, "max_score": 9.0, "hits": HITS},
}


class FakeUpstream:
    """Answers every search with the same hits, everything else with `hi`; or raises `error`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.forwarded: list[str] = []
        self.searched: list[bytes] = []

    def forward(self, request, *, safe=False):
        if self.error:
            raise self.error
        self.forwarded.append(f"{request.method} {request.target}")
        return Response(200, (("content-length", "2"),), (b"hi",))

    def search(self, request, target, body, own_headers):
        if self.error:
            raise self.error
        self.searched.append(body)
        return json_response(FOUND)


class FakeEngine:
    """An engine whose `score` does as told."""

    ready, error, name, depth, since = True, None, "fake", None, 0.0

    def __init__(self, score) -> None:
        self._score = score

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def score_many(self, queries, *, budget_ms):
        return [self._score(document_texts) for _, document_texts in queries]


def ask(app, path="/products/_search", body=None, method="POST", **headers) -> tuple[int, dict[str, str], bytes]:
    data = json.dumps(body or {"query": {"match": {"title": "shoe"}}, "size": 3}).encode() if method == "POST" else b""
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "RAW_URI": path,
        "SERVER_NAME": "test",
        "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(data),
        "wsgi.url_scheme": "http",
        "CONTENT_TYPE": "application/json",
        **({"CONTENT_LENGTH": str(len(data))} if data else {}),
        **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
    }
    seen = []
    answer = b"".join(app(environ, lambda status, headers, exc_info=None: seen.append((status, headers))))
    status, answered = seen[0]
    return int(status[:3]), dict(answered), answer


def make_app(score=None, upstream=None):
    settings = Settings() if score is None else Settings(models={"fake": {"source": "org/fake"}})
    return create_app(settings, upstream=upstream or FakeUpstream(), make_engine=lambda _: FakeEngine(score))


def raising(error):
    def score(_texts):
        raise error

    return score


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        (raising(ModelUnavailable("x")), "model_unavailable"),
        (raising(Overloaded("x")), "overloaded"),
        (raising(DeadlineExceeded("x")), "deadline_exceeded"),
        (raising(BackendError("x")), "backend_error"),
        (raising(ZeroDivisionError("a bug of ours")), "rerank_failed"),
        (lambda texts: [[0.5]], "rerank_failed"),
        (None, "no_model"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whatever_the_model_does_the_search_is_answered_in_elasticsearchs_order(score, reason):
    status, headers, body = ask(make_app(score))
    assert (status, headers["X-Rerank"], headers["X-Rerank-Reason"]) == (200, "fallback", reason)
    assert [hit["_id"] for hit in json.loads(body)["hits"]["hits"]] == ["0", "1", "2"]
    assert int(headers["content-length"]) == len(body)


@pytest.mark.parametrize(
    ("error", "status"), [(UpstreamError("no node"), 502), (UpstreamTimeout("silent"), 504)], ids=["down", "silent"]
)
@pytest.mark.parametrize("path", ["/products/_search", "/_cluster/health", "/products/_doc/1"])
def test_a_cluster_that_fails_is_an_error_in_elasticsearchs_shape(error, status, path):
    answered, headers, body = ask(make_app(upstream=FakeUpstream(error)), path)
    shown = json.loads(body)
    assert (answered, shown["status"], shown["error"]["reason"]) == (status, status, str(error))
    assert shown["error"]["root_cause"] == [{"type": error.error_type, "reason": str(error)}]
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "door"),
    [
        ("GET", "/", "forward"),
        ("POST", "/products/_doc", "forward"),
        ("GET", "/_reranked/x", "forward"),
        ("PUT", "/products/_search", "forward"),
        ("POST", "/products/_search", "search"),
        ("GET", "/_rerank/health", "ours"),
        ("GET", "/_rerank", "ours"),
    ],
)
def test_each_request_takes_its_door(method, path, door):
    upstream = FakeUpstream()
    ask(make_app(upstream=upstream), path, method=method)
    assert bool(upstream.forwarded) == (door == "forward")
    assert bool(upstream.searched) == (door == "search")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/_rerank/nope", 404), ("DELETE", "/_rerank/health", 405)]
)
def test_an_address_of_ours_that_is_not_there_is_an_error_in_elasticsearchs_shape(method, path, status):
    answered, _, body = ask(make_app(), path, method=method)
    assert answered == status
    assert json.loads(body)["error"]["root_cause"]


def test_under_another_server_the_request_is_rebuilt_as_far_as_wsgi_allows():
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/a b/手机".encode().decode("latin-1"),
        "QUERY_STRING": "x=1&x=2",
        "HTTP_X_RERANK": "off",
        "CONTENT_LENGTH": "3",
        "wsgi.input": io.BytesIO(b"abc"),
    }
    request = read_request(environ)
    assert request.target == "/a%20b/%E6%89%8B%E6%9C%BA?x=1&x=2"
    assert request.header("x-rerank") == "off"
    assert (request.has_body, request.length, request.started(10).body) == (True, 3, b"abc")


def test_raw_headers_of_our_server_are_taken_as_they_are():
    raw = [("X-A", "1"), ("x-a", "2")]
    request = read_request({"REQUEST_METHOD": "GET", "RAW_URI": "/%2F", RAW_HEADERS: raw, "HTTP_X_A": "1,2"})
    assert (request.headers, request.target, request.has_body) == (tuple(raw), "/%2F", False)


def test_a_model_that_runs_elsewhere_is_waited_for_no_longer_than_the_budget():
    remote = {"servers": ["http://127.0.0.1:9"], "timeout_ms": 5000}
    models = {"far": {"source": "org/far", "remote": remote}, "near": {"source": "org/near"}}
    seen = {}

    def make_engine(model):
        seen[model.source] = model.remote and model.remote.timeout_ms
        return FakeEngine(None)

    create_app(Settings(models=models, budget_ms=300), upstream=FakeUpstream(), make_engine=make_engine)
    assert seen == {"org/far": 300, "org/near": None}
