"""A registry whose processes are killed or come at once: what is there is whole, and nothing is lost."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from registry_models import add, make_model

from middleware.durable_files import UNFINISHED
from middleware.registry.folder import Registry

ROOT = Path(__file__).parents[1]


@pytest.fixture
def registry(tmp_path) -> Registry:
    return Registry(tmp_path / "registry")


@pytest.fixture
def model(tmp_path) -> Path:
    return make_model(tmp_path / "model")


CHILD = """
import os, signal, sys
from pathlib import Path
from middleware.registry.folder import Registry

left = int(sys.argv[2])
KINDS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.listdir", "os.scandir"}

def hook(event, arguments):
    global left
    if event in KINDS:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

registry, folder = Registry(Path(sys.argv[1])), Path(sys.argv[4])
sys.addaudithook(hook)
if sys.argv[3] == "add":
    registry.add(folder, name="shop", kind="cross_encoder", base=None, data={}, template=None, max_tokens=None,
                 measures={}, recipe={})
elif sys.argv[3] == "promote":
    registry.promote("shop", 2)
else:
    for version in range(1, 6):
        registry.add(folder, name="shop", kind="cross_encoder", base=None, data={}, template=None, max_tokens=None,
                     measures={}, recipe={})
        registry.promote("shop", version)
"""


def child(registry: Registry, folder: Path, what: str, killed_at: int = -1) -> subprocess.Popen:
    command = [sys.executable, "-c", CHILD, str(registry.folder), str(killed_at), what, str(folder)]
    return subprocess.Popen(command, cwd=ROOT)


def test_an_add_that_is_killed_anywhere_leaves_nothing_that_looks_complete(registry, model):
    add(registry, model)
    outcomes = []
    for killed_at in range(3, 300, 7):
        before = len(registry.versions("shop"))
        status = child(registry, model, "add", killed_at).wait(timeout=60)
        assert status in (0, -signal.SIGKILL)
        added = len(registry.versions("shop")) - before
        outcomes.append((status, added))
        assert all(registry.check(f"shop@{version}") == [] for version in registry.versions("shop"))
        assert all(entry.manifest is not None for entry in registry.list())
        if status == 0:
            break
    assert outcomes[-1] == (0, 1)
    assert (-signal.SIGKILL, 0) in outcomes
    left = list((registry.folder / "shop").glob(f"{UNFINISHED}*"))
    assert left, "a killed process cannot clean up"
    for path in left:
        os.utime(path, (time.time() - 90_000,) * 2)
    add(registry, model)
    assert not list((registry.folder / "shop").glob(f"{UNFINISHED}*")), "the next one does, a day later"


def test_a_promotion_that_is_killed_anywhere_happened_or_did_not(registry, model):
    add(registry, model)
    add(registry, model)
    outcomes = set()
    for killed_at in range(1, 100, 2):
        registry.promote("shop", 1)
        status = child(registry, model, "promote", killed_at).wait(timeout=60)
        assert status in (0, -signal.SIGKILL)
        outcomes.add((status, registry.find("shop").version))
        if status == 0:
            break
    assert (0, 2) in outcomes
    assert (-signal.SIGKILL, 1) in outcomes
    assert registry.promote("shop", 1).version == 1


def test_processes_that_add_and_promote_at_once_lose_nothing(registry, model):
    running = [child(registry, model, "both") for _ in range(3)]
    assert [each.wait(timeout=120) for each in running] == [0, 0, 0]
    assert registry.versions("shop") == list(range(1, 16))
    assert all(registry.check(f"shop@{version}") == [] for version in registry.versions("shop"))
    history = registry.aliases("shop")["production"].history
    assert {move.version for move in history} == {1, 2, 3, 4, 5}
    assert all(left.version != right.version for left, right in itertools.pairwise(history))
