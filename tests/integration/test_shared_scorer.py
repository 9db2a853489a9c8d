"""`es-rerank scorer` for real: two proxy workers share it over a unix socket, lose it, and find it again."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import yaml
from http_call import call

from middleware.config import ModelSettings
from middleware.errors import RerankError
from middleware.rerank.backends.remote import RemoteBackend
from middleware.rerank.backends.torch import TorchBackend

pytestmark = pytest.mark.integration
pytest.importorskip("torch")

TITLES = ["red phone case", "blue phone case", "usb c cable", "iphone 12 case", "leather running shoe", "phone"]
SEARCH = {"query": {"match": {"title": "phone case"}}, "size": 4}
REPO = Path(__file__).parents[2]
StartScorer = Callable[..., subprocess.Popen[bytes]]


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def start_scorer(tiny_model_folder: Path, tmp_path: Path) -> Iterator[StartScorer]:
    """Start `es-rerank scorer` with the tiny model at an address."""
    running = []

    def start(bind: str, **settings) -> subprocess.Popen[bytes]:
        path = tmp_path / f"scorer-{uuid.uuid4().hex}.yml"
        # The proxy's own configuration would do: what it says of servers is not for the scorer itself.
        model = {"source": str(tiny_model_folder), "max_tokens": 64, "remote": {"servers": ["http://127.0.0.1:9"]}}
        path.write_text(yaml.safe_dump({"models": {"default": model}, **settings}))
        command = [sys.executable, "-m", "middleware", "scorer", "--config", str(path), "--bind", bind]
        with (tmp_path / "scorer.log").open("ab") as log:
            running.append(subprocess.Popen(command, cwd=REPO, stdout=log, stderr=log, start_new_session=True))
        return running[-1]

    yield start
    for process in running:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=40)


@pytest.fixture
def index(engine_url: str) -> Iterator[str]:
    name = f"scorer-{uuid.uuid4().hex[:8]}"
    lines = [json.dumps(line) for number, title in enumerate(TITLES) for line in _indexed(number, title)]
    bulk = "\n".join([*lines, ""]).encode()
    assert call(f"{engine_url}/{name}/_bulk?refresh=true", bulk, {"Content-Type": "application/x-ndjson"}).status == 200
    yield name
    call(f"{engine_url}/{name}", method="DELETE")


def _indexed(number: int, title: str) -> tuple[dict, dict]:
    return {"index": {"_id": str(number)}}, {"title": title}


def proxy_settings(engine_url: str, index: str, model: dict, **server) -> dict:
    return {
        "upstream": {"urls": [engine_url]},
        "models": {"default": model},
        "variants": {"default": {"model": "default", "window": 10}},
        "indices": {"products": {"patterns": [index], "template": "{title}"}},
        "rankings": {"ttl_s": 0},
        "budget_ms": 5000,
        "server": server,
    }


def outcome(proxy, index: str) -> tuple[str, str | None, list[str]]:
    answer = call(f"{proxy.url}/{index}/_search", SEARCH)
    assert answer.status == 200
    hits = [hit["_id"] for hit in answer.json["hits"]["hits"]]
    return answer.headers["X-Rerank"], answer.headers["X-Rerank-Reason"], hits


def backend_at(address: str, folder: Path, **remote) -> RemoteBackend:
    return RemoteBackend(
        ModelSettings(source=str(folder), remote={"servers": [address], "timeout_ms": 20_000, **remote})
    )


def wait_for_scorer(backend: RemoteBackend) -> None:
    def answers() -> bool:
        try:
            return bool(len(backend.score(backend.encode("a", ["b"]))))
        except RerankError:
            return False

    wait_until(answers, 120, "the scorer does not answer")


def test_two_workers_share_a_scorer_that_dies_and_comes_back(
    engine_url, index, tiny_model_folder, tmp_path, start_scorer, start_proxy_process
):
    socket_path = tmp_path / "s"
    remote = {"servers": [f"unix:{socket_path}"], "timeout_ms": 3000}
    shared = {"source": str(tiny_model_folder), "max_tokens": 64, "remote": remote}
    proxy = start_proxy_process(proxy_settings(engine_url, index, shared, workers=2))
    assert outcome(proxy, index)[:2] == ("fallback", "model_unavailable"), "the proxy is there before the scorer"
    scorer = start_scorer(f"unix:{socket_path}")

    def applied() -> bool:
        with ThreadPoolExecutor(8) as clients:
            return {word for word, _, _ in clients.map(lambda _: outcome(proxy, index), range(16))} == {"applied"}

    wait_until(applied, 120, "not applied by every worker")
    assert stat.S_IMODE(socket_path.stat().st_mode) == 0o660, "for its owner and group alone"
    reranked = outcome(proxy, index)[2]
    alone = {"source": str(tiny_model_folder), "max_tokens": 64}
    local = start_proxy_process(proxy_settings(engine_url, index, alone), wait_for="ready")
    assert outcome(local, index)[2] == reranked
    assert call(f"{local.url}/{index}/_search", SEARCH, {"X-Rerank": "off"}).json["hits"]["hits"] != []

    os.killpg(scorer.pid, signal.SIGKILL)  # its worker, too
    scorer.wait(timeout=20)
    with ThreadPoolExecutor(8) as clients:
        fallen = {(word, reason) for word, reason, _ in clients.map(lambda _: outcome(proxy, index), range(16))}
    assert fallen == {("fallback", "backend_error")}
    start_scorer(f"unix:{socket_path}")
    wait_until(applied, 120, "not applied again")
    assert outcome(proxy, index)[2] == reranked


@pytest.mark.parametrize("api", ["tei", "rerank"])
def test_scores_over_the_socket_are_the_models_own(tiny_model_folder, tmp_path, start_scorer, api):
    start_scorer(f"unix:{tmp_path}/s")
    backend = backend_at(f"unix:{tmp_path}/s", tiny_model_folder, api=api)
    wait_for_scorer(backend)
    own = TorchBackend(ModelSettings(source=str(tiny_model_folder), device="cpu", max_tokens=64))
    texts = [*TITLES, "", "红 手机壳", "word " * 300]
    expected = own.score(own.encode("iphone 手机壳", texts))
    np.testing.assert_allclose(backend.score(backend.encode("iphone 手机壳", texts)), expected, atol=1e-5)
    with ThreadPoolExecutor(8) as threads:
        answers = threads.map(lambda _: backend.score(backend.encode("iphone 手机壳", texts)), range(40))
        for answer in answers:
            np.testing.assert_allclose(answer, expected, atol=1e-5)


def test_over_tcp_it_says_how_it_is_and_reloads(tiny_model_folder, start_scorer):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    scorer = start_scorer(f"127.0.0.1:{port}")
    wait_for_scorer(backend_at(url, tiny_model_folder))
    assert call(f"{url}/health").status == 200
    assert call(f"{url}/info").json["max_input_length"] == 64
    late = call(f"{url}/rerank", {"query": "a", "texts": ["b"] * 900}, {"X-Rerank-Budget-Ms": "1"})
    assert (late.status, late.json["error_type"]) == (504, "Timeout")

    def documents() -> float:
        lines = call(f"{url}/metrics").body.decode().splitlines()
        return sum(float(line.split()[1]) for line in lines if line.startswith("es_rerank_scorer_documents_total"))

    before = documents()
    assert len(call(f"{url}/v1/rerank", {"query": "a", "documents": ["b", "c"]}).json["results"]) == 2
    assert documents() == before + 2
    scorer.send_signal(signal.SIGHUP)
    time.sleep(1)
    wait_for_scorer(backend_at(url, tiny_model_folder))
    scorer.terminate()
    assert scorer.wait(timeout=40) == 0
