"""Bodies of any size stream through both ways: whole, and in a few megabytes of a worker's memory."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import socket
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from http_call import call
from recorder import Dummy

pytestmark = pytest.mark.integration

MIB = 1024 * 1024
LARGE = 200 * MIB
GROWTH_LIMIT = 32 * MIB
BLOCK = hashlib.sha256(b"block").digest() * (MIB // 32)


def blocks(size: int) -> Iterator[bytes]:
    for number in range(size // MIB):
        yield number.to_bytes(8, "big") + BLOCK[8:]


def digest(parts: Iterator[bytes]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return whole.hexdigest()


EXPECTED = digest(blocks(LARGE))


def read_head(stream: BinaryIO) -> bytes:
    lines = []
    while (line := stream.readline()) != b"\r\n":
        if not line:
            raise ConnectionError("closed")
        lines.append(line)
    return b"".join(lines).lower()


def body_parts(head: bytes, stream: BinaryIO) -> Iterator[bytes]:
    if b"transfer-encoding: chunked" in head:
        while size := int(stream.readline(), 16):
            yield stream.read(size)
            stream.readline()
        stream.readline()
    else:
        left = int(re.search(rb"content-length: (\d+)", head)[1])
        while left:
            data = stream.read(min(left, MIB))
            left -= len(data)
            yield data


def behave(connection: socket.socket) -> None:
    """A node that answers an upload with its digest, and /large with 200 MiB, in chunks or of a declared length."""
    stream = connection.makefile("rb", MIB)
    while True:
        head = read_head(stream)
        if head.startswith(b"get /large/chunked"):
            connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            for block in blocks(LARGE):
                connection.sendall(b"%x\r\n%b\r\n" % (len(block), block))
            connection.sendall(b"0\r\n\r\n")
        elif head.startswith(b"get /large"):
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % LARGE)
            for block in blocks(LARGE):
                connection.sendall(block)
        elif head.startswith(b"post"):
            answer = digest(body_parts(head, stream)).encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer))
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


class Memory:
    """The resident memory of a process while it works: `growth` in bytes above what it had at first."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._first = self._highest = self._read()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def _read(self) -> int:
        return int(re.search(r"VmRSS:\s+(\d+) kB", self._status.read_text())[1]) * 1024

    def _sample(self) -> None:
        while not self._stopping.wait(0.01):
            self._highest = max(self._highest, self._read())

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        print(f"memory grew by {self.growth / MIB:.1f} MiB")

    @property
    def growth(self) -> int:
        return self._highest - self._first


@pytest.fixture(scope="module")
def node():
    node = Dummy(behave)
    yield node
    node.close()


@pytest.fixture(scope="module")
def proxy(node, start_proxy_process):
    proxy = start_proxy_process({"upstream": {"urls": [node.url]}})
    for _ in range(5):
        assert call(f"{proxy.url}/warm-up").status == 200
    return proxy


def worker_of(proxy) -> int:
    children = Path(f"/proc/{proxy.process.pid}/task/{proxy.process.pid}/children").read_text().split()
    assert len(children) == 1
    return int(children[0])


def upload(proxy, path: str, parts: Iterator[bytes], length: int | None) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=120)
    headers = {"Content-Type": "application/x-ndjson"}
    if length is not None:
        headers["Content-Length"] = str(length)
    connection.request("POST", path, parts, headers, encode_chunked=length is None)
    response = connection.getresponse()
    assert response.status == 200
    return response.read()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory of a process from /proc")
@pytest.mark.parametrize("length", [LARGE, None], ids=["of a declared length", "chunked"])
def test_an_upload_of_200_mib_arrives_whole_and_takes_little_memory(proxy, length):
    with Memory(worker_of(proxy)) as memory:
        assert upload(proxy, "/_bulk", blocks(LARGE), length).decode() == EXPECTED
    assert memory.growth < GROWTH_LIMIT


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory of a process from /proc")
@pytest.mark.parametrize("path", ["/large", "/large/chunked"])
def test_an_answer_of_200_mib_arrives_whole_and_takes_little_memory(proxy, path):
    with Memory(worker_of(proxy)) as memory:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=120)
        connection.request("GET", path)
        response = connection.getresponse()
        assert digest(iter(lambda: response.read(MIB), b"")) == EXPECTED
    assert memory.growth < GROWTH_LIMIT


@pytest.mark.slow
def test_a_bulk_of_50_mib_is_indexed_by_elasticsearch(start_proxy_process, engine_url):
    proxy = start_proxy_process({"upstream": {"urls": [engine_url]}})
    index = f"transport-streaming-{uuid.uuid4().hex[:8]}"
    mappings = {"mappings": {"dynamic": False}, "settings": {"number_of_replicas": 0}}
    assert call(f"{proxy.url}/{index}", mappings, method="PUT").status == 200
    line = b'{"index":{}}\n{"text":"' + b"lorem " * 1700 + b'"}\n'
    count = 50 * MIB // len(line)
    with Memory(worker_of(proxy)) as memory:
        answer = upload(proxy, f"/{index}/_bulk", (line for _ in range(count)), None)
    assert json.loads(answer)["errors"] is False
    assert call(f"{proxy.url}/{index}/_refresh", b"").status == 200
    assert call(f"{proxy.url}/{index}/_count").json["count"] == count
    assert memory.growth < GROWTH_LIMIT
    call(f"{proxy.url}/{index}", method="DELETE")


def test_an_answer_that_comes_slowly_is_sent_on_as_it_comes(start_proxy_process):
    proceed = threading.Event()

    def trickle(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        proceed.wait(20)
        connection.sendall(b"6\r\nsecond\r\n0\r\n\r\n")

    node = Dummy(trickle)
    proxy = start_proxy_process({"upstream": {"urls": [node.url]}})
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
        data = b""
        while b"first" not in data:
            data += client.recv(1000)
        assert b"second" not in data
        proceed.set()
        assert b"second" in b"".join(iter(lambda: client.recv(1000), b""))
    node.close()
