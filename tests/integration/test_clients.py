"""The official clients, unchanged, against the proxy: they see reranked searches and otherwise Elasticsearch."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from middleware.config import cache_dir

pytestmark = pytest.mark.integration

CLIENTS = Path(__file__).parents[1] / "clients"
PYTHON_7 = "elasticsearch==7.17.13"


@pytest.fixture(scope="module")
def proxy_url(start_proxy_process, upstream_url, tiny_model_folder) -> str:
    configuration = {
        "upstream": {"urls": [upstream_url]},
        "models": {"tiny": {"source": str(tiny_model_folder)}},
        "indices": {"clients": {"patterns": ["transport-clients-*"], "template": "{title}"}},
        "budget_ms": 30_000,
    }
    return start_proxy_process(configuration, wait_for="ready").url


@pytest.fixture
def index(upstream_url) -> Iterator[str]:
    name = f"transport-clients-{uuid.uuid4().hex[:8]}"
    yield name
    deletion = urllib.request.Request(f"{upstream_url}/{name}?ignore_unavailable=true", method="DELETE")
    urllib.request.urlopen(deletion).close()


def installed(name: str, key: str, install: list[str], files: tuple[Path, ...] = ()) -> Path:
    """A cached folder that `install` was run in once; `key` changes when what it installs does."""
    folder = cache_dir() / "test-clients" / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    if not folder.is_dir():
        unfinished = folder.with_name(f"{folder.name}-{os.getpid()}")
        unfinished.mkdir(parents=True)
        for file in files:
            shutil.copy(file, unfinished)
        subprocess.run(install, cwd=unfinished, check=True, capture_output=True, timeout=240)
        unfinished.rename(folder)
    return folder


def run(command: list[str], **environment: str) -> dict:
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check(seen: dict, version: str) -> None:
    assert seen["version"].startswith(version)
    assert seen["got"] == {"title": "leather shoe"}
    assert seen["bulk"] == 40
    assert len(set(seen["on"])) == len(set(seen["off"])) == 20
    assert seen["on"] != seen["off"]
    assert seen.get("words", ["applied", "skipped"]) == ["applied", "skipped"]
    assert sorted(seen["scanned"], key=int) == [str(number) for number in range(40)]
    assert (seen["deleted"], seen["count"]) == (20, 21)
    assert seen["error"] == [True, 404]


def test_the_python_client_9_works_unchanged(proxy_url, index):
    check(run([sys.executable, str(CLIENTS / "client.py"), proxy_url, index]), "9.")


def test_the_python_client_7_works_unchanged(proxy_url, index):
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", ".", PYTHON_7]
    folder = installed("python", PYTHON_7, pip)
    script = str(CLIENTS / "client.py")
    check(run([sys.executable, "-W", "ignore", script, proxy_url, index], PYTHONPATH=str(folder)), "7.")


@pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="node and npm are not installed")
@pytest.mark.parametrize("version", ["9", "7"])
def test_the_javascript_client_works_unchanged(proxy_url, index, version):
    files = tuple((CLIENTS / f"javascript{version}" / name) for name in ("package.json", "package-lock.json"))
    key = "".join(file.read_text() for file in files)
    folder = installed(f"javascript{version}", key, ["npm", "ci", "--no-audit", "--no-fund"], files)
    node_path = str(folder / "node_modules")
    check(run(["node", str(CLIENTS / "client.cjs"), proxy_url, index], NODE_PATH=node_path), f"{version}.")
