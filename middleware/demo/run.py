"""The demo's parts in order: model, node, proxy, catalogue; then the printing, and serving until it is stopped."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml
from rich.console import Console

from middleware.catalog.bootstrap import BootstrapOptions, bootstrap_products
from middleware.catalog.bootstrap_records import bootstrap_records
from middleware.catalog.client import connect
from middleware.catalog.demo import DemoCatalog, generate, write
from middleware.config import cache_dir
from middleware.demo.client import INDEX, ShopClient
from middleware.demo.show import show_next_steps, show_personal, show_queries
from middleware.errors import CommandError
from middleware.learning.demo.model import MAX_TOKENS, TEMPLATE, ensure_demo_model
from middleware.learning.evaluation.rankings import compare_searches
from middleware.learning.hub import find_model
from middleware.nodes.launch import find_free_port, start_node

_NODE_PORT = 9200
_PROXY_PORT = 9280
_START_TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What was asked for: `model` a hub name or folder instead of the demo's own, `upstream` a running cluster."""

    once: bool = False
    model: str | None = None
    upstream: str | None = None
    evaluate: bool = False


def run_demo(options: DemoOptions, console: Console) -> None:
    """Run the whole demo. Raises CommandError or ConfigError, one line with the remedy."""
    started = time.monotonic()
    folder = cache_dir() / "demo"
    catalog = generate(now=datetime.now(UTC))
    write(catalog, folder)
    model = _choose_model(options.model, console)
    with ExitStack() as stack:
        node_port = _port(_NODE_PORT)
        upstream = options.upstream or f"http://127.0.0.1:{node_port}"
        url = f"http://127.0.0.1:{_port(_PROXY_PORT)}"
        config = _write_config(folder, upstream, url, model)
        proxy = stack.enter_context(_serving(config, folder / "proxy.log"))
        if options.upstream is None:
            stack.enter_context(start_node("elasticsearch", port=node_port, die_with_us=True))
        _fill(upstream, folder, console)
        client = ShopClient(url)
        _wait_until_ready(url, proxy, folder / "proxy.log")
        console.print(f"Ready after {time.monotonic() - started:.0f} s: {upstream}, and the proxy at {url}")
        show_queries(console, client)
        show_personal(console, client)
        _show_quality(catalog, client, model, folder, options.evaluate, console)
        show_next_steps(console, url, upstream, str(config), serving=not options.once)
        if not options.once:
            console.print("Serving until Ctrl-C ...")
            proxy.wait()


def _port(preferred: int) -> int:
    """`preferred` where nobody listens there, else any free port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", preferred))
        except OSError:
            return find_free_port()
    return preferred


def _choose_model(asked: str | None, console: Console) -> str:
    """The model asked for where it can be had, else the demo's own, trained here once."""
    if asked is None:
        console.print("Model: the demo cross-encoder, trained here ([cyan]--model org/name[/] takes one from a hub)")
        return str(ensure_demo_model(console=console))
    console.print(f"Model: looking for {asked} ...")
    trouble = find_model(asked)
    if trouble:
        console.print(f"[yellow]{asked} cannot be had ({trouble}); taking the demo cross-encoder instead[/]")
        return str(ensure_demo_model(console=console))
    return asked


def _write_config(folder: Path, upstream: str, url: str, model: str) -> Path:
    settings = {
        "upstream": {"urls": [upstream]},
        "server": {"bind": url.removeprefix("http://")},
        "models": {"default": {"source": model, "max_tokens": MAX_TOKENS}},
        "indices": {INDEX: {"template": TEMPLATE}},
        "budget_ms": 5000,
    }
    path = folder / "rerank.yml"
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return path


@contextmanager
def _serving(config: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The proxy as a process of its own, so that it serves as it would in production; stopped at the end."""
    command = [sys.executable, "-m", "middleware", "serve", "--config", str(config)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()


def _fill(upstream: str, folder: Path, console: Console) -> None:
    cluster = connect(upstream)
    report = bootstrap_products(cluster, folder / "products.jsonl", INDEX, BootstrapOptions(language="mixed"))
    bootstrap_records(cluster, "ubi", folder / "events.ndjson")
    console.print(
        f"Catalogue: {report.documents} products in {report.seconds:.1f} s behind the alias {INDEX}; "
        f"analysis {report.language} ({report.language_reason})"
    )


def _wait_until_ready(url: str, proxy: subprocess.Popen[bytes], log: Path) -> None:
    import urllib3

    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if proxy.poll() is not None:
            break
        try:
            if urllib3.request("GET", f"{url}/_rerank/ready", retries=False, timeout=5).status == 200:
                return
        except urllib3.exceptions.HTTPError:
            pass
        time.sleep(0.1)
    raise CommandError(f"the proxy did not become ready; its last words in {log}: {_last_words(log)}")


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "none"


def _show_quality(
    catalog: DemoCatalog, client: ShopClient, model: str, folder: Path, again: bool, console: Console
) -> None:
    """nDCG@10 on the held-out queries through the proxy; measured once for each model, then remembered."""
    memory = folder / "quality.json"
    known = json.loads(memory.read_text(encoding="utf-8")) if memory.is_file() else {}
    if again or model not in known:
        known[model] = _measure(catalog, client, console)
        memory.write_text(json.dumps(known, indent=1), encoding="utf-8")
    console.print()
    console.print(f"[bold]Held-out queries[/], Elasticsearch's order -> reranked: {known[model]}", highlight=False)


def _measure(catalog: DemoCatalog, client: ShopClient, console: Console) -> str:
    from rich.progress import track

    qrels: dict[str, dict[str, int]] = {}
    for judgment in catalog.qrels:
        qrels.setdefault(judgment.query_id, {})[judgment.product_id] = judgment.grade
    queries = [(query.query_id, query.text) for query in catalog.queries if query.split == "held_out"]

    def search(text: str, on: bool) -> list[str]:
        switch = {"X-Rerank": "on" if on else "off", "X-Rerank-Budget-Ms": "60000"}
        return client.search(text, size=10, headers=switch).ids

    tracked = track(queries, description="Measuring on held-out queries", console=console)
    return str(compare_searches(tracked, qrels, search))
