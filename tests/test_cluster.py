"""What is behind us is found out in the background: no search waits for it, none fails of it, none changes by it."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time

import pytest
from recorder import Dummy, Recorder, read_message

from middleware.app import create_app
from middleware.cluster import UNKNOWN, Cluster, Product, parse_product
from middleware.config import Settings, UpstreamSettings
from middleware.errors import UpstreamError
from middleware.message import Request
from middleware.upstream import Upstream, read_all

VERSIONS = {
    "7": ({"version": {"number": "7.17.29", "build_flavor": "default"}, "tagline": "You Know, for Search"}, "7.17.29"),
    "8": ({"version": {"number": "8.14.0"}, "tagline": "You Know, for Search"}, "8.14.0"),
    "9": ({"version": {"number": "9.1.5-SNAPSHOT"}, "tagline": "You Know, for Search"}, "9.1.5"),
}
OPENSEARCH = {
    "version": {"distribution": "opensearch", "number": "3.8.0"},
    "tagline": "The OpenSearch Project: https://opensearch.org/",
}
DENIED = b'{"error":{"type":"security_exception","reason":"missing authentication credentials"},"status":401}'


def answer(body: object, status: str = "200 OK") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data


def node_of(body: object, status: str = "200 OK", port: int = 0) -> Recorder:
    """Closes each connection after one answer, so that a node that was closed answers none any more."""
    return Recorder(lambda _request: answer(body, status), port=port)


def cluster_at(*urls: str, **settings: int) -> Cluster:
    return Cluster(Upstream(UpstreamSettings(urls=urls, **settings)).forward)


def wait_for(condition, what: str = "") -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


def search(**headers: str) -> Request:
    return Request("GET", "/shop/_search", tuple(headers.items()))


def nothing(_request: Request) -> None:
    """Where a watched request goes."""


@pytest.mark.parametrize("name", VERSIONS)
def test_elasticsearch_tells_its_version(name):
    body, version = VERSIONS[name]
    node = node_of(body)
    cluster = cluster_at(node.url)
    cluster.look_again()
    wait_for(lambda: cluster.product.is_known)
    assert cluster.describe() == {"distribution": "elasticsearch", "version": version}
    assert cluster.product.has_retrievers == (name != "7")
    assert cluster.product.keeps_empty_under_exclusion == (name == "9")
    assert [request.split(b"\r\n")[0] for request in node.looks] == [b"GET / HTTP/1.1"]
    node.close()


def test_opensearch_tells_its_version_and_has_nothing_of_later_elasticsearch():
    node = node_of(OPENSEARCH)
    cluster = cluster_at(node.url)
    cluster.look_again()
    wait_for(lambda: cluster.product.is_known)
    assert cluster.product == Product("opensearch", (3, 8, 0))
    assert not cluster.product.has_retrievers
    assert cluster.product.keeps_empty_under_exclusion is False
    node.close()


def test_opensearch_that_poses_as_elasticsearch_is_known_by_its_tagline():
    posing = {"version": {"number": "7.10.2"}, "tagline": OPENSEARCH["tagline"]}
    assert parse_product(json.dumps(posing).encode()) == Product("opensearch", (7, 10, 2))


def test_serverless_elasticsearch_has_what_the_newest_has():
    product = parse_product(b'{"version":{"number":"8.11.0","build_flavor":"serverless"}}')
    assert product is not None
    assert product.has_retrievers
    assert product.keeps_empty_under_exclusion


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"hi",
        b"[]",
        b"null",
        b"{}",
        b'{"version":null}',
        b'{"version":"8.1.0"}',
        b'{"version":{"number":8}}',
        b'{"version":{"number":"8.1"}}',
        b'{"version":{"number":"99999.1.0"}}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_garbage_leaves_the_cluster_unknown(garbage):
    node = node_of(garbage)
    cluster = cluster_at(node.url)
    cluster.look_again()
    wait_for(lambda: cluster.describe()["reason"].startswith("GET / was answered with status 200"))
    assert cluster.product is UNKNOWN
    assert not cluster.product.has_retrievers
    assert cluster.product.keeps_empty_under_exclusion is None
    node.close()


def test_a_node_without_a_master_tells_its_version_all_the_same():
    node = node_of(VERSIONS["7"][0], "503 Service Unavailable")
    cluster = cluster_at(node.url)
    cluster.look_again()
    wait_for(lambda: cluster.product.is_known)
    node.close()


def test_where_strangers_are_refused_the_first_request_with_credentials_tells():
    def behave(request: bytes) -> bytes:
        known = b"\r\nauthorization: apikey abc==\r\n" in request.lower()
        return answer(VERSIONS["8"][0]) if known else answer(DENIED, "401 Unauthorized")

    node = Recorder(behave, requests_per_connection=1000)
    cluster = cluster_at(node.url)
    cluster.look_again()
    wait_for(lambda: "Authorization" in cluster.describe()["reason"])
    watched = cluster.with_each(nothing)
    watched(search())
    time.sleep(0.05)
    assert len(node.looks) == 1
    watched(search(authorization="ApiKey abc=="))
    wait_for(lambda: cluster.product.is_known)
    for _ in range(5):
        watched(search(authorization="ApiKey abc=="))
    time.sleep(0.05)
    assert len(node.looks) == 2
    node.close()


def test_credentials_that_may_not_see_the_version_do_not_set_off_a_look_each():
    node = node_of(DENIED, "403 Forbidden")
    cluster = cluster_at(node.url)
    cluster.look_again()
    wait_for(lambda: "Authorization" in cluster.describe()["reason"])
    watched = cluster.with_each(nothing)
    for _ in range(200):
        watched(search(authorization="Basic bm9ib2R5"))
        time.sleep(0.001)
    assert len(node.looks) == 2
    node.close()


def test_a_request_never_waits_for_the_product_and_never_fails_of_it():
    hold = threading.Event()

    def say_nothing(connection: socket.socket) -> None:
        read_message(connection)
        hold.wait(10)

    node = Dummy(say_nothing)
    cluster = cluster_at(node.url)
    started = time.monotonic()
    cluster.look_again()
    watched = cluster.with_each(lambda request: request.target)
    assert [watched(search(authorization="x")) for _ in range(50)] == ["/shop/_search"] * 50
    assert cluster.product is UNKNOWN
    assert time.monotonic() - started < 2
    assert node.accepted <= 1
    hold.set()
    node.close()


def test_a_bug_in_looking_ends_neither_the_request_nor_the_looking(caplog, monkeypatch):
    monkeypatch.setattr("middleware.cluster._FIRST_PAUSE_S", 0.0)
    asked = []

    def fail(request: Request) -> None:
        asked.append(request)
        raise ZeroDivisionError

    cluster = Cluster(fail)
    cluster.look_again()
    watched = cluster.with_each(lambda _request: "answered")
    wait_for(lambda: watched(search()) == "answered" and len(asked) >= 2)
    assert cluster.describe()["reason"] == "our own failure, see the log"


def test_a_look_that_failed_is_taken_again_by_a_later_request(monkeypatch):
    monkeypatch.setattr("middleware.cluster._FIRST_PAUSE_S", 0.05)
    node = node_of(b"starting", "503 Service Unavailable")
    cluster = cluster_at(node.url)
    cluster.look_again()
    wait_for(lambda: len(node.looks) == 1)
    node.answer = lambda _request: answer(VERSIONS["9"][0])
    watched = cluster.with_each(nothing)
    wait_for(lambda: watched(search()) or cluster.product.is_known)
    node.close()


def test_a_node_that_is_back_is_looked_at_again_and_only_a_change_is_logged(caplog):
    caplog.set_level(logging.INFO, "middleware.cluster")
    node = node_of(VERSIONS["7"][0])
    upstream = Upstream(UpstreamSettings(urls=(node.url,), retry_dead_node_ms=1))
    cluster = Cluster(Upstream(UpstreamSettings(urls=(node.url,), retry_dead_node_ms=1)).forward)
    upstream.call_when_back(cluster.look_again)

    def ask() -> bool:
        try:
            return read_all(upstream.forward(search()), 10_000) is not None
        except UpstreamError:
            return False

    cluster.look_again()
    wait_for(lambda: cluster.product.is_known)
    port = node.port
    for version, expected in (("7", (7, 17, 29)), ("8", (8, 14, 0))):
        node.close()
        wait_for(lambda: not ask())
        node = node_of(VERSIONS[version][0], port=port)
        wait_for(ask)
        wait_for(lambda expected=expected: cluster.product.version == expected)
        wait_for(lambda node=node: any(request.startswith(b"GET / ") for request in node.looks))
        assert ask()
    node.close()
    assert [record.getMessage() for record in caplog.records if record.name == "middleware.cluster"] == [
        "upstream is Elasticsearch 7.17.29",
        "upstream is Elasticsearch 8.14.0 (was Elasticsearch 7.17.29)",
    ]


def test_what_was_known_stays_known_while_the_node_is_away():
    node = node_of(VERSIONS["8"][0])
    cluster = cluster_at(node.url)
    cluster.look_again()
    wait_for(lambda: cluster.product.is_known)
    node.close()
    cluster.look_again()
    time.sleep(0.1)
    assert cluster.product.version == (8, 14, 0)


def test_a_cluster_whose_product_is_given_is_never_asked():
    cluster = Cluster(product=Product("opensearch", (2, 19, 0)))
    cluster.look_again()
    cluster.with_each(nothing)(search(authorization="x"))
    assert cluster.describe() == {"distribution": "opensearch", "version": "2.19.0"}


def health(app) -> dict:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/_rerank/health", "wsgi.url_scheme": "http"}
    environ |= {"SERVER_NAME": "us", "SERVER_PORT": "80", "wsgi.input": None}
    return json.loads(b"".join(app(environ, lambda *_: None)))


def test_health_shows_the_cluster_that_the_application_found():
    node = node_of(OPENSEARCH)
    settings = Settings(upstream=UpstreamSettings(urls=(node.url,)))
    app = create_app(settings)
    wait_for(lambda: health(app)["upstream"]["version"])
    told = health(app)
    assert told["status"] == "ok"
    assert told["upstream"] == {"distribution": "opensearch", "version": "3.8.0"}
    node.close()


def test_health_is_well_without_any_node_and_says_why_nothing_is_known():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = create_app(Settings(upstream=UpstreamSettings(urls=(url,))))
    wait_for(lambda: "cannot be reached" in health(app)["upstream"]["reason"])
    assert health(app)["status"] == "ok"


def test_a_cluster_brought_to_the_application_is_the_one_it_shows():
    brought = Cluster(product=Product("elasticsearch", (8, 19, 1)))
    app = create_app(Settings(), cluster=brought)
    assert health(app)["upstream"] == {"distribution": "elasticsearch", "version": "8.19.1"}
