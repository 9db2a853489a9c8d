"""No caller waits beyond its budget, and what is done by then counts."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from fake_backend import FakeBackend, blocking_after

from middleware.errors import DeadlineExceeded


def test_a_caller_is_released_at_its_deadline_in_the_middle_of_a_batch(running):
    gate = threading.Event()
    engine = running(FakeBackend(lambda query, scores: gate.wait(30) and scores))
    with pytest.raises(DeadlineExceeded):
        engine.score("q", ["a"], budget_ms=50)
    assert not gate.is_set()  # the batch was still running
    gate.set()


def test_a_spent_budget_costs_nothing(running):
    backend = FakeBackend()
    engine = running(backend)
    for budget_ms in (0, -5):
        with pytest.raises(DeadlineExceeded):
            engine.score("late", ["a"], budget_ms=budget_ms)
    engine.score("next", ["a"], budget_ms=5000)
    assert backend.served("late") == 0


def test_the_batches_left_of_an_expired_search_are_dropped(running):
    entered, gate = threading.Event(), threading.Event()

    def block(query, scores):
        if query == "slow":
            entered.set()
            gate.wait(30)
        return scores

    backend = FakeBackend(block)
    engine = running(backend, batch_tokens=1)
    with pytest.raises(DeadlineExceeded):
        engine.score("slow", ["a"] * 10, budget_ms=200)
    assert entered.is_set()
    gate.set()
    engine.score("next", ["a"], budget_ms=5000)
    assert backend.served("slow") == 1


def test_at_the_deadline_the_head_of_the_window_is_scored(running):
    gate = threading.Event()
    engine = running(FakeBackend(blocking_after(2, gate)), batch_tokens=4)
    scores = engine.score("q", ["xx", "xx", "xx", "xx", "xx", "xx", "xx"], budget_ms=300)
    gate.set()
    np.testing.assert_allclose(scores, [0.002] * 4)


def test_of_many_queries_each_gets_its_head(running):
    gate = threading.Event()
    engine = running(FakeBackend(blocking_after(2, gate)), batch_tokens=32)
    scores = engine.score_many([("q1", ["x"] * 64), ("q2", ["x"] * 64)], budget_ms=300)
    gate.set()
    assert [len(each) for each in scores] == [32, 32]


def test_what_cannot_be_done_in_time_is_not_started(running):
    backend = FakeBackend(lambda query, scores: time.sleep(0.01 * len(scores)) or scores)
    engine = running(backend, batch_tokens=8)
    engine.score("pace", ["x"] * 40, budget_ms=30_000)  # 10 ms a pair
    started = time.monotonic()
    scores = engine.score("q", ["x"] * 400, budget_ms=400)
    assert time.monotonic() - started < 2.0
    assert 0 < len(scores) < 100
    time.sleep(0.3)
    assert backend.served("q") - len(scores) <= 8


def test_a_search_without_time_is_not_even_tokenised(running):
    backend = FakeBackend()
    engine = running(backend)
    with pytest.raises(DeadlineExceeded):
        engine.score("late", ["x"] * 10, budget_ms=0)
    assert "late" not in backend.encoded
