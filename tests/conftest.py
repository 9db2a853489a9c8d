"""What all tests share: the real node (a URL, Docker or embedded, in this order), the shared data, and --slow."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# A machine at work on something else takes its time; what hangs meets pytest's own timeout.
settings.register_profile("es-rerank", deadline=None)
settings.load_profile("es-rerank")

ELASTICSEARCH_IMAGE = "elasticsearch:9.1.5"
URL_VARIABLE = "ES_RERANK_TEST_URL"
OPENSEARCH_URL_VARIABLE = "ES_RERANK_TEST_OPENSEARCH_URL"
NO_DOCKER_VARIABLE = "ES_RERANK_TEST_NO_DOCKER"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow, too")
    parser.addoption("--update-readme", action="store_true", help="write the README's compatibility table anew")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


def choose_node(environment: dict[str, str], docker_answers: Callable[[], bool]) -> str:
    """Which node the tests use: "url", "docker" or "embedded"; Docker is asked only when it might be taken."""
    if environment.get(URL_VARIABLE):
        return "url"
    if not environment.get(NO_DOCKER_VARIABLE) and docker_answers():
        return "docker"
    return "embedded"


def docker_answers() -> bool:
    """Whether a Docker engine can be reached from here."""
    try:
        import docker

        client = docker.from_env(timeout=5)
    except Exception:  # noqa: BLE001 - the client raises many kinds, and all mean that there is no Docker for us
        return False
    try:
        return bool(client.ping())
    except Exception:  # noqa: BLE001 - as above
        return False
    finally:
        client.close()


def _run_in_docker() -> Any:
    from testcontainers.elasticsearch import ElasticSearchContainer

    container = ElasticSearchContainer(ELASTICSEARCH_IMAGE, mem_limit="2G")
    container.with_env("xpack.security.enabled", "false").with_env("ES_JAVA_OPTS", "-Xms512m -Xmx512m")
    container.with_env("cluster.routing.allocation.disk.threshold_enabled", "false")
    return container


@pytest.fixture(scope="session")
def upstream_url() -> Iterator[str]:
    """The address of a real Elasticsearch, without a slash at its end."""
    choice = choose_node(dict(os.environ), docker_answers)
    if choice == "url":
        yield os.environ[URL_VARIABLE].rstrip("/")
    elif choice == "docker":
        with _run_in_docker() as container:
            yield container.get_url().rstrip("/")
    else:
        from middleware.nodes.launch import start_node

        with start_node("elasticsearch", heap="512m", die_with_us=True, quiet=True) as node:
            yield node.url


@pytest.fixture(scope="session")
def opensearch_url() -> Iterator[str]:
    """The address of a real OpenSearch, without a slash at its end."""
    if os.environ.get(OPENSEARCH_URL_VARIABLE):
        yield os.environ[OPENSEARCH_URL_VARIABLE].rstrip("/")
        return
    from middleware.nodes.launch import start_node

    with start_node("opensearch", heap="512m", die_with_us=True, quiet=True) as node:
        yield node.url


@pytest.fixture(scope="session", params=["elasticsearch", "opensearch"])
def cluster_urls(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """The addresses of both nodes of a real cluster, on each engine in turn."""
    from middleware.nodes.cluster import start_cluster

    with start_cluster(request.param, heap="384m", die_with_us=True, quiet=True) as cluster:
        yield cluster.urls


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; tests that need it are skipped where it is missing."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}")
    return folder
