"""A model behind an alias: what a search holds, when a switch happens, and what one that fails leaves."""

from __future__ import annotations

import gc
import json
import logging
import os
import subprocess
import sys
import time
import weakref
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
from fake_backend import wait_until

from middleware.config import ModelSettings, Settings
from middleware.errors import ModelUnavailable
from middleware.registry.folder import Registry
from middleware.registry.watch import AliasFollower, RegistryWatch
from middleware.rerank.engine import Engine
from middleware.rerank.served_model import ServedModel
from middleware.second_stage import Reader, SecondStage


class VersionBackend:
    """Scores every pair with a tenth of its version; loads when `gate` is open; version 9 cannot be loaded."""

    name, threads, workers, batch_tokens = "fake", 1, 1, 512
    gate = Event()
    loads = 0

    def __init__(self, settings: ModelSettings) -> None:
        type(self).loads += 1
        self.version = int(Path(settings.source).name) if "/" in settings.source else 0
        assert self.gate.wait(20)
        if self.version in (0, 9):
            raise ModelUnavailable(f"version {self.version} is broken")

    def encode(self, query_text, document_texts):
        return [{"input_ids": [1, 2, 3]} for _ in document_texts]

    def score(self, batch):
        return np.full(len(batch), self.version / 10)


class Counts:
    def __init__(self) -> None:
        self.switches: list[tuple[str, str]] = []
        self.limits: dict[str, int] = {}

    def count_switch(self, model, outcome):
        self.switches.append((model, outcome))

    def see_queue_limit(self, model, searches):
        self.limits[model] = searches


@pytest.fixture
def registry(tmp_path) -> Registry:
    """Nine versions of `shop`, the first of which is in production."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"weights")
    registry = Registry(tmp_path / "registry")
    about = {"kind": "cross_encoder", "base": None, "data": {}, "template": None, "max_tokens": None}
    for _ in range(9):
        registry.add(model, name="shop", **about, measures={}, recipe={})
    registry.promote("shop", 1)
    return registry


@pytest.fixture
def counts() -> Counts:
    VersionBackend.gate.set()
    VersionBackend.loads = 0
    return Counts()


@pytest.fixture
def serve(registry, counts):
    """serve(source) -> a started model; it is looked at by hand."""
    with ExitStack() as stack:

        def start(source="registry:shop", retry_s=60.0, wait=True) -> ServedModel:
            def make(settings):
                return Engine(settings, backend_factory=VersionBackend, retry_s=retry_s)

            served = ServedModel("default", ModelSettings(source=source, max_tokens=32), registry, make, counts)
            served.start()
            stack.callback(served.stop)
            if wait:
                wait_until(lambda: served.status.ready)
            return served

        yield start


def score(served: ServedModel) -> tuple[str, float]:
    with served.hold() as engine:
        return engine.name, float(engine.score("a", ["b"], budget_ms=5000)[0])


def look_until(served: ServedModel, condition) -> None:
    def done() -> bool:
        served.look()
        return bool(condition())

    wait_until(done)


def test_a_promotion_is_loaded_beside_the_old_model_and_then_takes_its_place(serve, registry, counts):
    served = serve()
    assert score(served) == ("shop@1", 0.1)
    assert served.look() is False
    VersionBackend.gate.clear()
    registry.promote("shop", 2)
    assert served.look() is True
    status = served.status
    assert (status.state, status.model, status.version, status.next) == ("switching", "shop@1", 1, "shop@2")
    assert (status.reference, status.ready, status.error) == ("registry:shop", True, None)
    assert score(served) == ("shop@1", 0.1), "the old one serves meanwhile"
    VersionBackend.gate.set()
    look_until(served, lambda: served.status.state == "ready")
    assert score(served) == ("shop@2", 0.2)
    status = served.status
    assert (status.version, status.next, status.error) == (2, None, None)
    assert abs(status.since - time.time()) < 30
    assert counts.switches == [("default", "switched")]
    assert counts.limits == {"shop@1": 0}
    registry.rollback("shop")
    look_until(served, lambda: score(served) == ("shop@1", 0.1))


def test_a_search_finishes_on_the_model_it_began_with_which_is_stopped_and_freed_after_it(serve, registry):
    served = serve()
    with served.hold() as engine:
        registry.promote("shop", 3)
        look_until(served, lambda: score(served)[0] == "shop@3")
        assert served.look() is True, "the old one is still held"
        assert engine.score("a", ["b"], budget_ms=5000).tolist() == [0.1]
    old = weakref.ref(engine)
    assert engine.ready
    assert served.look() is False
    assert not engine.ready
    del engine
    gc.collect()
    assert old() is None


def test_a_model_that_cannot_be_loaded_leaves_the_old_one_and_is_not_tried_in_a_loop(serve, registry, counts, caplog):
    served = serve()
    registry.promote("shop", 9)
    with caplog.at_level(logging.ERROR):
        look_until(served, lambda: served.status.state == "failed")
        for _ in range(20):
            assert served.look() is False, "nothing to look for soon"
    status = served.status
    assert (status.model, status.next, status.ready) == ("shop@1", "shop@9", True)
    assert status.error == "version 9 is broken"
    assert score(served) == ("shop@1", 0.1)
    assert VersionBackend.loads == 2
    assert counts.switches == [("default", "failed")]
    told = "model default: shop@1 stays in its place, shop@9 could not be loaded: version 9 is broken"
    assert [record.message for record in caplog.records].count(told) == 1
    registry.rollback("shop")
    assert served.look() is False
    assert (served.status.state, served.status.error) == ("ready", None)
    registry.promote("shop", 4)
    look_until(served, lambda: score(served) == ("shop@4", 0.4))
    assert VersionBackend.loads == 3


def test_a_model_that_can_be_loaded_at_a_later_try_is_switched_to(serve, registry):
    served = serve(retry_s=0.05)
    registry.promote("shop", 9)
    look_until(served, lambda: served.status.state == "failed")
    VersionBackend.gate.clear()  # of a further try, which sees another outcome
    broken, VersionBackend.__init__ = VersionBackend.__init__, lambda self, settings: setattr(self, "version", 9)
    VersionBackend.gate.set()
    try:
        look_until(served, lambda: served.status.state == "ready" and score(served) == ("shop@9", 0.9))
    finally:
        VersionBackend.__init__ = broken


def test_an_alias_that_moves_again_before_the_model_is_ready_is_followed_at_once(serve, registry, counts):
    served = serve()
    VersionBackend.gate.clear()
    registry.promote("shop", 2)
    served.look()
    registry.promote("shop", 3)
    Thread(target=lambda: (time.sleep(0.2), VersionBackend.gate.set())).start()
    look_until(served, lambda: score(served) == ("shop@3", 0.3))
    assert counts.switches == [("default", "abandoned"), ("default", "switched")]


def test_a_version_and_a_folder_never_move(serve, registry):
    pinned = serve("registry:shop@5")
    registry.promote("shop", 6)
    assert (pinned.moves, pinned.look(), score(pinned)) == (False, False, ("shop@5", 0.5))
    assert pinned.status.version == 5
    folder = serve(str(registry.resolve("shop@6")))
    assert (folder.moves, folder.look(), score(folder)[0]) == (False, False, "shop@6")
    assert (folder.status.version, folder.status.reference) == (None, str(registry.resolve("shop@6")))


def test_aliases_that_break_leave_what_is_served_and_are_read_again_when_mended(serve, registry, caplog):
    served = serve()
    path = registry.folder / "shop" / "aliases.json"
    text = path.read_text()
    path.write_text("{")
    with caplog.at_level(logging.ERROR):
        assert [served.look() for _ in range(3)] == [False] * 3
    assert sum("what is served stays" in record.message for record in caplog.records) == 1
    assert score(served) == ("shop@1", 0.1)
    path.write_text(json.dumps(json.loads(text)))
    registry.promote("shop", 2)
    look_until(served, lambda: score(served) == ("shop@2", 0.2))


def test_a_worker_that_starts_without_its_model_serves_it_as_soon_as_it_is_there(serve, registry):
    served = serve("registry:shop@staging", wait=False)
    wait_until(lambda: served.status.state == "failed")
    assert (served.status.version, served.status.model) == (None, "registry:shop@staging")
    registry.promote("shop", 7, "staging")
    look_until(served, lambda: served.status.ready)
    assert score(served) == ("shop@7", 0.7)


def test_the_aliases_are_read_only_when_they_were_written(registry):
    reads = []
    follower = AliasFollower(registry, "registry:shop", lambda: reads.append(1) or registry.resolve("shop"))
    looks = [follower.look() for _ in range(4)]
    assert looks == [registry.resolve("shop@1"), None, None, None]
    registry.promote("shop", 2)
    assert [follower.look() for _ in range(3)] == [registry.resolve("shop@2"), None, None]
    assert len(reads) == 2


def test_one_thread_looks_for_all_and_outlives_whatever_a_look_raises():
    looked = {"broken": 0, "whole": 0}

    class Follower:
        def __init__(self, name):
            self.name = name

        def look(self):
            looked[self.name] += 1
            if self.name == "broken":
                raise ZeroDivisionError
            return False

    watch = RegistryWatch([Follower("broken"), Follower("whole")], look_s=0.01)
    watch.start()
    wait_until(lambda: looked["whole"] > 3)
    watch.stop()
    told = dict(looked)
    time.sleep(0.05)
    assert looked == told
    assert looked["broken"] > 3
    idle = RegistryWatch([])
    idle.start()
    idle.stop()


def test_a_ranking_of_the_old_model_is_never_served_as_the_new_ones(serve, registry):
    from test_second_stage import make, respond

    settings = Settings.model_validate(
        {"models": {"fake": {"source": "org/fake"}}, "indices": {"products": {"template": "{title}"}}}
    )
    served, response = serve(), respond([{"title": "a"}, {"title": "b"}])
    stage = SecondStage(settings, {"fake": served})

    def ranked() -> tuple[str, float]:
        (scored,) = stage.rerank([(make(settings), response)], Reader(), 5000)
        return scored.model, float(scored.features["cross_encoder"][0])

    assert ranked() == ("shop@1", 0.1)
    registry.promote("shop", 2)
    look_until(served, lambda: served.status.version == 2)
    assert ranked() == ("shop@2", 0.2)
    registry.rollback("shop")
    look_until(served, lambda: served.status.version == 1)
    assert ranked() == ("shop@1", 0.1)


@pytest.mark.parametrize("looks", [1, 3])
def test_searches_that_never_pause_see_one_model_or_the_other_and_no_error(serve, registry, looks):
    served, stop, seen = serve(), Event(), []

    def ask() -> None:
        while not stop.is_set():
            with served.hold() as engine:
                seen.append((engine.name, *(engine.score("a", ["b"], budget_ms=5000)[0] for _ in range(2))))

    threads = [Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for version in (2, 3, 4, 5):
        registry.promote("shop", version)
        look_until(served, lambda version=version: served.status.version == version)
        for _ in range(looks):
            served.look()
        wait_until(lambda version=version: seen[-1][0] == f"shop@{version}")
    stop.set()
    for thread in threads:
        thread.join()
    assert {name for name, *_ in seen} == {f"shop@{version}" for version in range(1, 6)}
    assert all(first == second == int(name[-1]) / 10 for name, first, second in seen)


MODEL_MIB, SWITCHES = 12, 10
SWITCHING = """
import sys, time
from pathlib import Path

import psutil
from tiny_model import save_tiny_bert

from middleware.config import ModelSettings
from middleware.observability import Metrics
from middleware.registry.folder import Registry
from middleware.rerank.engine import Engine
from middleware.rerank.score_memory import ScoreMemory
from middleware.rerank.served_model import ServedModel

folder, inner, switches = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
registry, metrics, memory = Registry(folder / "registry"), Metrics(), ScoreMemory(2**20)
for seed in (1, 2):
    model = save_tiny_bert(folder / str(seed), seed=seed, inner=inner)
    registry.add(model, name="shop", kind="cross_encoder", base=None, data={}, template=None, max_tokens=32,
                 measures={}, recipe={})
registry.promote("shop", 1)
settings = ModelSettings(source="registry:shop", max_tokens=32, device="cpu", threads=1)
served = ServedModel("m", settings, registry, lambda each: Engine(each, watch=metrics, memory=memory), metrics)
served.start()
for turn in range(switches + 3):
    version = 1 + turn % 2
    registry.promote("shop", version)
    while served.look() or not served.status.ready or served.status.version != version:
        assert served.status.error is None, served.status
        time.sleep(0.01)
    with served.hold() as engine:
        engine.score("red phone", ["phone case", "shoe"], budget_ms=10_000)
    print(psutil.Process().memory_info().rss / 2**20, flush=True)
"""


def test_ten_switches_leave_no_memory_behind(tmp_path):
    pytest.importorskip("torch")
    path = os.pathsep.join([str(Path(__file__).parents[2]), str(Path(__file__).parents[1])])
    # What is large goes back to the system when it is freed, so that what is seen is what we keep, and not what the
    # allocator does.
    environment = {**os.environ, "PYTHONPATH": path, "MALLOC_MMAP_THRESHOLD_": str(2**20)}
    arguments = [str(tmp_path), str(MODEL_MIB * 2**20 // 520), str(SWITCHES)]
    done = subprocess.run(
        [sys.executable, "-c", SWITCHING, *arguments], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    sizes = [float(line) for line in done.stdout.splitlines()]
    assert len(sizes) == SWITCHES + 3
    assert sizes[-1] - sizes[2] < MODEL_MIB / 2, [round(size) for size in sizes]
