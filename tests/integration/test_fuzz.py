"""Broken requests never get a 5xx of ours, hang, or leave anything behind in the worker that served them."""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psutil
import pytest
from differential_requests import MAIN
from fuzz_requests import Draft, mutants
from http_call import call
from test_differential import ENGINES, prepare
from wire_answer import read_answers

pytestmark = pytest.mark.integration
THREADS = 8
CLIENTS = 12
CLIENT_TIMEOUT_S = 1
PATIENCE_S = 20


@dataclass(frozen=True)
class Fuzzed:
    """The proxy under test, its node, and what its worker held before."""

    port: int
    node: int
    log: Any
    worker: psutil.Process
    threads: int
    files: int


@pytest.fixture(scope="module", params=ENGINES)
def fuzzed(request: Any, start_proxy_process: Any, tiny_model_folder: Any) -> Iterator[Fuzzed]:
    url = request.getfixturevalue(ENGINES[request.param])
    prepare(url)
    configuration = {
        "upstream": {"urls": [url], "read_timeout_ms": 10_000},  # OpenSearch leaves some requests without an answer
        "server": {"threads": THREADS, "client_timeout_s": CLIENT_TIMEOUT_S},
        "models": {"tiny": {"source": str(tiny_model_folder)}},
        "indices": {"dif": {"patterns": ["dif-*"], "template": "{title}[ | {brand}]"}},
        "budget_ms": 60_000,
    }
    proxy = start_proxy_process(configuration, wait_for="ready")
    (worker,) = psutil.Process(proxy.process.pid).children()
    search = {"query": {"match": {"title": "phone"}}}
    with ThreadPoolExecutor(4 * THREADS) as clients:
        users = [{"X-Rerank-User": str(number)} for number in range(8 * THREADS)]
        warm = list(clients.map(lambda user: call(f"{proxy.url}/{MAIN}/_search", search, user).status, users))
    assert set(warm) == {200}
    yield Fuzzed(
        proxy.port, int(url.rpartition(":")[2]), proxy.log, worker, worker.num_threads(), files_of(worker, url)
    )
    for pattern in ("dif-*", "raw-*"):
        call(f"{url}/{pattern}", method="DELETE")


def files_of(worker: psutil.Process, url: str) -> int:
    """Open files, but for the connections to the node: a pool of them grows as needed."""
    return worker.num_fds() - connections_of(worker, url)


def connections_of(worker: psutil.Process, url: str) -> int:
    port = int(url.rpartition(":")[2])
    return sum(bool(connection.raddr) and connection.raddr.port == port for connection in worker.net_connections())


def send(port: int, draft: Draft) -> tuple[bytes, bool]:
    """What came back, and whether that was a whole answer or the end of the connection."""
    method = draft.wire.split(b" ")[0].decode("latin-1")
    data = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        try:
            connection.sendall(draft.wire)
            if draft.half_close:
                connection.shutdown(socket.SHUT_WR)
            while True:
                received = connection.recv(65536)
                data += received
                if not received or is_whole(bytes(data), method):
                    return bytes(data), True
        except TimeoutError:
            return bytes(data), False
        except OSError:  # the other side hung up on what we still sent
            return bytes(data), True


def is_whole(data: bytes, method: str) -> bool:
    try:
        return bool(read_answers(data, [method]))
    except ValueError:
        return False


def status_of(data: bytes) -> int:
    """The first answer's status; 0 where there is none."""
    while data.startswith(b"HTTP/1.1 100 "):
        data = data.partition(b"\r\n\r\n")[2]
    return int(data.split(b" ", 2)[1]) if data.startswith(b"HTTP/1.") else 0


def try_out(fuzzed: Fuzzed, draft: Draft) -> tuple[int, str | None]:
    """The status of the proxy's answer, and what is wrong with it."""
    received, ended = send(fuzzed.port, draft)
    status = status_of(received)
    if not ended:
        theirs, _ = send(fuzzed.node, draft)
        return status, f"no end after {PATIENCE_S} s; the node: {theirs[:100]!r}"
    if received and not status:
        return 0, f"not an answer: {received[:100]!r}"
    if status >= 500:
        theirs, _ = send(fuzzed.node, draft)
        if 0 < status_of(theirs) < 500:
            return status, f"{received[-500:]!r}; the node: {theirs[:100]!r}"
    return status, None


def tried(fuzzed: Fuzzed, seed: int, count: int) -> Counter[int]:
    """Send that many broken requests; statuses counted. Fails with those that were answered wrongly."""
    probe = call(f"http://127.0.0.1:{fuzzed.node}/{MAIN}/_count").json
    statuses: Counter[int] = Counter()
    wrong = []
    with ThreadPoolExecutor(CLIENTS) as clients:
        drafts = list(mutants(seed, count))
        for number, (status, complaint) in enumerate(clients.map(lambda draft: try_out(fuzzed, draft), drafts)):
            statuses[status] += 1
            if complaint:
                wrong.append(f"{number} {drafts[number].how}: {drafts[number].wire[:600]!r} -> {complaint}")
            if number % 20 == 0:
                assert call(f"http://127.0.0.1:{fuzzed.port}/{MAIN}/_count").json == probe, drafts[number].wire[:600]
    print(json.dumps({str(status): count for status, count in sorted(statuses.items())}))
    assert not wrong, "\n".join(wrong)
    return statuses


def check_nothing_is_left(fuzzed: Fuzzed) -> None:
    """The worker is the same, with no more threads or open files than before, serves, and has logged no traceback."""
    node = f"http://127.0.0.1:{fuzzed.node}"
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if files_of(fuzzed.worker, node) <= fuzzed.files and fuzzed.worker.num_threads() <= fuzzed.threads:
            break
        time.sleep(0.1)
    assert fuzzed.worker.is_running()
    assert fuzzed.worker.num_threads() <= fuzzed.threads
    assert files_of(fuzzed.worker, node) <= fuzzed.files, fuzzed.worker.net_connections()
    assert connections_of(fuzzed.worker, node) <= 2 * THREADS
    answer = call(f"http://127.0.0.1:{fuzzed.port}/{MAIN}/_search", {"query": {"match": {"title": "phone"}}})
    assert (answer.status, answer.headers["X-Rerank"]) == (200, "applied")
    log = fuzzed.log.read_text(errors="replace")
    assert "Traceback" not in log, log[log.index("Traceback") - 300 :][:3000]
    assert log.count("Booting worker") <= 1


def test_broken_requests_are_answered_or_closed_and_leave_nothing_behind(fuzzed: Fuzzed) -> None:
    statuses = tried(fuzzed, seed=1, count=400)
    assert statuses[200] > 20
    assert statuses[400] > 20
    check_nothing_is_left(fuzzed)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(2, 12))
def test_thousands_of_broken_requests_leave_nothing_behind(fuzzed: Fuzzed, seed: int) -> None:
    tried(fuzzed, seed, count=500)
    check_nothing_is_left(fuzzed)
