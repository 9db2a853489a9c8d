"""Mixed load on the proxy as users run it: memory flat, no queue beyond its bound, no thread left, no wrong answer."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median
from urllib.parse import urlsplit

import psutil
import pytest
from http_call import call
from load_catalogue import EVENTS, INDEX, NARROW, USERS, WIDE, drop, fill_node, text_of
from load_clients import Tally, run_clients
from load_gauges import Sample, Sampler, look

pytestmark = pytest.mark.integration

CLIENTS, THREADS, POOL_SIZE, QUEUE_LIMIT = 12, 16, 16, 3
# Which seconds the hour has, and how many requests all clients send in each.
HOUR_S = float(os.environ.get("ES_RERANK_LOAD_S", 3600))
HOUR_RATE = float(os.environ.get("ES_RERANK_LOAD_RATE", 40))
PROFILE_THREADS = 8  # ProfileReader's own
LONGEST_S = 10.0
# From the second quarter's median to the last one's: half of the time, 1,000 requests in the short form and 72,000 in
# the hour, where it is 175 bytes a request. What Python holds and what malloc has given out stay level; fragments of
# the heap add 1 to 2 MiB in the first minutes and 0.1 a minute later, and a moment busier than all before it adds some
# MiB in one step (4 in 25 minutes), as allocators keep what they once needed. A leaked answer is some 10 KiB.
MOST_GROWTH_MIB = 12.0


@pytest.fixture(scope="module")
def node(upstream_url: str) -> Iterator[str]:
    drop(upstream_url)
    fill_node(upstream_url)
    yield upstream_url
    drop(upstream_url)


@pytest.fixture
def proxy(node, start_proxy_process, tiny_model_folder):
    """One worker whose memories are small, so that the first quarter of the load fills them."""
    configuration = {
        "upstream": {"urls": [node], "pool_size": POOL_SIZE},
        "server": {"threads": THREADS, "client_timeout_s": 5},
        "models": {"tiny": {"source": str(tiny_model_folder), "queue_limit": QUEUE_LIMIT, "max_tokens": 64}},
        "variants": {"default": {"model": "tiny", "window": NARROW}, "wide": {"model": "tiny", "window": WIDE}},
        "indices": {"load": {"patterns": [INDEX], "template": "{title}[ | {brand}][ | {text}]"}},
        "profiles": {"events_index": EVENTS, "products_index": INDEX, "cache_ttl_s": 5, "cache_size": 20},
        "rankings": {"size": 50},
        "scores": {"max_bytes": 2000 * 160},
    }
    return start_proxy_process(configuration, wait_for="ready")


def use_every_thread(proxy) -> None:
    """Threads start when they are first needed: hold all of the server's at once, then read profiles at once."""
    body = json.dumps({"query": {"match": {"title": text_of(0)}}}).encode()
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port))) for _ in range(THREADS)]
        head = f"POST /{INDEX}/_search HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
        for number, connection in enumerate(held):
            user = f"X-Rerank-User: user-{USERS + number}\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall((head + user).encode())
        time.sleep(0.5)
        for connection in held:
            connection.sendall(body)
        for connection in held:
            assert connection.recv(20).startswith(b"HTTP/1.1 200 ")


def settled(worker: psutil.Process, proxy, upstream_port: int) -> Sample:
    """What the worker holds once no client is left."""
    deadline = time.monotonic() + 30
    while look(worker, proxy.url, upstream_port)["clients"] > 1:  # one may be the last look's own
        assert time.monotonic() < deadline, "connections of clients are left"
        time.sleep(0.1)
    time.sleep(1)
    return look(worker, proxy.url, upstream_port)


def check_gauges(sampler: Sampler, before: Sample, after: Sample) -> None:
    assert sampler.failed is None
    growth = median(sampler.quarter("rss_mib", 3)) - median(sampler.quarter("rss_mib", 1))
    assert growth < MOST_GROWTH_MIB
    assert set(sampler.every("queue_limit")) == {QUEUE_LIMIT}
    assert max(sampler.every("waiting")) <= QUEUE_LIMIT
    assert max(sampler.every("threads")) <= before["threads"]
    assert max(sampler.every("other_fds")) <= before["other_fds"] + THREADS
    assert max(sampler.every("upstream")) <= 2 * POOL_SIZE + THREADS + PROFILE_THREADS
    assert after["waiting"] == 0
    assert after["threads"] <= before["threads"]
    assert after["other_fds"] <= before["other_fds"]
    assert after["upstream"] <= 2 * POOL_SIZE


def check_answers(tally: Tally) -> None:
    assert not tally.wrong, "\n".join(tally.wrong)
    assert max(tally.seconds) < LONGEST_S
    outcomes = {outcome for counted in tally.outcomes.values() for outcome in counted}
    assert outcomes >= {"200 applied", "200 fallback overloaded", "200 fallback deadline_exceeded", "200 skipped off"}


@pytest.mark.parametrize(
    ("seconds", "rate"),
    [
        pytest.param(25, 80, id="25 s"),
        pytest.param(HOUR_S, HOUR_RATE, id="an hour", marks=[pytest.mark.slow, pytest.mark.timeout(HOUR_S + 600)]),
    ],
)
def test_under_mixed_load_nothing_grows_and_no_answer_is_wrong(proxy, node, seconds, rate, capsys):
    (worker,) = psutil.Process(proxy.process.pid).children()
    upstream_port = urlsplit(node).port
    use_every_thread(proxy)
    before = settled(worker, proxy, upstream_port)
    with Sampler(worker, proxy.url, upstream_port, seconds) as sampler:
        tally = run_clients(proxy.port, CLIENTS, rate, seconds)
    after = settled(worker, proxy, upstream_port)
    with capsys.disabled() if seconds > 60 else ExitStack():
        print(f"\n{sampler.table()}\n\nidle before: {before}\nidle after: {after}\n\n{tally.table()}")
    check_answers(tally)
    check_gauges(sampler, before, after)
    assert call(f"{proxy.url}/_rerank/ready").status == 200
    assert "Traceback" not in proxy.log.read_text()
    assert proxy.stop() == 0
