"""Events on their way into real clusters: soon there, counted once, and none lost, whoever is killed when."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
import uuid
from collections import Counter
from pathlib import Path

import psutil
import pytest
from conftest import Proxy, wait_until
from http_call import call, ndjson

from middleware.nodes.launch import Node, start_node

pytestmark = pytest.mark.integration
EVENTS, QUERIES = "collected-events", "collected-queries"
SOON_S = 2.0


def configure(url: str, spool: Path, **events) -> dict:
    return {
        "upstream": {"urls": [url], "retry_dead_node_ms": 100},
        "profiles": {"events_index": EVENTS},
        "privacy": {"key": "a key for the tests of events"},
        "events": {"spool": str(spool), "queries_index": QUERIES, "longest_pause_s": 1, **events},
    }


def make_event(name: str, **fields) -> dict:
    return {"action_name": "click", "client_id": "anna@example.org", "event_id": name, "message": name, **fields}


def post(proxy: Proxy, body, headers: dict | None = None):
    return call(f"{proxy.url}/_rerank/events", body, headers)


def messages(url: str) -> Counter[str]:
    """How often each event is in the index."""
    counted: Counter[str] = Counter()
    body: dict = {"size": 5000, "sort": ["message.keyword", "timestamp"]}
    while True:
        found = call(f"{url}/{EVENTS}/_search?ignore_unavailable=true", body)
        hits = found.json["hits"]["hits"] if found.status == 200 else []  # 503 while the index is being made
        if not hits:
            return counted
        counted.update(hit["_source"]["message"] for hit in hits)
        body["search_after"] = hits[-1]["sort"]


def spooled(proxy: Proxy) -> int:
    return call(f"{proxy.url}/_rerank/health").json["events"]["stored_bytes"]


@pytest.fixture(scope="module")
def proxy(engine_url, start_proxy_process, tmp_path_factory) -> Proxy:
    call(f"{engine_url}/{EVENTS}", method="DELETE")
    return start_proxy_process(configure(engine_url, tmp_path_factory.mktemp("spool"), flush_ms=50))


def test_a_click_is_found_within_two_seconds_and_counted_once_however_often_it_is_sent(proxy, engine_url):
    one = make_event("first", ip="10.1.2.3", event_attributes={"object": {"object_id": 7}, "position": {"ordinal": 1}})
    assert post(proxy, one).status == 202
    wait_until(lambda: messages(engine_url) == {"first": 1}, 20, "the first event is not found")
    clicked_at = time.monotonic()
    two = make_event("second")
    for body in ([one, two], ndjson([two, one]), json.dumps(two).encode()):
        assert post(proxy, body, {"Content-Type": "text/plain"}).status == 202
    wait_until(lambda: messages(engine_url) == {"first": 1, "second": 1}, 20, "the second event is not found")
    assert time.monotonic() - clicked_at < SOON_S
    wait_until(lambda: spooled(proxy) == 0, 20, "something still waits")
    call(f"{engine_url}/{EVENTS}/_refresh", b"")
    assert messages(engine_url) == {"first": 1, "second": 1}
    assert "anna" not in call(f"{engine_url}/{EVENTS}/_search").body.decode()
    assert "10.1.2.3" not in call(f"{engine_url}/{EVENTS}/_search").body.decode()


def test_the_index_is_made_with_our_mapping_and_is_refreshed_soon(proxy, engine_url):
    made = call(f"{engine_url}/{EVENTS}").json[EVENTS]
    assert made["settings"]["index"]["refresh_interval"] == "500ms"
    assert made["mappings"]["properties"]["client_id"]["type"] == "keyword"
    assert made["mappings"]["properties"]["timestamp"]["type"] == "date"


def test_an_event_that_the_mapping_refuses_is_a_dead_letter_and_the_others_are_written(proxy, engine_url):
    clash = make_event("clash", event_attributes={"dwell_time": "long"})
    assert post(proxy, [clash, make_event("third")]).status == 202
    wait_until(lambda: "third" in messages(engine_url), 20, "the event beside it was held up")
    assert "clash" not in messages(engine_url)

    def told() -> bool:
        return 'es_rerank_events_total{fate="dead"} 1.0' in call(f"{proxy.url}/_rerank/metrics").body.decode()

    wait_until(told, 10, "the dead letter is not counted")


def test_a_preflight_is_answered_by_us(proxy):
    answer = call(f"{proxy.url}/_rerank/events", method="OPTIONS")
    assert answer.status == 204
    assert "POST" in answer.headers["Allow"]


def test_a_proxy_that_is_stopped_writes_what_waits_and_leaves_no_room(engine_url, start_proxy_process, tmp_path):
    stopped = start_proxy_process(configure(engine_url, tmp_path, flush_ms=3000))
    assert post(stopped, make_event("before the pause")).status == 202
    assert post(stopped, make_event("in the pause")).status == 202
    assert stopped.stop() == 0
    call(f"{engine_url}/{EVENTS}/_refresh", b"")
    assert {"before the pause", "in the pause"} <= set(messages(engine_url))
    assert not list(tmp_path.glob("room-*"))


class Load:
    """Threads that post events one after the other to whichever proxy there is; what was acknowledged is noted."""

    def __init__(self, threads: int) -> None:
        self.proxy: Proxy | None = None
        self.acknowledged: set[str] = set()
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._post, args=(number,)) for number in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _post(self, thread: int) -> None:
        number = 0
        while not self._is_over.is_set():
            names = [f"{thread}-{number}-{each}" for each in range(3)]
            number += 1
            try:
                answer = post(self.proxy, [make_event(name) for name in names]) if self.proxy else None
            except OSError:
                answer = None
            if answer is not None and answer.status == 202:
                self.acknowledged |= set(names)
            time.sleep(0.02)


def kill(proxy: Proxy) -> None:
    """The proxy and its workers at once, as the kernel kills for want of memory."""
    family = psutil.Process(proxy.process.pid)
    for process in [family, *family.children(recursive=True)]:
        process.kill()
    proxy.process.wait(timeout=20)


def kill_node(node: Node) -> None:
    os.kill(node.pid, signal.SIGKILL)
    node.stop()


def storm(start_proxy_process, tmp_path: Path, engine: str, rounds: int, pause_s: float) -> None:
    """Kill the proxy and the node in turn under load; at last all that was acknowledged is there, once."""
    data, spool = Path("/var/tmp") / f"es-rerank-test-{uuid.uuid4().hex}", tmp_path / "spool"
    node = start_node(engine, data_dir=data, heap="384m", die_with_us=True, quiet=True)
    try:
        configuration = {**configure(node.url, spool), "server": {"workers": 2}}
        proxy = start_proxy_process(configuration)
        with Load(threads=4) as load:
            for _ in range(rounds):
                load.proxy = proxy
                time.sleep(pause_s)
                kill_node(node)
                time.sleep(pause_s)
                kill(proxy)
                proxy = load.proxy = start_proxy_process(configuration)
                time.sleep(pause_s)
                node = start_node(engine, node.port, data_dir=data, heap="384m", die_with_us=True, quiet=True)
                time.sleep(pause_s)
        before = len(load.acknowledged)
        assert before > 50
        wait_until(lambda: not any(spool.glob("room-*/*.segment")), 90, f"events still wait: {proxy.log.read_text()}")
        call(f"{node.url}/{EVENTS}/_refresh", b"")
        found = messages(node.url)
        assert load.acknowledged <= set(found)
        assert set(found.values()) == {1}
    finally:
        node.stop()
        shutil.rmtree(data, ignore_errors=True)


def test_nothing_acknowledged_is_lost_when_node_and_proxy_are_killed_under_load(start_proxy_process, tmp_path):
    storm(start_proxy_process, tmp_path, "elasticsearch", rounds=1, pause_s=1.0)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("engine", ["elasticsearch", "opensearch"])
def test_nothing_acknowledged_is_lost_in_a_long_storm(start_proxy_process, tmp_path, engine):
    storm(start_proxy_process, tmp_path, engine, rounds=5, pause_s=2.5)
