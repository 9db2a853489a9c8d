"""Mixed load with failures: memory stays flat, no queue beyond its bound, no thread is left, no score is wrong."""

from __future__ import annotations

import gc
import logging
import random
import threading
import time
import tracemalloc
from collections import Counter

import numpy as np
import pytest
from fake_backend import FakeBackend, wait_until

from middleware.config import ModelSettings, ScoreSettings
from middleware.errors import RerankError
from middleware.rerank.engine import Engine
from middleware.rerank.redis_scores import Breaker, RedisScores
from middleware.rerank.score_memory import ScoreMemory

QUEUE_LIMIT = 6
CALLERS = 16
MEMORY_BYTES = 2000 * 160


class Moody:
    """A backend's mood: mostly fast, sometimes slow, broken or wrong."""

    def __init__(self) -> None:
        self.draw = random.Random(1)

    def __call__(self, query, scores):
        chance = self.draw.random()
        if chance < 0.02:
            raise RuntimeError("out of memory")
        if chance < 0.03:
            return scores * np.nan
        if chance < 0.05:
            return scores[:-1]
        time.sleep(0.05 if chance < 0.07 else 0.0001 * len(scores))
        return scores


class MoodyRedis:
    """A dict of bounded size that sometimes hangs or breaks."""

    def __init__(self) -> None:
        self.draw, self.values = random.Random(2), {}

    def _feel(self) -> None:
        chance = self.draw.random()
        if chance < 0.02:
            raise ConnectionError("reset")
        time.sleep(0.03 if chance < 0.04 else 0)

    def mget(self, keys):
        self._feel()
        return [self.values.get(key) for key in keys]

    def pipeline(self, *, transaction):
        return self

    def set(self, key, value, ex):
        if len(self.values) < 2000:
            self.values[key] = value

    def execute(self):
        self._feel()


def search_at_will(engine: Engine, draw: random.Random, outcomes: Counter) -> None:
    """One search of any size and budget; what it gives must be its own scores, and in time."""
    query_text = f"q{int(draw.paretovariate(0.8)) % 500}"
    sizes = [draw.choice((0, 1, 10, 50, 300)) for _ in range(draw.choice((1, 1, 1, 4)))]
    queries = [(query_text, ["x" * draw.randint(0, 80) for _ in range(size)]) for size in sizes]
    budget_ms = draw.choice((0, 1, 5, 50, 500))
    started = time.monotonic()
    try:
        scores = engine.score_many(queries, budget_ms=budget_ms)
    except RerankError as error:
        outcomes[error.fallback_reason] += 1
    else:
        outcomes["whole" if list(map(len, scores)) == sizes else "cut short"] += 1
        for own, (_, texts) in zip(scores, queries, strict=True):
            np.testing.assert_allclose(own, [len(text) / 1000 for text in texts[: len(own)]])
    assert time.monotonic() - started < budget_ms / 1000 + 2.0  # a loaded machine's threads come late


def keep_searching(engine, seed, ends, outcomes, broken) -> None:
    draw = random.Random(seed)
    try:
        while time.monotonic() < ends:
            search_at_will(engine, draw, outcomes)
            assert engine.waiting <= QUEUE_LIMIT
    except BaseException as error:
        broken.append(error)
        raise


def run_load(engine: Engine, seconds: float, seed: int) -> Counter:
    outcomes, broken = Counter(), []
    ends = time.monotonic() + seconds
    arguments = [(engine, seed * CALLERS + number, ends, outcomes, broken) for number in range(CALLERS)]
    callers = [threading.Thread(target=keep_searching, args=own) for own in arguments]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not broken
    return outcomes


def traced_bytes() -> int:
    gc.collect()  # raised errors hold their frames in circles
    return tracemalloc.get_traced_memory()[0]


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(20, id="20 s"),
        pytest.param(3600, id="an hour", marks=[pytest.mark.slow, pytest.mark.timeout(4200)]),
    ],
)
def test_under_mixed_load_nothing_grows_and_nothing_is_wrong(seconds, caplog) -> None:
    caplog.set_level(logging.CRITICAL, logger="middleware.rerank")  # pytest keeps every record, tracebacks included
    threads = set(threading.enumerate())
    shared = RedisScores(MoodyRedis(), ScoreSettings(), Breaker())
    engine = Engine(
        ModelSettings(source="org/fake", max_tokens=96, batch_tokens=512, queue_limit=QUEUE_LIMIT),
        backend_factory=lambda _: FakeBackend(Moody(), workers=3, remembers=False),
        memory=ScoreMemory(MEMORY_BYTES, shared),
    )
    engine.start()
    wait_until(lambda: engine.ready)
    outcomes = run_load(engine, seconds * 0.3, seed=0)
    tracemalloc.start()
    run_load(engine, seconds * 0.2, seed=1)
    before = traced_bytes()
    outcomes += run_load(engine, seconds * 0.5, seed=2)
    after = traced_bytes()
    tracemalloc.stop()
    wait_until(lambda: engine.waiting == 0)
    assert after - before < 2 * MEMORY_BYTES
    assert set(outcomes) >= {"whole", "cut short", "overloaded", "deadline_exceeded", "backend_error"}, outcomes
    engine.stop()
    shared.close()
    wait_until(lambda: set(threading.enumerate()) <= threads)
