"""Tiny models with random weights, one folder per kind of head, and engines that are stopped at the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_backend import wait_until
from tiny_model import save_tiny_bert

from middleware.config import ModelSettings
from middleware.rerank.engine import Engine


def edit_config(folder: Path, **keys: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """tiny_model(labels=..., head=..., names=..., config={...}) -> a new folder."""

    def build(*, config: dict | None = None, **kinds: object) -> Path:
        folder = save_tiny_bert(tmp_path_factory.mktemp("model"), **kinds)
        edit_config(folder, **(config or {}))
        return folder

    return build


@pytest.fixture
def running() -> Iterator[Callable[..., Engine]]:
    """running(backend, ...) -> an engine with it, ready unless `wait` is False; other options are the model's."""
    engines = []

    def start(backend=None, factory=None, retry_s=60.0, wait=True, watch=None, memory=None, **settings):
        model = ModelSettings(**{"source": "org/fake", "max_tokens": 32, **settings})
        factory = factory or (lambda _: backend)
        engine = Engine(model, backend_factory=factory, retry_s=retry_s, watch=watch, memory=memory)
        engine.start()
        engines.append(engine)
        if wait:
            wait_until(lambda: engine.ready)
        return engine

    yield start
    for engine in engines:
        engine.stop()
