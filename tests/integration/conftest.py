"""The proxy as users run it: `es-rerank serve` in a process of its own, on a free port."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from http_call import call

REPO = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["elasticsearch", "opensearch"])
def engine_url(request: pytest.FixtureRequest) -> str:
    """The address of a real node of each engine in turn."""
    return str(request.getfixturevalue("upstream_url" if request.param == "elasticsearch" else "opensearch_url"))


@dataclass(frozen=True)
class Proxy:
    """A running proxy."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def wait_for_model(self, name: str) -> None:
        def ready() -> bool:
            return bool(call(f"{self.url}/_rerank/models").json["models"][name]["ready"])

        wait_until(ready, 120, f"model {name} is not ready: {self.log.read_text()}")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=40)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


StartProxy = Callable[..., Proxy]


@pytest.fixture(scope="module")
def start_proxy_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartProxy]:
    """Start `es-rerank serve` with a configuration (as in rerank.yml); waits for /_rerank/health, or /ready."""
    running: list[Proxy] = []

    def start(configuration: dict[str, Any], *, wait_for: str = "health", arguments: tuple[str, ...] = ()) -> Proxy:
        folder = tmp_path_factory.mktemp("proxy")
        port = free_port()
        settings = {**configuration, "server": {"bind": f"127.0.0.1:{port}", **configuration.get("server", {})}}
        (folder / "rerank.yml").write_text(yaml.safe_dump(json.loads(json.dumps(settings))))
        command = [sys.executable, "-m", "middleware", "serve", "--config", str(folder / "rerank.yml"), *arguments]
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, cwd=REPO, stdout=output, stderr=output, env={**os.environ})
        proxy = Proxy(f"http://127.0.0.1:{port}", port, process, log)
        running.append(proxy)

        def up() -> bool:
            assert process.poll() is None, log.read_text()
            return answers(f"{proxy.url}/_rerank/{wait_for}")

        wait_until(up, 120, f"the proxy is not {wait_for}: {log.read_text()}")
        return proxy

    yield start
    for proxy in running:
        if proxy.process.poll() is None:
            proxy.process.terminate()
    for proxy in running:
        try:
            proxy.process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            proxy.process.kill()


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder with random weights: real scoring in milliseconds."""
    from tiny_model import save_tiny_bert

    return save_tiny_bert(tmp_path_factory.mktemp("tiny"))
