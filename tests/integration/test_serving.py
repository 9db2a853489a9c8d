"""The server under way: many requests on a connection and at once, several workers, reload and stop without a loss."""

from __future__ import annotations

import http.client
import random
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from http_call import call
from recorder import OK, Dummy, Recorder, read_message

pytestmark = pytest.mark.integration


def echo(request: bytes) -> bytes:
    """The request's target, and how long its body was, as the answer."""
    head, _, body = request.partition(b"\r\n\r\n")
    answer = head.split(b" ")[1] + b" %d" % len(body)
    length = b"HTTP/1.1 200 OK\r\nx-target: %b\r\ncontent-length: %d\r\n\r\n" % (head.split(b" ")[1], len(answer))
    return length if head.startswith(b"HEAD ") else length + answer


@pytest.fixture(scope="module")
def node():
    node = Recorder(echo, requests_per_connection=10**6)
    yield node
    node.close()


@pytest.fixture(scope="module")
def proxy(node, start_proxy_process):
    """Two workers."""
    return start_proxy_process({"upstream": {"urls": [node.url]}, "server": {"workers": 2, "threads": 16}})


def test_many_requests_follow_each_other_on_one_connection(proxy, node):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=30)
    connection.connect()
    first = connection.sock
    for number in range(300):
        connection.request("POST" if number % 3 else "GET", f"/{number}", b"x" * (number % 3) if number % 3 else None)
        assert connection.getresponse().read() == b"/%d %d" % (number, number % 3)
        assert connection.sock is first
    connection.close()


def test_an_answer_to_head_leaves_the_connection_in_step(proxy):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=30)
    for number in range(20):
        connection.request("HEAD", f"/head/{number}")
        response = connection.getresponse()
        assert (response.read(), response.headers["x-target"]) == (b"", f"/head/{number}")
        assert response.headers["content-length"] == str(len(f"/head/{number} 0"))
        connection.request("GET", f"/get/{number}")
        assert connection.getresponse().read() == b"/get/%d 0" % number
    connection.close()


def test_pipelined_requests_are_answered_in_order(proxy):
    requests = b"".join(b"GET /p/%d HTTP/1.1\r\nHost: shop\r\n\r\n" % number for number in range(20))
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as connection:
        connection.sendall(requests + b"GET /p/last HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
        data = b"".join(iter(lambda: connection.recv(65536), b""))
    assert re.findall(rb"x-target: (\S+)", data) == [b"/p/%d" % number for number in range(20)] + [b"/p/last"]


def test_32_clients_at_once_each_get_their_own_answers(proxy):
    def work(client: int) -> int:
        chance = random.Random(client)
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
        for number in range(60):
            target = f"/{client}/{number}" + ("/_search" if number % 7 == 0 else "")
            body = b"y" * chance.choice((0, 1, 5_000, 200_000))
            method = chance.choice(("GET", "POST", "PUT", "HEAD", "DELETE")) if number % 7 else "PUT"
            connection.request(method, target, body if body and method != "HEAD" else None)
            expected = b"%b %d" % (target.encode(), len(body) if method != "HEAD" else 0)
            answer = connection.getresponse()
            assert answer.headers["x-target"] == target
            assert answer.read() == (b"" if method == "HEAD" else expected)
        connection.close()
        return 60

    with ThreadPoolExecutor(32) as clients:
        assert sum(clients.map(work, range(32))) == 32 * 60


def test_metrics_are_summed_over_the_workers(proxy):
    def counted() -> float:
        text = call(f"{proxy.url}/_rerank/metrics").body.decode()
        lines = [line for line in text.splitlines() if line.startswith("es_rerank_searches_total{") and "off" in line]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    before = counted()
    with ThreadPoolExecutor(16) as clients:
        searches = clients.map(
            lambda _: call(f"{proxy.url}/_search?q=a", headers={"X-Rerank": "off"}).status, range(64)
        )
        assert set(searches) == {200}
    assert [counted() - before for _ in range(8)] == [64] * 8


def test_a_unix_socket_is_for_its_owner_and_group_alone(node, tmp_path):
    path = tmp_path / "socket"
    command = [sys.executable, "-m", "middleware", "serve", "--bind", f"unix:{path}", "--upstream", node.url]
    server = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    try:
        deadline = time.monotonic() + 60
        while not path.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(str(path))
            connection.sendall(b"GET /over/a/socket HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert b"x-target: /over/a/socket\r\n" in answer
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    finally:
        server.terminate()
        assert server.wait(timeout=40) == 0


def test_health_and_readiness_are_answered_by_every_worker(proxy):
    for path in ("health", "ready"):
        assert {call(f"{proxy.url}/_rerank/{path}").status for _ in range(10)} == {200}


def search_answer(_request: bytes) -> bytes:
    body = b'{"took":1,"hits":{"total":{"value":0,"relation":"eq"},"max_score":null,"hits":[]}}'
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def test_a_reload_takes_effect_without_a_failed_request_and_a_broken_file_changes_nothing(start_proxy_process):
    node = Recorder(search_answer, requests_per_connection=10**6)
    proxy = start_proxy_process({"upstream": {"urls": [node.url]}})
    path = proxy.log.parent / "rerank.yml"
    stop, outcomes = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            outcomes.append(call(f"{proxy.url}/products/_search?q=shoe").status)

    def variant() -> str | None:
        return call(f"{proxy.url}/products/_search?q=shoe").headers["X-Rerank-Variant"]

    def reload(text: str, until) -> None:
        path.write_text(text)
        proxy.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 30
        while not until():
            assert time.monotonic() < deadline, proxy.log.read_text()
            time.sleep(0.05)

    client = threading.Thread(target=ask)
    client.start()
    try:
        settings = yaml.safe_load(path.read_text())
        assert variant() == "default"
        changed = {**settings, "variants": {"second": {}}, "default_variant": "second"}
        reload(yaml.safe_dump(changed), lambda: variant() == "second")
        reload("variants: 5", lambda: "the settings in force stay" in proxy.log.read_text())
        moved = {**changed, "server": {"bind": "127.0.0.1:1"}, "variants": {"third": {}}, "default_variant": "third"}
        reload(yaml.safe_dump(moved), lambda: variant() == "third")
        time.sleep(0.3)
    finally:
        stop.set()
        client.join()
    assert set(outcomes) == {200}
    assert "variants: 5: write keys below it" in proxy.log.read_text()
    assert "Traceback" not in proxy.log.read_text()
    node.close()


def test_requests_in_flight_at_stop_are_finished(start_proxy_process):
    arrived, proceed = threading.Semaphore(0), threading.Event()

    def answer_late(connection: socket.socket) -> None:
        read_message(connection)
        arrived.release()
        proceed.wait(20)
        connection.sendall(OK)

    node = Dummy(answer_late)
    proxy = start_proxy_process({"upstream": {"urls": [node.url]}})
    with ThreadPoolExecutor(8) as clients:
        answers = [clients.submit(call, f"{proxy.url}/{number}") for number in range(8)]
        for _ in answers:
            assert arrived.acquire(timeout=20)
        proxy.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        proceed.set()
        assert [answer.result().body for answer in answers] == [b"hi"] * 8
    assert proxy.process.wait(timeout=30) == 0
    assert "Traceback" not in proxy.log.read_text()
    node.close()


def test_a_client_that_came_before_the_stop_is_answered_and_a_silent_one_holds_nothing_up(start_proxy_process):
    node = Recorder(requests_per_connection=100)
    proxy = start_proxy_process({"upstream": {"urls": [node.url]}})
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as late, socket.socket() as silent:
        silent.connect(("127.0.0.1", proxy.port))
        assert call(f"{proxy.url}/x").status == 200  # both have been accepted by now
        proxy.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        late.sendall(b"GET /late HTTP/1.1\r\nHost: shop\r\n\r\n")
        answer = late.recv(1000)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"Connection: close" in answer
        assert proxy.process.wait(timeout=15) == 0
    assert "Traceback" not in proxy.log.read_text()
    node.close()
