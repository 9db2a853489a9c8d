"""Nodes that are down, silent or gone, and clients that break off: each request ends, and the next one is served."""

from __future__ import annotations

import shutil
import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from http_call import call
from recorder import OK, Dummy, Recorder, exchange, read_message

pytestmark = pytest.mark.integration

GET = b"GET /x HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"
KEPT = 8 + 1  # one connection a thread, and the one that asked what cluster is behind us
ENDLESS_HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n"


def wait_for(condition, what: str, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def behave(connection: socket.socket) -> None:
    """A node with two oddities: it never answers /silent, and never ends its answer to /endless."""
    while True:
        request = read_message(connection)
        if request.startswith(b"GET /silent "):
            connection.recv(1)
        elif request.startswith(b"GET /endless "):
            connection.sendall(ENDLESS_HEAD)
            while True:
                connection.sendall(b"x" * 65536)
        else:
            connection.sendall(OK)


@pytest.fixture(scope="module")
def node():
    node = Dummy(behave)
    yield node
    node.close()


@pytest.fixture(scope="module")
def proxy(node, start_proxy_process):
    return start_proxy_process({"upstream": {"urls": [node.url], "read_timeout_ms": 500}, "server": {"threads": 8}})


def test_a_node_that_never_answers_is_a_504_in_elasticsearchs_shape(proxy):
    answer = call(f"{proxy.url}/silent")
    assert (answer.status, answer.json["status"]) == (504, 504)
    assert answer.json["error"]["type"] == "upstream_timeout_exception"
    assert answer.json["error"]["root_cause"][0]["reason"] == answer.json["error"]["reason"]


def test_a_client_that_breaks_off_its_upload_leaves_nothing_behind(proxy, node):
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(b"POST /_bulk HTTP/1.1\r\nHost: shop\r\nContent-Length: 100000\r\n\r\n{}")
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(
                b"POST /_bulk HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n9\r\nwo"
            )
    with ThreadPoolExecutor(8) as clients:
        assert all(clients.map(lambda _: exchange(proxy.port, GET).endswith(b"hi"), range(40)))
    wait_for(lambda: node.open <= KEPT, f"{node.open} connections are still open at the node")


def test_clients_that_go_away_while_a_large_answer_streams_leave_nothing_behind(proxy, node):
    def leave_early(_: int) -> bytes:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as client:
            client.sendall(b"GET /endless HTTP/1.1\r\nHost: shop\r\n\r\n")
            return client.recv(12)

    with ThreadPoolExecutor(8) as clients:
        assert set(clients.map(leave_early, range(200))) == {b"HTTP/1.1 200"}
    with ThreadPoolExecutor(8) as clients:
        assert all(clients.map(lambda _: exchange(proxy.port, GET).endswith(b"hi"), range(40)))
    wait_for(lambda: node.open <= KEPT, f"{node.open} connections are still open at the node")


def test_a_node_that_dies_while_requests_come_in_fails_none_of_them(start_proxy_process):
    dying, staying = Recorder(requests_per_connection=1), Recorder(requests_per_connection=10**6)
    proxy = start_proxy_process({"upstream": {"urls": [dying.url, staying.url]}})

    def ask(number: int) -> int:
        if number == 150:
            dying.close()
        return call(f"{proxy.url}/{number}").status

    with ThreadPoolExecutor(8) as clients:
        assert set(clients.map(ask, range(400))) == {200}
    assert dying.requests
    assert len(staying.requests) >= 250
    staying.close()


def test_a_post_on_a_connection_that_breaks_is_sent_once_and_answered_502(start_proxy_process):
    arrived: list[bytes] = []
    node = Dummy(lambda connection: arrived.append(read_message(connection)))
    proxy = start_proxy_process({"upstream": {"urls": [node.url]}})
    answer = call(f"{proxy.url}/i/_doc", {"a": 1})
    assert (answer.status, answer.json["error"]["type"]) == (502, "upstream_unavailable_exception")
    assert sum(request.startswith(b"POST ") for request in arrived) == 1
    node.close()


def test_a_node_that_goes_away_is_a_502_and_is_found_again_when_it_returns(start_proxy_process):
    node = Recorder()
    proxy = start_proxy_process({"upstream": {"urls": [node.url]}})
    assert call(f"{proxy.url}/x").status == 200
    node.close()
    for path in ("x", "products/_search?q=shoe"):
        answer = call(f"{proxy.url}/{path}")
        assert (answer.status, answer.json["status"]) == (502, 502)
        assert "Connection refused" in answer.json["error"]["reason"]
    returned = Recorder(port=node.port)
    assert call(f"{proxy.url}/x").status == 200
    returned.close()


@pytest.mark.slow
def test_an_elasticsearch_that_goes_down_is_a_502_and_is_found_again_when_it_returns(start_proxy_process):
    from middleware.nodes.launch import start_node

    data = Path("/var/tmp") / f"es-rerank-test-{uuid.uuid4().hex}"
    try:
        with start_node("elasticsearch", data_dir=data, heap="384m", die_with_us=True, quiet=True) as node:
            proxy = start_proxy_process({"upstream": {"urls": [node.url]}})
            search = f"{proxy.url}/transport-down/_search?q=title:shoe"
            assert call(f"{proxy.url}/transport-down/_doc/1?refresh=true", {"title": "shoe"}).status == 201
            assert len(call(search).json["hits"]["hits"]) == 1
        for url in (search, f"{proxy.url}/_cluster/health", f"{proxy.url}/transport-down/_doc/1"):
            answer = call(url)
            assert (answer.status, answer.json["status"]) == (502, 502)
            assert answer.json["error"]["type"] == "upstream_unavailable_exception"
            assert "cannot be reached" in answer.json["error"]["reason"]
        with start_node("elasticsearch", node.port, data_dir=data, heap="384m", die_with_us=True, quiet=True):
            wait_for(lambda: call(search).status == 200, "the search does not work again", 60)
            assert call(search).json["hits"]["hits"][0]["_source"] == {"title": "shoe"}
    finally:
        shutil.rmtree(data, ignore_errors=True)
