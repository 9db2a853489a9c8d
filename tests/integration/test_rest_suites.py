"""The engines' own REST test suites come to the same end directly and through the proxy, searches reranked or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rest_suites.cases import read_cases
from rest_suites.run import Target
from rest_suites.session import Report, choose, run_both_ways
from rest_suites.supply import Suite, read_suite
from rest_suites.wire import Wire

from middleware.errors import CommandError
from middleware.nodes.launch import start_node

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

# modules by what a search proxy may touch, with the percentage of their cases that run without --slow
SAMPLE = {
    "search.aggregation": 8,
    "search": 36,
    "search*": 40,
    "msearch": 100,
    "scroll": 40,
    "suggest": 40,
    "pit": 100,
    "count": 100,
    "explain": 40,
    "field_caps": 40,
    "mlt": 100,
    "get": 20,
    "get_source": 20,
    "mget": 20,
    "index": 20,
    "create": 20,
    "update": 20,
    "delete": 20,
    "exists": 20,
    "bulk": 40,
    "*termvectors": 20,
    "indices.analyze": 20,
    "indices.validate_query": 50,
    "indices.create": 20,
    "cat.*": 10,
    "scripts": 100,
    "info": 100,
    "ping": 100,
}
EVERYTHING = {"*": 100}
QUERY_TEXT = "usb cable for the red phone"


@dataclass(frozen=True)
class Bench:
    """A node of its own, which the suites may wipe, and two proxies before it."""

    suite: Suite
    direct: Target
    windowed: Target
    """Every search that can be reranked has its window read; no document has the text, so the order is the node's."""
    unconfigured: Target

    def compare(self, percent: dict[str, int], proxied: Target) -> Report:
        cases = choose(read_cases(self.suite), percent)
        report = run_both_ways(cases, self.direct, proxied, QUERY_TEXT)
        print(f"\n{self.suite.engine}: {report}")
        return report


@pytest.fixture(scope="module", params=["elasticsearch", "opensearch"])
def bench(request: Any, start_proxy_process: Any, tiny_model_folder: Path) -> Iterator[Bench]:
    try:
        suite = read_suite(request.param)
    except CommandError as error:
        pytest.skip(f"the REST suite cannot be had: {error}")
    with start_node(request.param, heap="512m", die_with_us=True, quiet=True) as node:
        wire = Wire(node.url)
        version = wire.ask("GET", "/")["version"]["number"]
        upstream = {"upstream": {"urls": [node.url]}}
        proxies = [
            start_proxy_process({**upstream, **_windows(tiny_model_folder)}, wait_for="ready"),
            start_proxy_process(upstream),
        ]
        targets = [Target(Wire(proxy.url), suite, version) for proxy in proxies]
        yield Bench(suite, Target(wire, suite, version), *targets)
        for proxy in proxies:
            proxy.stop()


def _windows(model: Path) -> dict[str, Any]:
    section = {"patterns": ["*"], "template": "{no_document_has_this_field}", "model": "tiny"}
    return {"models": {"tiny": {"source": str(model), "device": "cpu"}}, "indices": {"everything": section}}


def test_suites_end_alike_where_every_search_reads_a_window(bench: Bench) -> None:
    report = bench.compare(SAMPLE, bench.windowed)
    assert report.words["passed"] >= 150
    assert report.share_passed >= 0.95
    assert report.reasons["no_document_text"] >= 30
    assert not report.differences


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_whole_suites_end_alike_where_every_search_reads_a_window(bench: Bench) -> None:
    report = bench.compare(EVERYTHING, bench.windowed)
    assert report.words["passed"] >= 1200
    assert report.share_passed >= 0.95
    assert report.reasons["no_document_text"] >= 150
    assert not report.differences


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_whole_suites_end_alike_where_no_index_is_configured(bench: Bench) -> None:
    report = bench.compare(EVERYTHING, bench.unconfigured)
    assert report.words["passed"] >= 1200
    assert report.reasons["index_not_configured"] >= 300
    assert report.reasons["no_document_text"] == 0
    assert not report.differences
