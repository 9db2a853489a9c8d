"""Models promoted and rolled back under a proxy at work: no search fails or mixes models, and no memory grows."""

from __future__ import annotations

import json
import random
import re
import socket
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import yaml
from http_call import call, fill
from tiny_model import WORDS, save_tiny_bert

from middleware.config import ModelSettings
from middleware.registry.folder import Registry
from middleware.rerank.backends import load_backend

pytestmark = pytest.mark.integration
pytest.importorskip("torch")

REPO = Path(__file__).parents[2]
DOCUMENTS, MAX_TOKENS = 12, 32
QUERY = "red phone case"
TEMPLATE = "{title}"


@pytest.fixture(scope="module")
def titles() -> list[str]:
    draw = random.Random(5)
    return [" ".join(["phone", *draw.sample(WORDS, 5)]) for _ in range(DOCUMENTS)]


@pytest.fixture(scope="module")
def index(upstream_url, titles):
    name = f"switching-{uuid.uuid4().hex[:8]}"
    lines = [
        line for number, title in enumerate(titles) for line in ({"index": {"_id": str(number)}}, {"title": title})
    ]
    fill(upstream_url, name, lines)
    yield name
    call(f"{upstream_url}/{name}", method="DELETE")


def add(registry: Registry, folder: Path, name: str = "shop") -> Path:
    about = {"kind": "cross_encoder", "base": None, "data": {}, "template": TEMPLATE, "max_tokens": MAX_TOKENS}
    manifest = registry.add(folder, name=name, **about, measures={}, recipe={})
    return registry.resolve(manifest.label)


@pytest.fixture(scope="module")
def registry(tmp_path_factory) -> Registry:
    """`shop`: two models that differ, and a third whose weights were cut off before it was added."""
    folder = tmp_path_factory.mktemp("switching")
    registry = Registry(folder / "registry")
    for seed in (1, 2):
        add(registry, save_tiny_bert(folder / str(seed), seed=seed))
    broken = save_tiny_bert(folder / "3", seed=3)
    weights = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    add(registry, broken)
    registry.promote("shop", 1)
    about = {"base": None, "data": {}, "template": None, "max_tokens": None, "measures": {}, "recipe": {}}
    for sign in (1, -1):
        only = folder / f"fusion{sign}"
        only.mkdir()
        (only / "fusion.json").write_text(json.dumps(first_stage_alone(sign)))
        registry.add(only, name="blend", kind="fusion", **about)
    registry.promote("blend", 1)
    return registry


def first_stage_alone(sign: int) -> dict[str, Any]:
    """A fusion model whose order is Elasticsearch's, or the other way round."""
    scaling = {"mean": {"first_stage": 0}, "deviation": {"first_stage": 1}}
    head = {"kind": "linear", "features": ["first_stage"], "fields": [], "monotone": []}
    return {**head, "scaling": scaling, "weights": {"first_stage": sign}, "bias": 0}


@pytest.fixture(scope="module")
def orders(registry, titles) -> dict[str, list[str]]:
    """The order in which each model by itself puts the documents."""

    def order(version: int) -> list[str]:
        settings = ModelSettings(source=str(registry.resolve(f"shop@{version}")), max_tokens=MAX_TOKENS)
        backend = load_backend(settings)
        scores = backend.score(backend.encode(QUERY, titles))
        assert len(np.unique(scores.round(5))) == len(scores)
        return [str(number) for number in np.argsort(-scores)]

    found = {f"shop@{version}": order(version) for version in (1, 2)}
    assert found["shop@1"] != found["shop@2"]
    return found


def configuration(upstream_url: str, index: str, registry: Registry, **server: Any) -> dict[str, Any]:
    return {
        "upstream": {"urls": [upstream_url]},
        "registry": str(registry.folder),
        "models": {"default": {"source": "registry:shop", "max_tokens": MAX_TOKENS, "device": "cpu"}},
        "variants": {
            "default": {"window": DOCUMENTS, "weights": {"first_stage": 0}},
            "blend": {"fusion": "registry:blend"},
        },
        "indices": {"products": {"patterns": [index], "template": TEMPLATE}},
        "budget_ms": 20_000,
        "server": server,
    }


def search(url: str, index: str, variant: str = "on") -> tuple[int, str | None, str | None, list[str]]:
    body = {"query": {"match": {"title": QUERY}}, "size": DOCUMENTS}
    answer = call(f"{url}/{index}/_search", body, {"X-Rerank": variant})
    hits = [hit["_id"] for hit in answer.json["hits"]["hits"]]
    return answer.status, answer.headers["X-Rerank-Reason"], answer.headers["X-Rerank-Model"], hits


def eventually(condition, seconds: float = 60) -> float:
    """Seconds until it holds."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds
        time.sleep(0.05)
    return time.monotonic() - started


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def status(url: str) -> dict[str, Any]:
    return call(f"{url}/_rerank/models").json["models"]["default"]


def switches(url: str, outcome: str) -> float:
    text = call(f"{url}/_rerank/metrics").body.decode()
    found = re.findall(rf'es_rerank_model_switches_total{{model="default",outcome="{outcome}"}} (\S+)', text)
    return sum(map(float, found))


@pytest.fixture(scope="module")
def proxy(upstream_url, index, registry, start_proxy_process):
    """Two workers, both of which are ready."""
    proxy = start_proxy_process(configuration(upstream_url, index, registry, workers=2))
    eventually(lambda: proxy.log.read_text().count("model shop@1 is ready") == 2, 120)
    return proxy


def test_promotions_and_rollbacks_under_load_fail_no_search_and_mix_no_models(proxy, index, registry, orders):
    stop, seen = Event(), []

    def ask() -> None:
        while not stop.is_set():
            seen.append(search(proxy.url, index))

    def last(count: int = 24) -> set[str]:
        """The models of the latest answers: enough for both workers to have answered."""
        return {model for *_, model, _ in seen[-count:]}

    def command(*arguments: str) -> None:
        where = ("--registry", str(registry.folder))
        subprocess.run([sys.executable, "-m", "middleware", "models", *arguments, *where], cwd=REPO, check=True)

    with ThreadPoolExecutor(4) as clients:
        asking = [clients.submit(ask) for _ in range(4)]
        try:
            eventually(lambda: len(seen) > 40)
            for move, expected in ((("promote", "shop", "2"), "shop@2"), (("rollback", "shop"), "shop@1")):
                command(*move)
                took = eventually(lambda expected=expected: last() == {expected})
                assert took < 30, "both workers, with the search load of four clients on them"
                eventually(lambda: status(proxy.url)["state"] == "ready")
            registry.promote("shop", 3)
            eventually(lambda: switches(proxy.url, "failed") == 2)
            told = status(proxy.url)
            count = len(seen)
            eventually(lambda: len(seen) > count + 40)
        finally:
            stop.set()
        for client in asking:
            client.result()
    registry.rollback("shop")
    assert {answer[:2] for answer in seen} == {(200, None)}
    assert {(model, tuple(hits)) for *_, model, hits in seen} == {
        (model, tuple(order)) for model, order in orders.items()
    }
    assert last() == {"shop@1"}
    assert (told["reference"], told["model"], told["version"], told["next"]) == ("registry:shop", "shop@1", 1, "shop@3")
    assert (told["state"], told["ready"]) == ("failed", True)
    assert "cannot be loaded" in told["error"]
    assert switches(proxy.url, "switched") == 4
    log = proxy.log.read_text()
    assert "model default: shop@1 stays in its place, shop@3 could not be loaded" in log
    assert "Traceback" not in log
    eventually(lambda: status(proxy.url)["state"] == "ready" and status(proxy.url)["error"] is None)


def test_a_fusion_model_is_switched_in_the_same_way(proxy, index, registry):
    plain = search(proxy.url, index, "off")
    assert search(proxy.url, index, "blend")[3] == plain[3]
    registry.promote("blend", 2)
    seen: list[list[str]] = []

    def turned() -> bool:
        seen.append(search(proxy.url, index, "blend")[3])
        return len(seen) > 12 and all(hits == seen[-1] for hits in seen[-12:]) and seen[-1] != plain[3]

    eventually(turned, 30)
    assert seen[-1][0] != plain[3][0]
    assert {tuple(hits) for hits in seen} == {tuple(plain[3]), tuple(seen[-1])}
    told = call(f"{proxy.url}/_rerank/models").json["fusions"]["registry:blend"]
    assert (told["model"], told["version"], told["state"]) == ("blend@2", 2, "ready")


def test_a_scorer_follows_its_alias_and_the_proxy_before_it_says_which_model_answered(
    upstream_url, index, registry, orders, tmp_path, start_proxy_process
):
    registry.promote("shop", 1)
    # The proxy's own file: what it says of servers is not for the scorer.
    model = {"source": "registry:shop", "max_tokens": MAX_TOKENS, "remote": {"servers": ["http://127.0.0.1:9"]}}
    path = tmp_path / "rerank.yml"
    path.write_text(yaml.safe_dump({"models": {"default": model}, "registry": str(registry.folder)}))
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "middleware", "scorer", "--config", str(path), "--bind", url.split("//")[1]]
    with (tmp_path / "log").open("wb") as log:
        scorer = subprocess.Popen(command, cwd=REPO, stdout=log, stderr=log)
    body = json.dumps({"query": "a", "documents": ["red phone", "case"]}).encode()

    def answering() -> str | None:
        try:
            answer = call(f"{url}/v1/rerank", body)
        except OSError:
            return None
        return answer.json["model"] if answer.status == 200 else None

    try:
        eventually(lambda: answering() == "shop@1")
        registry.promote("shop", 2)
        eventually(lambda: answering() == "shop@2", 30)
        assert call(f"{url}/info").json["model_id"] == "shop@2"
        settings = configuration(upstream_url, index, registry)
        settings["models"]["default"]["remote"] = {"servers": [url], "timeout_ms": 10_000}
        proxy = start_proxy_process(settings, wait_for="ready")
        assert search(proxy.url, index)[1:] == (None, "shop@2", orders["shop@2"])
        registry.rollback("shop")
        eventually(lambda: answering() == "shop@1", 30)
        # What is remembered of the old model ends with the first search that the new one answers.
        call(f"{proxy.url}/{index}/_search", {"query": {"match": {"title": "red phone"}}, "size": DOCUMENTS})
        assert search(proxy.url, index)[1:] == (None, "shop@1", orders["shop@1"])
        registry.promote("shop", 2)
        eventually(lambda: answering() == "shop@2", 30)
        assert b'outcome="switched"} 3.0' in call(f"{url}/metrics").body
    finally:
        scorer.terminate()
        assert scorer.wait(timeout=40) == 0
    registry.rollback("shop")
