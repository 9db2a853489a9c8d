"""Vectors of a search: fetched once, remembered, and left out without a word where they cannot be had in time."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from fake_backend import wait_until

from middleware.config.vectors import VectorSettings
from middleware.errors import ModelUnavailable, UpstreamError
from middleware.rerank.vector_reader import VectorReader
from middleware.rerank.vectors import pack, vector_key

WORDS = {"red": [1.0, 0.0, 0.0], "blue": [0.0, 1.0, 0.0], "mixed": [0.6, 0.8, 0.0]}
FAR = 60.0


class FakeEncoder:
    """A word's vector is in WORDS."""

    name, revision = "fake", "r1"

    def __init__(self):
        self.asked, self.error = [], None

    def encode_queries(self, texts):
        self.asked += texts
        if self.error:
            raise self.error
        return np.array([WORDS.get(text, [0, 0, 1]) for text in texts], dtype=np.float32)


class FakeCluster:
    """Keeps vectors of some words and remembers what it was asked for."""

    def __init__(self, words=WORDS):
        self.kept = {vector_key("r1", word): pack(np.array([WORDS[word]], dtype=np.float32))[0] for word in words}
        self.asked, self.headers, self.error, self.open = [], [], None, threading.Event()
        self.open.set()

    def fetch(self, index, body, headers):
        keys = body["query"]["ids"]["values"]
        self.asked.append((index, keys))
        self.headers.append(headers)
        self.open.wait(10)
        if self.error:
            raise self.error
        hits = [{"_id": key, "_source": {"vector": self.kept[key]}} for key in keys if key in self.kept]
        return {"hits": {"hits": hits}}


@pytest.fixture
def make():
    readers = []

    def build(cluster, encoder=None, clock=time.monotonic, most_waiting=32, **settings):
        encoder = encoder or FakeEncoder()
        reader = VectorReader(
            "kept",
            VectorSettings(**settings),
            cluster.fetch,
            load=lambda _: encoder,
            clock=clock,
            threads=2,
            most_waiting=most_waiting,
        )
        readers.append(reader)
        reader.start()
        wait_until(lambda: reader.ready)
        return reader

    yield build
    for reader in readers:
        reader.close()


def read(reader, query, texts, headers=None, patience_s=FAR):
    pending = reader.begin(query, texts, headers or {})
    found = reader.read(pending, time.monotonic() + patience_s) if pending else None
    return None if found is None else found.cosines


def test_cosines_of_the_hits_that_have_a_vector(make):
    cluster = FakeCluster(["red", "mixed"])
    found = read(make(cluster), "red", ["mixed", "blue", "red", "mixed"], {"Authorization": "Basic me"})
    np.testing.assert_allclose(found, [0.6, np.nan, 1.0, 0.6], atol=0.01)
    assert cluster.headers == [{"Authorization": "Basic me"}]
    assert [(index, len(keys)) for index, keys in cluster.asked] == [("kept", 3)]


def test_a_vector_is_fetched_once_and_an_absent_one_not_for_a_while(make):
    now = [0.0]
    cluster = FakeCluster(["red"])
    reader = make(cluster, clock=lambda: now[0])
    for _ in range(3):
        read(reader, "red", ["red", "blue"])
    assert len(cluster.asked) == 1
    now[0] = 31.0
    cluster.kept |= FakeCluster(["blue"]).kept
    np.testing.assert_allclose(read(reader, "red", ["red", "blue"]), [1, 0], atol=0.01)
    assert cluster.asked[1] == ("kept", [vector_key("r1", "blue")])


def test_vectors_are_handed_out_without_the_querys_where_nobody_wants_that(make):
    encoder = FakeEncoder()
    reader = make(FakeCluster(["red", "mixed"]), encoder)
    pending = reader.begin(None, ["mixed", "blue", "red"], {})
    found = reader.read(pending, time.monotonic() + FAR)
    np.testing.assert_allclose(found.matrix, [[0.6, 0.8, 0], [np.nan] * 3, [1, 0, 0]], atol=0.01)
    assert (found.model, found.dimensions, found.cosines) == ("r1", 3, None)
    np.testing.assert_allclose(found.cosines_to(np.array([0, 1, 0], dtype=np.float32)), [0.8, np.nan, 0], atol=0.01)
    assert encoder.asked == ["warm"]


def test_without_any_vector_there_is_nothing_to_hand_out(make):
    reader = make(FakeCluster([]))
    assert reader.read(reader.begin(None, ["red"], {}), time.monotonic() + FAR) is None


def test_the_hits_vectors_are_there_where_the_querys_is_not(make):
    encoder = FakeEncoder()
    reader = make(FakeCluster(), encoder)
    encoder.error = RuntimeError("out of memory")
    found = reader.read(reader.begin("red", ["red"], {}), time.monotonic() + FAR)
    np.testing.assert_allclose(found.matrix, [[1, 0, 0]], atol=0.01)
    assert found.cosines is None


def test_a_query_is_encoded_once(make):
    encoder = FakeEncoder()
    reader = make(FakeCluster(), encoder)
    for _ in range(3):
        read(reader, "red", ["red"])
    assert encoder.asked.count("red") == 1


def test_vectors_that_come_too_late_are_left_out_of_this_search_and_there_for_the_next(make):
    cluster = FakeCluster()
    reader = make(cluster)
    cluster.open.clear()
    assert np.isnan(read(reader, "red", ["red"], patience_s=0.05)).all()
    cluster.open.set()
    wait_until(lambda: len(cluster.asked) == 1)
    np.testing.assert_allclose(read(reader, "red", ["red"]), [1], atol=0.01)


def test_an_encoder_that_fails_costs_the_cosines_and_nothing_else(make):
    encoder = FakeEncoder()
    reader = make(FakeCluster(), encoder)
    encoder.error = RuntimeError("out of memory")
    assert read(reader, "red", ["red"]) is None
    encoder.error = None
    np.testing.assert_allclose(read(reader, "red", ["red"]), [1], atol=0.01)


def test_a_cluster_that_fails_is_left_alone_for_some_seconds_by_those_it_failed_for(make):
    now = [0.0]
    cluster = FakeCluster()
    reader = make(cluster, clock=lambda: now[0])
    cluster.error = UpstreamError("403")
    for _ in range(2):
        assert np.isnan(read(reader, "red", ["red"], {"Authorization": "nobody"})).all()
    assert len(cluster.asked) == 1
    cluster.error = None
    np.testing.assert_allclose(read(reader, "red", ["red"], {"Authorization": "me"}), [1], atol=0.01)
    assert len(cluster.asked) == 2


def test_an_encoder_that_cannot_be_loaded_leaves_searches_without_cosines(caplog):
    def load(_):
        raise ModelUnavailable("no such model")

    reader = VectorReader("kept", VectorSettings(), FakeCluster().fetch, load=load)
    reader.start()
    wait_until(lambda: "no such model" in caplog.text)
    assert reader.begin("red", ["red"], {}) is None
    reader.close()
    assert reader.begin("red", ["red"], {}) is None


def test_with_too_many_waiting_a_search_goes_on_without_cosines(make):
    cluster = FakeCluster()
    reader = make(cluster, most_waiting=0)
    cluster.open.clear()
    blocked = [reader.begin("red", [f"text {number}"], {}) for number in range(2)]
    wait_until(lambda: any(pending is not None and pending.query.done() for pending in blocked))
    assert read(reader, "blue", ["red"], patience_s=0.05) is None or blocked[1] is None
    cluster.open.set()


def test_without_memory_vectors_are_fetched_every_time(make):
    cluster = FakeCluster()
    reader = make(cluster, max_bytes=0)
    for _ in range(2):
        np.testing.assert_allclose(read(reader, "red", ["red"]), [1], atol=0.01)
    assert len(cluster.asked) == 2


@pytest.mark.parametrize("answer", [{}, {"hits": 1}, {"hits": {"hits": [1, {"_id": "x"}, {"_id": "x", "_source": 2}]}}])
def test_an_answer_that_is_none_has_no_vectors(make, answer):
    cluster = FakeCluster()
    reader = make(cluster)
    cluster.fetch = None
    reader._fetch = lambda *_: answer
    assert np.isnan(read(reader, "red", ["red"])).all()
