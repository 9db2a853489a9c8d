"""Cosines in the second stage: asked for where a variant wants them, of the text vectors are made of, never fatal."""

from __future__ import annotations

import json

import numpy as np
import pytest
from test_second_stage import FakeEngine, make_settings, plan_of, respond

from middleware.ranking import Scored
from middleware.rerank.estimator import Estimates
from middleware.rerank.vectors import HitVectors
from middleware.second_stage import Reader, SecondStage

SOURCES = [{"title": "red", "brand": "Acme", "note": "n1"}, {"title": "blue", "note": "n2"}, {"title": "green"}]
BODY = {"query": {"match": {"title": "red"}}}


class FakeVectors:
    """A VectorReader that gives what it was made with, and remembers what it was asked for."""

    budget_s = 10.0

    def __init__(self, cosines):
        self.found, self.asked = cosines, []

    def begin(self, query_text, document_texts, headers):
        self.asked.append((query_text, list(document_texts), dict(headers)))
        return object()

    def read(self, pending, deadline):
        if self.found is None:
            return None
        cosines = np.array(self.found, dtype=np.float32)
        matrix = np.stack([cosines, np.sqrt(1 - cosines**2)], axis=1)
        return HitVectors(matrix, "r1", np.array([1, 0], dtype=np.float32))


def settings_with(weight=1.0, **vectors):
    variant = {"window": 5, "weights": {"cross_encoder": 1, "first_stage": 0, "vector_cosine": weight}}
    section = {"template": "{title}[ {brand}]", "vectors": vectors}
    return make_settings(variants={"default": variant}, indices={"products": section})


def rerank(settings, vectors, *, body=BODY, response=None, scores=(0.5, 0.5, 0.5)):
    plan = plan_of(settings, body)
    stage = SecondStage(settings, {"fake": FakeEngine(scores)}, {"products": vectors})
    reader = Reader(credentials={"Authorization": "me"})
    (outcome,) = stage.rerank([(plan, response or respond(SOURCES))], reader, 1000)
    assert isinstance(outcome, Scored)
    return outcome


def test_the_cosine_decides_where_the_model_is_undecided():
    vectors = FakeVectors([0.1, 0.5, 0.9])
    scored = rerank(settings_with(), vectors)
    assert scored.order == [2, 1, 0]
    np.testing.assert_allclose(scored.features["vector_cosine"], [0, 0.5, 1], atol=1e-6)
    assert vectors.asked == [("red", ["red Acme", "blue", "green"], {"Authorization": "me"})]


def test_a_hit_without_a_vector_stands_in_the_middle():
    assert rerank(settings_with(), FakeVectors([0.1, np.nan, 0.9])).order == [2, 1, 0]


def test_without_a_vector_of_the_query_the_ranking_is_that_of_the_other_features():
    scored = rerank(settings_with(), FakeVectors(None), scores=(0.1, 0.9, 0.5))
    assert scored.order == [1, 2, 0]
    assert "vector_cosine" not in scored.features


def test_a_variant_without_weight_for_it_asks_for_nothing():
    vectors = FakeVectors([0.1, 0.5, 0.9])
    assert "vector_cosine" not in rerank(settings_with(weight=0), vectors).features
    assert vectors.asked == []


def test_vectors_of_another_text_are_asked_for_by_that_text():
    vectors = FakeVectors([0.1, 0.5, 0.9])
    rerank(settings_with(template="{note}"), vectors)
    assert vectors.asked[0][1] == ["n1", "n2", ""]


def test_elasticsearchs_own_reranker_is_the_model_alone():
    vectors = FakeVectors([0.1, 0.5, 0.9])
    inner = {"standard": {"query": BODY["query"]}}
    reranker = {"retriever": inner, "field": "note", "inference_text": "red"}
    rerank(settings_with(), vectors, body={"retriever": {"text_similarity_reranker": reranker}})
    assert vectors.asked == []


@pytest.mark.parametrize("template", [None, "{note}"])
def test_what_vectors_are_made_of_is_asked_for_where_the_client_does_not_get_it(template):
    wanted = plan_of(settings_with(template=template), {**BODY, "_source": False}).added_fields
    assert set(wanted) >= {"title", "brand"}
    assert ("note" in wanted) == (template is not None)


def test_a_search_on_two_sections_has_no_cosines():
    settings = settings_with()
    two = make_settings(
        variants={"default": settings.variants["default"]},
        indices={"products": settings.indices["products"], "others": settings.indices["products"]},
    )
    vectors = FakeVectors([0.1, 0.5, 0.9])
    plan = plan_of(two, BODY, "/products,others/_search")
    stage = SecondStage(two, {"fake": FakeEngine((0.5, 0.5, 0.5))}, {"products": vectors, "others": vectors})
    (outcome,) = stage.rerank([(plan, respond(SOURCES))], Reader(), 1000)
    assert isinstance(outcome, Scored)
    assert vectors.asked == []


def test_the_ranking_of_a_page_is_remembered_with_its_cosines():
    settings, vectors = settings_with(), FakeVectors([0.1, 0.5, 0.9])
    stage = SecondStage(settings, {"fake": FakeEngine((0.5, 0.5, 0.5))}, {"products": vectors})
    for _ in range(2):
        (outcome,) = stage.rerank([(plan_of(settings, json.loads(json.dumps(BODY))), respond(SOURCES))], Reader(), 1000)
        assert outcome.order == [2, 1, 0]
    assert len(vectors.asked) == 1


class Estimating(FakeEngine):
    """Knows nothing before it reads; remembers how much it read."""

    def estimate(self, query_text, document_texts, first_stage, certainty):
        count = len(document_texts)
        return Estimates(np.full(count, 0.5), np.full(count, 0.6), count)

    def score_many(self, queries, *, budget_ms):
        ((_, texts),) = queries
        self.read = [*getattr(self, "read", []), *texts]
        return [np.full(len(texts), 0.5)]


def test_the_cosine_has_a_say_in_what_is_read_and_in_when_to_stop():
    count = 40
    variant = {"window": count, "weights": {"cross_encoder": 1, "first_stage": 0, "vector_cosine": 1}}
    settings = make_settings(
        variants={"default": variant}, indices={"products": {"template": "{title}", "vectors": {}}}
    )
    plan, response = plan_of(settings, BODY), respond([{"title": f"t{number}"} for number in range(count)])
    vectors, engine = FakeVectors(np.linspace(0, 1, count)), Estimating()
    (scored,) = SecondStage(settings, {"fake": engine}, {"products": vectors}).rerank(
        [(plan, response)], Reader(), 1000
    )
    assert scored.order == list(range(count))[::-1]
    assert engine.read[0] == "t39"
    assert 10 <= scored.read < 20  # the best by cosine cannot be reached by what was not read
