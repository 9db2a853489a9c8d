"""A client that stalls is told so and let go, wherever it stalls, and holds up nobody else."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_call import call
from recorder import Dummy, Recorder

pytestmark = pytest.mark.integration

TIMEOUT_S = 1
THREADS = 4
LARGE = 64 * 1024 * 1024


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.close()


@pytest.fixture(scope="module")
def proxy(recorder, start_proxy_process):
    server = {"threads": THREADS, "client_timeout_s": TIMEOUT_S}
    return start_proxy_process({"upstream": {"urls": [recorder.url]}, "server": server})


def stall(port: int, sent: bytes) -> tuple[bytes, float]:
    """Send and then only listen; what came until the other side closed, and the seconds that took."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(sent)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    return received, time.monotonic() - started


@pytest.mark.parametrize(
    "sent",
    [
        b"GE",
        b"GET /x HTTP/1.1\r\nHost: shop\r\n",
        b"POST /_bulk HTTP/1.1\r\nHost: shop\r\nContent-Length: 10\r\n\r\n{}",
        b"POST /_bulk HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
        b"POST /_bulk HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"POST /i/_search HTTP/1.1\r\nHost: shop\r\nContent-Length: 10\r\n\r\n{}",
        b"POST /i/_rerank/explain HTTP/1.1\r\nHost: shop\r\nContent-Length: 10\r\n\r\n{}",
        b"GET /i/_search HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_a_client_that_stalls_in_a_request_gets_a_408_and_is_let_go(proxy, sent):
    received, seconds = stall(proxy.port, sent)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.lower().startswith(b"http/1.1 408 request timeout\r\n")
    assert b"connection: close" in head.lower()
    assert json.loads(body)["status"] == 408
    assert TIMEOUT_S * 0.9 < seconds < TIMEOUT_S + 5


@pytest.mark.parametrize("pause_s", [0, 0.005, 0.1])
def test_a_client_that_stalls_in_a_later_request_is_let_go_as_well(proxy, pause_s):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as connection:
        connection.sendall(b"GET /x HTTP/1.1\r\nHost: shop\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        time.sleep(pause_s)
        started = time.monotonic()
        connection.sendall(b"GET /y HT")
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 408 ")
    assert TIMEOUT_S * 0.9 < time.monotonic() - started < TIMEOUT_S + 5


def test_a_head_that_comes_byte_by_byte_has_no_more_time_than_one_that_stops(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as connection:
        started = time.monotonic()
        connection.sendall(b"GET /x HTTP/1.1\r\nX-Slow: ")
        with pytest.raises(OSError):  # noqa: PT012
            while time.monotonic() < started + 20:
                connection.sendall(b"a")
                time.sleep(0.1)
        assert time.monotonic() - started < TIMEOUT_S + 5


def test_an_upload_may_take_longer_than_the_timeout_while_it_goes_on(proxy, recorder):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as connection:
        connection.sendall(b"POST /_bulk HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nConnection: close\r\n\r\n")
        for _ in range(6):
            time.sleep(TIMEOUT_S * 0.4)
            connection.sendall(b"a")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    assert recorder.requests[-1].endswith(b"\r\n\r\naaaaaa")


def test_as_many_stalled_clients_as_there_are_threads_hold_up_the_others_for_the_timeout_only(proxy):
    stalled = b"POST /_bulk HTTP/1.1\r\nHost: shop\r\nContent-Length: 10\r\n\r\n{}"
    clients = [threading.Thread(target=stall, args=(proxy.port, stalled)) for _ in range(2 * THREADS)]
    for client in clients:
        client.start()
    time.sleep(0.2)
    started = time.monotonic()
    assert call(f"{proxy.url}/_rerank/health").status == 200
    assert time.monotonic() - started < 2 * TIMEOUT_S + 3
    for client in clients:
        client.join()


def test_clients_that_never_close_their_side_hold_up_nobody(proxy):
    """gunicorn lingers two seconds for each in its main loop, so that 15 of them would end the worker."""
    left_open = [socket.create_connection(("127.0.0.1", proxy.port), timeout=10) for _ in range(3 * THREADS)]
    for connection in left_open:
        connection.sendall(b"GET /x HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    started = time.monotonic()
    assert call(f"{proxy.url}/_rerank/health").status == 200
    assert time.monotonic() - started < 3
    for connection in left_open:
        connection.close()


def test_clients_that_connect_and_say_nothing_hold_up_nobody(proxy):
    silent = [socket.create_connection(("127.0.0.1", proxy.port), timeout=10) for _ in range(3 * THREADS)]
    started = time.monotonic()
    assert call(f"{proxy.url}/_rerank/health").status == 200
    assert time.monotonic() - started < 3
    for connection in silent:
        connection.sendall(b"GET /late HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
        connection.close()


def test_a_client_that_reads_no_answer_lets_the_node_go(start_proxy_process):
    floods = []

    def flood(connection: socket.socket) -> None:
        if b"GET /large" not in connection.recv(65536):
            return  # the proxy's own look at the node
        floods.append(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % LARGE)
        for _ in range(LARGE // 65536):
            connection.sendall(bytes(65536))

    node = Dummy(flood)
    server = {"client_timeout_s": TIMEOUT_S}
    proxy = start_proxy_process({"upstream": {"urls": [node.url]}, "server": server})
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: shop\r\n\r\n")
        deadline = time.monotonic() + TIMEOUT_S + 10
        while not (floods and node.open == 0) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert (len(floods), node.open) == (1, 0)
    assert "Traceback" not in proxy.log.read_text()
    node.close()


def test_no_stall_leaves_a_traceback_or_a_new_worker(proxy):
    log = Path(proxy.log).read_text()
    assert "Traceback" not in log
    assert len(re.findall("Booting worker", log)) <= 1
