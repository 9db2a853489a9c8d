"""docker/nginx.conf in a real nginx: searches take the way through the proxy, everything else goes straight."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from recorder import Recorder, exchange

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed"),
]
CONFIGURATION = Path(__file__).parents[2] / "docker" / "nginx.conf"


@dataclass(frozen=True)
class Front:
    port: int
    cluster: Recorder
    proxy: Recorder

    def ask(self, target: str, method: str = "GET", more: str = "", body: bytes = b"") -> bytes:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {target} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n{length}{more}\r\n"
        return exchange(self.port, head.encode("latin-1") + body)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def answer_as(name: bytes):
    return lambda _: b"HTTP/1.1 200 OK\r\nserver: %b\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi" % name


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    port = free_port()
    cluster, proxy = Recorder(answer_as(b"cluster")), Recorder(answer_as(b"proxy"))
    text = CONFIGURATION.read_text()
    replaced = {"elasticsearch:9200": f"127.0.0.1:{cluster.port}", "proxy:9280": f"127.0.0.1:{proxy.port}"}
    replaced |= {"listen 9281": f"listen 127.0.0.1:{port}", "worker_processes auto": "worker_processes 1"}
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    kept_here = [
        f"{name}_temp_path {tmp_path}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    ]
    (tmp_path / "main.conf").write_text(text.replace("http {", f"http {{ {' '.join(kept_here)}", 1))
    main = "daemon off; pid nginx.pid; error_log stderr;" + (" user root;" if os.geteuid() == 0 else "")
    command = ["nginx", "-p", str(tmp_path), "-c", "main.conf", "-g", main]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
    yield Front(port, cluster, proxy)
    process.terminate()
    process.wait(20)
    for node in (cluster, proxy):
        with suppress(OSError):  # closed by the test
            node.close()


@pytest.mark.parametrize(
    "target",
    [
        "/_search",
        "/products/_search?q=shoe&q=a%2Bb",
        "/a,b*,-c/_search",
        "/<logs-{now%2Fd}>/_search",
        "//products//_search",
        "/products/_msearch",
        "/_search/template?typed_keys",
        "/_msearch/template",
        "/products/_search/",
        "/_rerank/health",
    ],
)
def test_searches_take_the_way_through_the_proxy_as_they_came(front, target):
    assert b"server: proxy" in front.ask(target, "POST", body=b"{}")
    assert front.proxy.requests[-1].startswith(f"POST {target} HTTP/1.1\r\n".encode())
    assert front.proxy.requests[-1].endswith(b"\r\n\r\n{}")
    assert front.cluster.requests == []


@pytest.mark.parametrize(
    "target",
    ["/", "/products/_doc/a%2Fb", "/_bulk", "/_search/scroll", "/products/_count?q=_search", "/_searchable", "/_cat/x"],
)
def test_everything_else_goes_straight_to_the_cluster_as_it_came(front, target):
    assert b"server: cluster" in front.ask(target)
    assert front.cluster.requests[-1].startswith(f"GET {target} HTTP/1.1\r\n".encode())
    assert front.proxy.requests == []


def test_headers_arrive_as_they_were_sent_and_none_is_added(front):
    front.ask("/_search", more="X_Under: 1\r\nx-a: 1\r\nX-A: 2\r\nAuthorization: ApiKey abc==\r\nX-Rerank: off\r\n")
    lines = front.proxy.requests[-1].partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    assert sorted(lines) == [
        b"Authorization: ApiKey abc==",
        b"Host: shop",
        b"X-A: 2",
        b"X-Rerank: off",
        b"X_Under: 1",
        b"x-a: 1",
    ]


def test_a_large_body_is_streamed(front):
    body = b"x" * 20_000_000
    front.ask("/_bulk", "POST", body=body)
    assert front.cluster.requests[-1].endswith(body)


def test_without_the_proxy_searches_go_to_the_cluster(front):
    assert b"server: proxy" in front.ask("/products/_search", "POST", body=b"{}")
    front.proxy.close()
    for _ in range(5):
        assert b"server: cluster" in front.ask("/products/_search", "POST", body=b"{}")
    assert front.cluster.requests[-1].endswith(b"\r\n\r\n{}")
