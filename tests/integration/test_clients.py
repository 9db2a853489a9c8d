"""The official clients, unchanged, against the proxy: they see reranked searches and otherwise their own engine."""

from __future__ import annotations

import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from installed_clients import CLIENTS, has_javascript

pytestmark = pytest.mark.integration

OF_OPENSEARCH = [name for name in CLIENTS if name.startswith("opensearch")]
OF_ELASTICSEARCH = [name for name in CLIENTS if name not in OF_OPENSEARCH]


@pytest.fixture(scope="module")
def start_proxy(start_proxy_process, tiny_model_folder) -> Any:
    def start(node_url: str) -> str:
        configuration = {
            "upstream": {"urls": [node_url]},
            "models": {"tiny": {"source": str(tiny_model_folder)}},
            "indices": {"clients": {"patterns": ["transport-clients-*"], "template": "{title}"}},
            "budget_ms": 30_000,
        }
        return str(start_proxy_process(configuration, wait_for="ready").url)

    return start


@pytest.fixture(scope="module")
def proxy_url(start_proxy, upstream_url) -> str:
    return str(start_proxy(upstream_url))


@pytest.fixture(scope="module")
def opensearch_proxy_url(start_proxy, opensearch_url) -> str:
    return str(start_proxy(opensearch_url))


def new_index(node_url: str) -> Iterator[str]:
    name = f"transport-clients-{uuid.uuid4().hex[:8]}"
    yield name
    deletion = urllib.request.Request(f"{node_url}/{name}?ignore_unavailable=true", method="DELETE")
    urllib.request.urlopen(deletion).close()


@pytest.fixture
def index(upstream_url) -> Iterator[str]:
    yield from new_index(upstream_url)


@pytest.fixture
def opensearch_index(opensearch_url) -> Iterator[str]:
    yield from new_index(opensearch_url)


def skip_where_missing(name: str) -> None:
    if name.startswith("JavaScript") and not has_javascript:
        pytest.skip("node and npm are not installed")


def check(seen: dict, version: str) -> None:
    assert seen["version"].startswith(f"{version}.")
    assert seen["got"] == {"title": "leather shoe"}
    assert seen["bulk"] == 40
    assert len(set(seen["on"])) == len(set(seen["off"])) == 20
    assert seen["on"] != seen["off"]
    assert seen.get("words", ["applied", "skipped"]) == ["applied", "skipped"]
    assert sorted(seen["scanned"], key=int) == [str(number) for number in range(40)]
    assert (seen["deleted"], seen["count"]) == (20, 21)
    assert seen["error"] == [True, 404]


@pytest.mark.parametrize("name", OF_ELASTICSEARCH)
def test_the_clients_of_elasticsearch_work_unchanged(proxy_url, index, name):
    skip_where_missing(name)
    check(CLIENTS[name].run("client", proxy_url, index), CLIENTS[name].version)


@pytest.mark.parametrize("name", OF_OPENSEARCH)
def test_the_clients_of_opensearch_work_unchanged(opensearch_proxy_url, opensearch_index, name):
    check(CLIENTS[name].run("client", opensearch_proxy_url, opensearch_index), CLIENTS[name].version)


@pytest.mark.parametrize("name", OF_ELASTICSEARCH)
def test_the_clients_of_elasticsearch_refuse_opensearch_with_us_as_without(
    opensearch_url, opensearch_proxy_url, opensearch_index, name
):
    skip_where_missing(name)
    for url in (opensearch_url, opensearch_proxy_url):
        with pytest.raises(AssertionError, match=r"UnsupportedProductError|ProductNotSupportedError|\b406\b"):
            CLIENTS[name].run("client", url, opensearch_index)
