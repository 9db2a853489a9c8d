"""Tiny models with random weights, one folder per kind of head, built once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_model import save_tiny_bert


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
