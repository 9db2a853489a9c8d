#!/usr/bin/env python3
"""What the proxy costs: direct, nginx, a 30-line Flask proxy and ours, in interleaved rounds; prints a Markdown table.

    scripts/bench_proxy.py                       # some 4 minutes; nginx is left out where it is not installed
    scripts/bench_proxy.py --connections 8 --seconds 1 --rounds 3
    scripts/bench_proxy.py --elasticsearch 9200  # behind the proxies a real node on this machine

Behind every proxy stands the same trivial HTTP server, so that the proxy is what is measured; it also plays the scoring
server of the reranked searches (`models.NAME.remote`), whose answers cost nothing. CPU is that of the proxy's processes
(/proc). Run it on an idle machine: the first line tells its load.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench_proxy_peers import HITS, product

REPO = Path(__file__).resolve().parent.parent
PEERS = Path(__file__).with_name("bench_proxy_peers.py")
THREADS = 32
INDEX = "bench-proxy-products"

FLASK_PROXY = """
import sys, urllib3
from flask import Flask, Response, request

app = Flask(__name__)
pool = urllib3.HTTPConnectionPool("127.0.0.1", int(__import__("os").environ["UPSTREAM_PORT"]), maxsize=64)
HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-authorization"}
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]


@app.route("/", defaults={"path": ""}, methods=METHODS)
@app.route("/<path:path>", methods=METHODS)
def forward(path):
    answer = pool.urlopen(
        request.method,
        request.full_path,
        body=request.get_data(),
        headers={name: value for name, value in request.headers if name.lower() not in HOP_BY_HOP},
        decode_content=False,
        redirect=False,
        retries=False,
    )
    headers = [(name, value) for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP]
    return Response(answer.data, answer.status, headers)
"""

NGINX = """
worker_processes 1; daemon off; pid nginx.pid; error_log stderr crit;
events {{ worker_connections 512; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  upstream node {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://node; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


@dataclass(frozen=True)
class Case:
    """One row: what is asked of which server."""

    kind: str
    server: str

    @property
    def label(self) -> str:
        what = {"get": "document", "off": "search, not reranked", "warm": "reranked, warm", "cold": "reranked, cold"}
        return f"{what[self.kind]} | {self.server}"


@dataclass(frozen=True)
class Measured:
    """One round of one case."""

    per_second: float
    cpu_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


# ---- the servers under test


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def running(command: Sequence[str], port: int, log: Path, **options: object) -> Iterator[int]:
    """A process that listens at `port`; yields its pid."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, **options)  # type: ignore[call-overload]
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"{command[0]} does not come up:\n{log.read_text()}")
                time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def start_node(stack: ExitStack, folder: Path) -> int:
    port = free_port()
    stack.enter_context(running([sys.executable, str(PEERS), "node", str(port)], port, folder / "node.log"))
    return port


def start_nginx(stack: ExitStack, folder: Path, upstream: int) -> tuple[int, int]:
    port = free_port()
    (folder / "nginx.conf").write_text(NGINX.format(port=port, upstream=upstream))
    command = ["nginx", "-p", str(folder), "-c", "nginx.conf"]
    return port, stack.enter_context(running(command, port, folder / "nginx.log"))


def start_flask(stack: ExitStack, folder: Path, upstream: int) -> tuple[int, int]:
    port = free_port()
    (folder / "flask_proxy.py").write_text(FLASK_PROXY)
    command = [sys.executable, "-m", "gunicorn", "flask_proxy:app", "--bind", f"127.0.0.1:{port}", "--keep-alive", "75"]
    command += ["--worker-class", "gthread", "--threads", str(THREADS), "--chdir", str(folder)]
    environment = {**os.environ, "UPSTREAM_PORT": str(upstream)}
    return port, stack.enter_context(running(command, port, folder / "flask.log", env=environment))


def start_ours(stack: ExitStack, folder: Path, upstream: int, scorer: int) -> tuple[int, int]:
    port = free_port()
    url = f"http://127.0.0.1:{scorer}"
    settings = {
        "upstream": {"urls": [f"http://127.0.0.1:{upstream}"]},
        "server": {"bind": f"127.0.0.1:{port}", "threads": THREADS},
        "models": {"default": {"source": "bench/model", "remote": {"servers": [url], "connections": 32}}},
        "variants": {"default": {"model": "default", "window": HITS}},
        "indices": {"products": {"patterns": [INDEX]}},
        "rankings": {"ttl_s": 3600},
        "budget_ms": 20_000,
    }
    (folder / "rerank.yml").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "middleware", "serve", "--config", str(folder / "rerank.yml")]
    pid = stack.enter_context(running(command, port, folder / "ours.log", cwd=REPO))
    deadline = time.monotonic() + 60
    while not json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/_rerank/models"))["models"]["default"][
        "ready"
    ]:
        if time.monotonic() > deadline:
            sys.exit("the model is not ready")
        time.sleep(0.1)
    return port, pid


@contextmanager
def filled(port: int) -> Iterator[None]:
    """An index of a real node at `port` with the documents of the trivial one, removed at the end."""

    def call(method: str, target: str, body: str = "") -> None:
        headers = {"Content-Type": "application/x-ndjson" if "_bulk" in target else "application/json"}
        url = f"http://127.0.0.1:{port}/{INDEX}{target}"
        urllib.request.urlopen(urllib.request.Request(url, body.encode() or None, headers, method=method)).close()

    call("PUT", "", '{"settings":{"number_of_shards":1,"number_of_replicas":0}}')
    try:
        lines = [json.dumps(each) for n in range(HITS) for each in ({"index": {"_id": str(n)}}, product(n))]
        call("POST", "/_bulk?refresh=true", "\n".join([*lines, ""]))
        yield
    finally:
        call("DELETE", "")


# ---- measuring


def tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in tree(int(child)))]


def cpu_seconds(pid: int) -> float:
    ticks = 0
    for each in tree(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(") ")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Proportional set size of all processes, in MiB."""
    total = 0
    for each in tree(pid):
        lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def measure(case: Case, port: int, pid: int | None, connections: int, seconds: float, first: int) -> Measured:
    before = cpu_seconds(pid) if pid else 0.0
    command = [sys.executable, str(PEERS), "load", str(port), case.kind, str(connections), str(seconds), str(first)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 + seconds)
    if done.returncode:
        sys.exit(f"{case.label}: {done.stderr}")
    told = json.loads(done.stdout)
    cpu = (cpu_seconds(pid) - before) if pid else 0.0
    return Measured(told["count"] / told["seconds"], cpu * 1000 / max(1, told["count"]), *told["ms"])


def spread(values: Sequence[float], digits: int = 2) -> str:
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def report(rounds: dict[tuple[Case, int], list[Measured]], memory: dict[str, float], counts: Sequence[int]) -> None:
    for connections in counts:
        print(f"\n{connections} connection{'s'[: connections > 1]}; median of the rounds (least–most)\n")
        print("| request | server | requests/s | CPU ms/request | added p50 ms | added p95 ms | added p99 ms |")
        print("|---|---|---|---|---|---|---|")
        for (case, count), measured in rounds.items():
            if count != connections:
                continue
            direct = rounds[Case("get" if case.kind == "get" else "off", "direct"), count]
            added = [
                spread([getattr(own, name) - getattr(base, name) for own, base in zip(measured, direct, strict=True)])
                for name in ("p50_ms", "p95_ms", "p99_ms")
            ]
            cpu = "–" if case.server == "direct" else spread([each.cpu_ms for each in measured], 3)
            if case.server == "direct":
                added = [
                    f"({spread([getattr(each, name) for each in measured])})" for name in ("p50_ms", "p95_ms", "p99_ms")
                ]
            print(
                f"| {case.label} | {spread([each.per_second for each in measured], 0)} | {cpu} | {' | '.join(added)} |"
            )
    print("\n| ours against the Flask proxy | connections | throughput, times | CPU per request, times |")
    print("|---|---|---|---|")
    for kind in ("get", "off"):
        for count in counts:
            ours, flask = rounds[Case(kind, "ours"), count], rounds[Case(kind, "Flask"), count]
            pairs = list(zip(ours, flask, strict=True))
            faster = spread([own.per_second / other.per_second for own, other in pairs])
            cheaper = spread([own.cpu_ms / other.cpu_ms for own, other in pairs])
            print(f"| {Case(kind, '').label.removesuffix(' | ')} | {count} | {faster} | {cheaper} |")
    print("\nMemory after it all, MiB: " + ", ".join(f"{name} {size:.0f}" for name, size in memory.items()))


def machine() -> str:
    model = next(
        (line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), ": ?"
    )
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return f"{os.cpu_count()} × {model.partition(': ')[2]}, Python {platform.python_version()}, load before: {load}"


def run(counts: Sequence[int], seconds: float, rounds: int, real_node: int | None) -> None:
    print(machine())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-proxy-")))
        folder.chmod(0o755)
        trivial = start_node(stack, folder)
        node = real_node or trivial
        if real_node:
            stack.enter_context(filled(real_node))
        servers: dict[str, tuple[int, int | None]] = {"direct": (node, None)}
        starts: dict[str, Callable[[ExitStack, Path, int], tuple[int, int]]] = {"Flask": start_flask}
        if shutil.which("nginx"):
            starts = {"nginx": start_nginx, **starts}
        else:
            print("nginx is not installed: left out")
        for name, start in starts.items():
            servers[name] = start(stack, folder, node)
        servers["ours"] = start_ours(stack, folder, node, trivial)
        cases = [Case(kind, server) for kind in ("get", "off") for server in servers]
        cases += [Case("warm", "ours"), Case("cold", "ours")]
        measured: dict[tuple[Case, int], list[Measured]] = {(case, count): [] for case in cases for count in counts}
        for number in range(-1, rounds):  # the first one warms up
            for at, ((case, count), results) in enumerate(measured.items()):
                length = seconds if number >= 0 else min(seconds, 0.5)
                result = measure(case, *servers[case.server], count, length, (number + 2) * 10**6 + at * 10**5)
                if number >= 0:
                    results.append(result)
        memory = {name: memory_mb(pid) for name, (_, pid) in servers.items() if pid}
        report(measured, memory, counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=1.5, help="how long each case runs in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--elasticsearch", type=int, metavar="PORT", help=f"a real node here; gets an index {INDEX}")
    asked = parser.parse_args()
    run(asked.connections, asked.seconds, asked.rounds, asked.elasticsearch)


if __name__ == "__main__":
    main()
