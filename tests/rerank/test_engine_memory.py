"""The memory of scores: bounded, never another pair's score, and nothing is computed twice."""

from __future__ import annotations

import json
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fake_backend import FakeBackend, wait_until
from hypothesis import given
from hypothesis import strategies as st

from middleware.assembly import make_engine_maker
from middleware.config import ModelSettings, Settings
from middleware.errors import BackendError
from middleware.observability import Metrics
from middleware.rerank.score_keys import ScoreKeys, fingerprint, make_keys
from middleware.rerank.score_memory import ScoreMemory

# Texts that a careless key would confuse: separators, empty ones, lone surrogates.
texts = st.text(st.sampled_from("ab\0\x1f|: \ud800"), max_size=6)


def key_of(number: int) -> bytes:
    return number.to_bytes(16, "little")


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans())), st.integers(0, 12))
def test_what_is_found_is_what_was_put_and_no_more_than_fits(steps, entries) -> None:
    memory, put = ScoreMemory(entries * 160), {}
    for number, is_put in steps:
        if is_put:
            put[key_of(number)] = len(put) / 100
            memory.put({key_of(number): put[key_of(number)]})
        else:
            found = memory.find([key_of(number)])
            assert found.get(key_of(number)) in (None, put.get(key_of(number)))
        assert memory.entries <= entries


def test_what_is_in_use_stays_while_the_rest_goes() -> None:
    memory = ScoreMemory(100 * 160)
    memory.put({key_of(0): 0.5})
    for number in range(1, 1000):
        memory.put({key_of(number): 0.1})
        assert memory.find([key_of(0)]) == {key_of(0): 0.5}
    assert memory.find([key_of(1)]) == {}


# A dict of half as many entries doubles between the last two.
@pytest.mark.parametrize("entries", [10_000, 43_690, 43_692])
def test_its_bytes_are_the_bytes_that_it_takes(entries) -> None:
    max_bytes = entries * 160
    tracemalloc.start()
    memory = ScoreMemory(max_bytes)
    for number in range(3 * entries):
        memory.put({key_of(number): number / 1e9})
    used, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.3 * max_bytes < used <= most <= max_bytes


def test_threads_share_a_memory() -> None:
    memory = ScoreMemory(500 * 160)

    def use(seed):
        draw = np.random.default_rng(seed)
        for number in draw.integers(0, 1000, 2000).tolist():
            memory.put({key_of(number): number / 1000})
            found = memory.find([key_of(other) for other in range(number, number + 5)])
            assert all(score == int.from_bytes(key, "little") / 1000 for key, score in found.items())

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, range(8)))
    assert memory.entries <= 500


@given(st.lists(st.tuples(texts, texts), min_size=2, max_size=2, unique=True))
def test_no_two_pairs_have_one_key(pairs) -> None:
    keys = ScoreKeys(b"r" * 16, folds_case=False)
    ((first,), (second,)) = (keys.of(query, [document]) for query, document in pairs)
    assert first != second


def test_models_do_not_share_keys() -> None:
    assert ScoreKeys(b"a" * 16, False).of("q", ["d"]) != ScoreKeys(b"b" * 16, False).of("q", ["d"])


def test_query_texts_that_the_model_cannot_tell_apart_are_one() -> None:
    assert ScoreKeys(b"", folds_case=True).normalise("  Red\t SHOE ") == "red shoe"
    assert ScoreKeys(b"", folds_case=False).normalise("  Red\t SHOE ") == "Red SHOE"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps({"a": 1}))
    (tmp_path / "model" / "model.safetensors").write_bytes(b"weights")
    return tmp_path / "model"


def test_a_copy_of_a_model_is_the_same_model(folder, tmp_path) -> None:
    before = fingerprint(str(folder), None)
    folder.rename(tmp_path / "other")
    assert fingerprint(str(tmp_path / "other"), None) == before


@pytest.mark.parametrize(("name", "content"), [("config.json", b'{"a": 2}'), ("model.safetensors", b"WEIGHTS")])
def test_files_written_anew_in_their_old_size_are_another_model(folder, name, content) -> None:
    before = fingerprint(str(folder), None)
    (folder / name).write_bytes(content)
    assert fingerprint(str(folder), None) != before


def test_a_hub_model_that_is_not_on_this_machine_is_known_to_this_process_alone() -> None:
    assert fingerprint("es-rerank-tests/no-such-model", None) != fingerprint("es-rerank-tests/no-such-model", None)


def test_settings_that_change_scores_change_the_keys_and_others_do_not(folder) -> None:
    def revision(**settings):
        return make_keys(ModelSettings(source=str(folder), **settings), FakeBackend()).revision

    assert revision() == revision(batch_tokens=7, queue_limit=7)
    assert len({revision(), revision(max_tokens=77), revision(precision="balanced")}) == 3


def test_case_is_folded_only_where_the_tokenizer_folds_it(folder) -> None:
    class Cased(FakeBackend):
        def encode(self, query_text, document_texts):
            return [{"input_ids": [ord(letter) for letter in query_text + text]} for text in document_texts]

    settings = ModelSettings(source=str(folder))
    assert not make_keys(settings, Cased()).folds_case
    assert make_keys(settings, FakeBackend()).folds_case


@pytest.fixture
def running(running, folder):
    """An engine as elsewhere, which remembers."""

    def start(backend, memory=None, **settings):
        memory = ScoreMemory(1_000_000) if memory is None else memory
        return running(backend, memory=memory, source=str(folder), **settings)

    return start


def test_a_pair_is_scored_once(running) -> None:
    backend = FakeBackend()
    engine = running(backend)
    first = engine.score("red shoe", ["a", "bb", "a"], budget_ms=5000)
    again = engine.score(" Red  shoe", ["bb", "ccc", "a"], budget_ms=5000)
    np.testing.assert_allclose(first, [0.001, 0.002, 0.001])
    np.testing.assert_allclose(again, [0.002, 0.003, 0.001])
    assert backend.served("red shoe") == 3


def test_another_query_is_another_pair(running) -> None:
    backend = FakeBackend()
    engine = running(backend)
    for query_text in ("q", "q2", "q"):
        engine.score(query_text, ["a"], budget_ms=5000)
    assert (backend.served("q"), backend.served("q2")) == (1, 1)


def test_what_is_remembered_needs_no_time_and_no_place_in_the_queue(running) -> None:
    engine = running(FakeBackend())
    engine.score("q", ["a", "b"], budget_ms=5000)
    assert len(engine.score("q", ["a", "b", "c"], budget_ms=0)) == 2


def test_a_failure_is_not_remembered(running) -> None:
    broken = [True]

    def fail(query, scores):
        if broken[0]:
            raise RuntimeError("once")
        return scores

    engine = running(FakeBackend(fail))
    with pytest.raises(BackendError):
        engine.score("q", ["a"], budget_ms=5000)
    broken[0] = False
    assert engine.score("q", ["a"], budget_ms=5000)[0] == pytest.approx(0.001)


def test_two_searches_for_the_same_at_once_cost_one(running) -> None:
    entered, gate = threading.Event(), threading.Event()

    def block(query, scores):
        entered.set()
        gate.wait(30)
        return scores

    backend = FakeBackend(block)
    engine = running(backend, batch_tokens=8)
    documents = ["x" * length for length in range(1, 9)]
    with ThreadPoolExecutor(4) as callers:
        searches = [callers.submit(engine.score, "q", documents, budget_ms=30_000) for _ in range(4)]
        entered.wait(10)
        wait_until(lambda: engine.waiting == 4)
        gate.set()
        for search in searches:
            np.testing.assert_allclose(search.result(), np.arange(1, 9) / 1000)
    assert backend.served("q") == 8


def test_a_search_that_goes_does_not_take_the_pairs_of_another_along(running) -> None:
    entered, gate = threading.Event(), threading.Event()

    def block(query, scores):
        if query == "first":
            entered.set()
            gate.wait(30)
        return scores

    engine = running(FakeBackend(block))
    with ThreadPoolExecutor(3) as callers:
        first = callers.submit(engine.score, "first", ["a"], budget_ms=30_000)
        entered.wait(10)
        impatient = callers.submit(engine.score, "q", ["a", "bb"], budget_ms=100)
        wait_until(lambda: engine.waiting == 1)
        patient = callers.submit(engine.score, "q", ["bb", "a"], budget_ms=30_000)
        with pytest.raises(Exception, match="did not score one of 2"):
            impatient.result()
        gate.set()
        np.testing.assert_allclose(patient.result(), [0.002, 0.001])
        first.result()


def test_a_memory_that_others_share_is_asked_for_what_is_missing_and_told_what_is_new(running) -> None:
    class Shared:
        def __init__(self):
            self.scores, self.asked = {}, []

        def find(self, keys, patience_s):
            self.asked.append(len(keys))
            return {key: self.scores[key] for key in keys if key in self.scores}

        def put(self, scores):
            self.scores |= scores

    shared = Shared()
    backends = [FakeBackend(), FakeBackend()]
    one, other = (running(backend, ScoreMemory(1_000_000, shared)) for backend in backends)
    one.score("q", ["a", "bb"], budget_ms=5000)
    scores = other.score("q", ["a", "bb", "ccc"], budget_ms=5000)
    np.testing.assert_allclose(scores, [0.001, 0.002, 0.003])
    assert backends[1].served("q") == 1
    other.score("q", ["a", "bb", "ccc"], budget_ms=5000)
    assert shared.asked == [2, 3]


@pytest.mark.parametrize(("max_bytes", "times"), [(1_000_000, 1), (0, 2)])
def test_engines_remember_unless_the_configuration_says_otherwise(folder, max_bytes, times) -> None:
    backend = FakeBackend()
    settings = Settings.model_validate({"scores": {"max_bytes": max_bytes}})
    engine = make_engine_maker(settings, Metrics())(ModelSettings(source=str(folder), max_tokens=32))
    engine._backend_factory = lambda _: backend
    engine.start()
    wait_until(lambda: engine.ready)
    for _ in range(2):
        engine.score("q", ["a"], budget_ms=5000)
    engine.stop()
    assert backend.served("q") == times


def test_what_became_of_pairs_is_exposed(folder) -> None:
    metrics = Metrics()
    engine = make_engine_maker(Settings(), metrics)(ModelSettings(source=str(folder), max_tokens=32))
    engine._backend_factory = lambda _: FakeBackend()
    engine.start()
    wait_until(lambda: engine.ready)
    for _ in range(2):
        engine.score("q", ["a", "bb", "a"], budget_ms=5000)
    engine.stop()
    exposed = metrics.exposition().decode()
    for fate, pairs in {"scored": 2, "shared": 1, "remembered": 3, "unscored": 0}.items():
        assert f'es_rerank_pairs_total{{fate="{fate}",model="model"}} {pairs}.0' in exposed
    for stage in ("wait", "tokenise", "forward"):
        assert f'es_rerank_engine_seconds_count{{model="model",stage="{stage}"}} 1.0' in exposed
    assert "es_rerank_saved_seconds_total" in exposed
    assert 'es_rerank_engine_waiting{model="model"} 0.0' in exposed
    assert 'es_rerank_engine_queue_limit{model="model"} 64.0' in exposed


def test_a_mixed_crowd_gets_its_own_scores(running) -> None:
    backend = FakeBackend(lambda query, scores: time.sleep(0.0002) or scores, workers=3)
    engine = running(backend, ScoreMemory(200 * 160), batch_tokens=64)

    def search(seed):
        draw = np.random.default_rng(seed)
        documents = ["x" * int(length) for length in draw.integers(1, 30, 20)]
        scores = engine.score(f"q{seed % 3}", documents, budget_ms=30_000)
        np.testing.assert_allclose(scores, [len(document) / 1000 for document in documents])

    with ThreadPoolExecutor(8) as callers:
        list(callers.map(search, range(150)))
