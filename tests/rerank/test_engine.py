"""The engine's promises, kept with backends that are slow, broken or absent."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fake_backend import FakeBackend, blocking_after, wait_until

from middleware.config import ModelSettings
from middleware.errors import BackendError, DeadlineExceeded, ModelUnavailable, Overloaded
from middleware.rerank.engine import Engine


def test_scores_come_back_in_the_order_of_the_documents(running):
    engine = running(FakeBackend())
    documents = ["x" * length for length in (9, 1, 5, 7, 3, 8, 2)]
    scores = engine.score("q", documents, budget_ms=5000)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, [0.009, 0.001, 0.005, 0.007, 0.003, 0.008, 0.002])


def test_batches_hold_documents_of_like_length(running):
    seen = []
    backend = FakeBackend(lambda query, scores: seen.append(list(scores)) or scores)
    running(backend, batch_tokens=8).score("q", ["xxxx", "x", "xxx", "xx"], budget_ms=5000)
    assert seen == [[0.004, 0.003], [0.002, 0.001]]


def test_no_documents_need_no_model(running):
    def factory(_):
        raise ModelUnavailable("gone")

    engine = running(factory=factory, wait=False)
    assert engine.score("q", [], budget_ms=10).shape == (0,)


def test_the_model_is_loaded_once_and_run_by_as_many_threads_as_it_has_workers(running):
    loads, backend = [], FakeBackend(lambda query, scores: time.sleep(0.002) or scores, workers=2)

    def factory(settings):
        loads.append(settings.source)
        return backend

    engine = running(factory=factory)
    with ThreadPoolExecutor(8) as callers:
        results = list(callers.map(lambda n: engine.score(f"q{n}", ["x" * n], budget_ms=10_000), range(1, 41)))
    np.testing.assert_allclose(np.concatenate(results), np.arange(1, 41) / 1000)
    assert loads == ["org/fake"]
    assert backend.most_running == 2


def test_the_pairs_of_one_search_are_shared_by_the_workers(running):
    together = threading.Barrier(2)
    backend = FakeBackend(lambda query, scores: together.wait(10) is not None and scores, workers=2)
    scores = running(backend, batch_tokens=16).score("q", ["x" * 4] * 8, budget_ms=20_000)
    np.testing.assert_allclose(scores, [0.004] * 8)


def test_it_is_warm_before_it_is_ready(running):
    backend = FakeBackend()
    engine = running(backend)
    assert engine.ready
    assert backend.batches
    assert all(batch[0].startswith("warm") for batch in backend.batches)


def test_a_model_that_is_still_loading_is_unavailable(running):
    gate = threading.Event()

    def factory(_):
        gate.wait(10)
        return FakeBackend()

    engine = running(factory=factory, wait=False)
    with pytest.raises(ModelUnavailable, match="org/fake is still loading"):
        engine.score("q", ["a"], budget_ms=5000)
    assert engine.error is None
    gate.set()
    wait_until(lambda: engine.ready)
    assert engine.score("q", ["a"], budget_ms=5000).shape == (1,)


@pytest.mark.parametrize("failure", [ModelUnavailable("no weights there"), RuntimeError("no weights there")])
def test_a_failed_load_says_why_once_per_try_and_is_tried_again(running, caplog, failure):
    attempts = []

    def factory(_):
        attempts.append(1)
        if len(attempts) < 3:
            raise failure
        return FakeBackend()

    engine = running(factory=factory, wait=False, retry_s=0.05)
    wait_until(lambda: engine.error is not None)
    assert "no weights there" in engine.error
    wait_until(lambda: engine.ready)
    assert engine.error is None
    assert len(attempts) == 3
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 2
    assert all("no weights there" in record.getMessage() and not record.exc_info for record in errors)


def test_an_unavailable_model_passes_its_reason_on_to_searches(running):
    def factory(_):
        raise ModelUnavailable("no weights there")

    engine = running(factory=factory, wait=False)
    wait_until(lambda: engine.error is not None)
    with pytest.raises(ModelUnavailable, match="no weights there"):
        engine.score("q", ["a"], budget_ms=5000)


def test_a_model_whose_warm_up_fails_is_unavailable(running):
    class Broken(FakeBackend):
        def score(self, batch):
            raise RuntimeError("out of memory")

    engine = running(Broken(), wait=False)
    wait_until(lambda: engine.error is not None)
    assert not engine.ready
    assert "out of memory" in engine.error


def test_a_failing_backend_is_a_backend_error_and_the_next_search_works(running):
    def fail(query, scores):
        if query == "bad":
            raise RuntimeError("device-side assert")
        return scores

    engine = running(FakeBackend(fail))
    with pytest.raises(BackendError, match="device-side assert"):
        engine.score("bad", ["a"], budget_ms=5000)
    assert engine.score("good", ["abc"], budget_ms=5000)[0] == pytest.approx(0.003)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda scores: scores * np.nan,
        lambda scores: scores + np.inf,
        lambda scores: scores - 1.0,
        lambda scores: scores + 1.0,
        lambda scores: scores[:-1],
        lambda scores: scores[:, None],
    ],
    ids=["nan", "infinite", "negative", "above one", "too few", "two dimensions"],
)
def test_scores_that_are_not_scores_are_a_backend_error(running, wrong):
    engine = running(FakeBackend(lambda query, scores: wrong(scores)))
    with pytest.raises(BackendError):
        engine.score("q", ["aaa", "bb"], budget_ms=5000)


def test_a_tokenizer_that_loses_documents_is_a_backend_error(running):
    class Losing(FakeBackend):
        def encode(self, query_text, document_texts):
            pairs = super().encode(query_text, document_texts)
            return pairs if query_text.startswith("warm") else pairs[1:]

    with pytest.raises(BackendError, match="1 pairs for 2 documents"):
        running(Losing()).score("q", ["a", "b"], budget_ms=5000)


def test_a_failed_batch_fails_its_own_searches_alone(running):
    entered, gate = threading.Event(), threading.Event()

    def fail(query, scores):
        if query == "first":
            entered.set()
            gate.wait(30)
        if query == "bad":
            raise RuntimeError("out of memory")
        return scores

    engine = running(FakeBackend(fail), batch_tokens=4)
    with ThreadPoolExecutor(3) as callers:
        first = callers.submit(engine.score, "first", ["xxxx"] * 3, budget_ms=30_000)
        entered.wait(10)
        bad = callers.submit(engine.score, "bad", ["xxxx"] * 3, budget_ms=30_000)
        good = callers.submit(engine.score, "good", ["xxxx"] * 3, budget_ms=30_000)
        wait_until(lambda: engine.waiting == 3)
        gate.set()
        assert first.result().shape == good.result().shape == (3,)
        with pytest.raises(BackendError, match="out of memory"):
            bad.result()


def test_a_tokenizer_that_raises_is_a_backend_error_and_the_next_search_works(running):
    class Raising(FakeBackend):
        def encode(self, query_text, document_texts):
            if query_text == "bad":
                raise ValueError("not a text")
            return super().encode(query_text, document_texts)

    engine = running(Raising())
    with pytest.raises(BackendError, match="not a text"):
        engine.score("bad", ["a"], budget_ms=5000)
    assert engine.score("good", ["a"], budget_ms=5000).shape == (1,)
    assert engine.waiting == 0


def test_stages_and_pairs_are_counted(running):
    class Counting:
        def __init__(self):
            self.stages, self.pairs, self.waiting, self.limit = [], {}, [], None

        def observe_engine(self, model, stage, seconds):
            assert model == "org/fake"
            assert seconds >= 0
            self.stages.append(stage)

        def count_pairs(self, model, fate, pairs):
            self.pairs[fate] = self.pairs.get(fate, 0) + pairs

        def see_waiting(self, model, searches):
            self.waiting.append(searches)

        def see_queue_limit(self, model, searches):
            self.limit = searches

    watch, gate = Counting(), threading.Event()
    engine = running(FakeBackend(blocking_after(1, gate)), batch_tokens=4, watch=watch, queue_limit=5)
    assert len(engine.score("q", ["xx"] * 6, budget_ms=300)) == 2
    gate.set()
    assert set(watch.stages) == {"wait", "tokenise", "forward"}
    assert watch.pairs["unscored"] == 4
    assert (watch.waiting, watch.limit) == ([0, 1, 0], 5)


def test_stopping_ends_every_thread(running):
    before = set(threading.enumerate())
    engine = running(FakeBackend(workers=4))
    assert len(set(threading.enumerate()) - before) == 5
    engine.stop()
    left = set(threading.enumerate()) - before
    assert not {thread for thread in left if thread.name.startswith("rerank-")}


def test_abandoned_searches_leave_the_queue_and_never_reach_the_model(running):
    entered, gate = threading.Event(), threading.Event()

    def block(query, scores):
        if query == "first":
            entered.set()
            gate.wait(30)
        return scores

    backend = FakeBackend(block)
    engine = running(backend, queue_limit=1)
    with ThreadPoolExecutor(1) as callers:
        first = callers.submit(engine.score, "first", ["a"], budget_ms=30_000)
        entered.wait(10)
        for _ in range(3):  # each waits alone: were the one before still queued, this would be Overloaded
            with pytest.raises(DeadlineExceeded):
                engine.score("abandoned", ["a"], budget_ms=30)
        gate.set()
        first.result()
    engine.score("next", ["a"], budget_ms=5000)
    assert backend.served("abandoned") == 0


def test_searches_beyond_the_queue_limit_are_overload(running):
    entered, gate = threading.Event(), threading.Event()

    def block(query, scores):
        entered.set()
        gate.wait(30)
        return scores

    engine = running(FakeBackend(block), queue_limit=2)
    with ThreadPoolExecutor(3) as callers:
        first = callers.submit(engine.score, "q0", ["a"], budget_ms=30_000)
        entered.wait(10)
        waiting = [callers.submit(engine.score, f"q{n}", ["a"], budget_ms=30_000) for n in (1, 2)]
        wait_until(lambda: engine.waiting == 2)
        with pytest.raises(Overloaded):
            engine.score("q3", ["a"], budget_ms=30_000)
        gate.set()
        assert [search.result().shape for search in (first, *waiting)] == [(1,)] * 3


def test_stopping_releases_waiting_callers(running):
    entered, gate = threading.Event(), threading.Event()

    def block(query, scores):
        entered.set()
        gate.wait(30)
        return scores

    engine = running(FakeBackend(block))
    with ThreadPoolExecutor(2) as callers:
        first = callers.submit(engine.score, "q0", ["a"], budget_ms=30_000)
        entered.wait(10)
        second = callers.submit(engine.score, "q1", ["a"], budget_ms=30_000)
        wait_until(lambda: engine.waiting == 1)
        threading.Timer(0.05, gate.set).start()
        engine.stop()
        assert first.result().shape == (1,)
        with pytest.raises(ModelUnavailable, match="stopping"):
            second.result()
    with pytest.raises(ModelUnavailable):
        engine.score("q2", ["a"], budget_ms=5000)


def test_the_name_is_the_folder_or_the_hub_name(tmp_path):
    (tmp_path / "my-model").mkdir()
    (tmp_path / "my-model" / "config.json").write_text("{}")
    assert Engine(ModelSettings(source=f"{tmp_path}/my-model/")).name == "my-model"
    assert Engine(ModelSettings(source="org/model")).name == "org/model"


def test_a_real_model_is_loaded_in_the_background_and_scores(tiny_model):
    pytest.importorskip("torch")
    engine = Engine(ModelSettings(source=str(tiny_model()), device="cpu", max_tokens=32, batch_tokens=16))
    engine.start()
    try:
        wait_until(lambda: engine.ready or engine.error)
        scores = engine.score("iphone 12", ["iphone 12 pro", "case for iphone 12", "shoe"], budget_ms=20_000)
        assert len(set(scores)) == 3
    finally:
        engine.stop()
