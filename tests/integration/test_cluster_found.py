"""The proxy as users run it knows what is behind it, on both engines, and once more when another comes in its place."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from http_call import call

from middleware.nodes.launch import start_node

pytestmark = pytest.mark.integration


def wait_until(condition: Callable[[], bool], log) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def upstream_of(proxy) -> dict:
    return dict(call(f"{proxy.url}/_rerank/health").json["upstream"])


def test_health_and_log_name_the_cluster(start_proxy_process, engine_url):
    said = call(engine_url).json["version"]
    proxy = start_proxy_process({"upstream": {"urls": [engine_url]}})
    wait_until(lambda: bool(upstream_of(proxy)["version"]), proxy.log)
    expected = {"distribution": said.get("distribution", "elasticsearch"), "version": said["number"]}
    assert upstream_of(proxy) == expected
    name = {"elasticsearch": "Elasticsearch", "opensearch": "OpenSearch"}[expected["distribution"]]
    assert f"upstream is {name} {said['number']}\n" in proxy.log.read_text()


def test_another_cluster_at_the_same_address_is_noticed_without_a_restart_of_ours(start_proxy_process):
    first = start_node("elasticsearch", heap="384m", die_with_us=True, quiet=True)
    with first:
        proxy = start_proxy_process({"upstream": {"urls": [first.url], "retry_dead_node_ms": 100}})
        wait_until(lambda: upstream_of(proxy)["version"] == first.version, proxy.log)
    assert call(f"{proxy.url}/_search").status == 502
    assert upstream_of(proxy)["version"] == first.version
    with start_node("opensearch", first.port, heap="384m", die_with_us=True, quiet=True) as second:
        wait_until(lambda: call(f"{proxy.url}/_search").status == 200, proxy.log)
        wait_until(lambda: upstream_of(proxy)["version"] == second.version, proxy.log)
    assert f"upstream is OpenSearch {second.version} (was Elasticsearch {first.version})" in proxy.log.read_text()
