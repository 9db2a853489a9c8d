"""The scorer over WSGI with a fake engine: both shapes of the call, limits, deadlines, and errors in their shape."""

from __future__ import annotations

import io
import json
from contextlib import nullcontext

import numpy as np
import pytest

from middleware.config import Settings
from middleware.errors import BackendError, ConfigError, DeadlineExceeded, ModelUnavailable, Overloaded
from middleware.rerank.backends.rerank_call import CALLS, read_scores
from middleware.scorer import Scorer
from middleware.scorer_messages import MAX_DOCUMENTS, to_logit

SCORES = {"bad": 0.1, "good": 0.9, "middling": 0.5}
SETTINGS = Settings(models={"m": {"source": "org/model", "max_tokens": 64}}, server={"max_search_bytes": 100_000})


class FakeEngine:
    """Looks each document's score up, or does as told; keeps the budgets it was given."""

    name, error = "model", None

    def __init__(self, failure: Exception | None = None, ready: bool = True, first: int | None = None) -> None:
        self.failure, self.ready, self.first = failure, ready, first
        self.budgets: list[float] = []

    def hold(self):
        return nullcontext(self)

    def score(self, query_text, document_texts, *, budget_ms):
        self.budgets.append(budget_ms)
        if self.failure:
            raise self.failure
        return np.array([SCORES.get(text, 0.0) for text in document_texts])[: self.first]


def ask(path, body=None, engine=None, **headers):
    scorer = Scorer(SETTINGS, SETTINGS.models["m"], engine or FakeEngine())
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    environ = {
        "REQUEST_METHOD": "GET" if body is None else "POST",
        "RAW_URI": path,
        "wsgi.input": io.BytesIO(data),
        **({} if body is None else {"CONTENT_LENGTH": str(len(data))}),
        **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
    }
    seen = []
    answer = b"".join(scorer(environ, lambda status, headers: seen.append((status, headers))))
    return int(seen[0][0][:3]), json.loads(answer) if dict(seen[0][1])["content-type"].endswith("json") else answer


def test_the_call_of_text_embeddings_inference_is_answered_best_first():
    body = {"query": "q", "texts": ["bad", "good", "middling"], "truncate": True, "raw_scores": False}
    status, answer = ask("/rerank", body)
    assert status == 200
    assert answer == [{"index": 1, "score": 0.9}, {"index": 2, "score": 0.5}, {"index": 0, "score": 0.1}]


def test_raw_scores_are_logits_and_texts_come_back_where_asked_for():
    body = {"query": "q", "texts": ["good", "none"], "raw_scores": True, "return_text": True}
    first, second = ask("/rerank", body)[1]
    assert (first["text"], second["text"]) == ("good", "none")
    assert first["score"] == pytest.approx(np.log(0.9 / 0.1))
    assert np.isfinite(second["score"])
    assert to_logit(1.0) > 30


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
def test_the_call_of_jina_cohere_vllm_and_infinity_is_answered_under_results(path):
    body = {"model": "m", "query": "q", "documents": ["bad", {"text": "good"}, "middling"], "top_n": 2}
    status, answer = ask(path, body)
    assert status == 200
    results = [{"index": 1, "relevance_score": 0.9}, {"index": 2, "relevance_score": 0.5}]
    assert (answer["results"], answer["model"]) == (results, "model")
    assert ask(path, {**body, "return_documents": True})[1]["results"][0]["document"] == {"text": "good"}


@pytest.mark.parametrize("api", CALLS)
def test_what_the_remote_backend_sends_in_each_dialect_is_understood(api):
    call = CALLS[api]
    body = call.body(SETTINGS.models["m"], "q \ud83d", ["good", "bad \ud83d", "middling"])
    status, answer = ask(call.path, body)
    assert status == 200
    assert read_scores(json.dumps(answer).encode(), 3).tolist() == [0.9, 0.0, 0.5]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"not json", 422),
        (b"[" * 100_000, 422),
        (b"[]", 422),
        ({}, 422),
        ({"query": "q", "texts": []}, 422),
        ({"query": "q", "texts": [5]}, 422),
        ({"query": 5, "texts": ["a"]}, 422),
        ({"query": "q", "documents": [{"title": "a"}]}, 422),
        ({"query": "q", "documents": ["a"], "top_n": 0}, 422),
        ({"query": "q", "documents": ["a"], "top_n": True}, 422),
        ({"query": "q", "texts": ["a"] * (MAX_DOCUMENTS + 1)}, 413),
        ({"query": "q", "texts": ["a" * 200_000]}, 413),
    ],
)
def test_a_call_that_cannot_be_answered_is_refused_before_it_costs_anything(body, status):
    engine = FakeEngine()
    assert ask("/rerank", body, engine)[0] == status
    assert engine.budgets == []


@pytest.mark.parametrize(
    ("failure", "status", "name"),
    [
        (Overloaded("full"), 429, "Overloaded"),
        (DeadlineExceeded("late"), 504, "Timeout"),
        (ModelUnavailable("loading"), 503, "Unhealthy"),
        (BackendError("broken"), 424, "Backend"),
    ],
)
def test_failures_have_the_apis_own_shape(failure, status, name):
    answer = ask("/rerank", {"query": "q", "texts": ["a"]}, FakeEngine(failure))
    assert answer == (status, {"error": str(failure), "error_type": name})
    status_there, error = ask("/v1/rerank", {"query": "q", "documents": ["a"]}, FakeEngine(failure))
    assert (status_there, error["error"]["message"], error["error"]["code"]) == (status, str(failure), status)


def test_the_caller_says_how_long_it_waits_and_half_an_answer_is_none():
    engine = FakeEngine()
    ask("/rerank", {"query": "q", "texts": ["a"]}, engine, x_rerank_budget_ms="123")
    ask("/rerank", {"query": "q", "texts": ["a"]}, engine)
    assert 100 < engine.budgets[0] <= 123
    assert 900 < engine.budgets[1] <= SETTINGS.budget_ms
    for wrong in ("soon", "0", "-5", "nan", "inf"):
        assert ask("/rerank", {"query": "q", "texts": ["a"]}, engine, x_rerank_budget_ms=wrong)[0] == 422
    assert ask("/rerank", {"query": "q", "texts": ["a", "b"]}, FakeEngine(first=1))[0] == 504


def test_info_health_and_metrics_are_answered():
    status, info = ask("/info")
    assert (status, info["model_id"], info["max_input_length"]) == (200, "model", 64)
    assert (info["max_client_batch_size"], list(info["model_type"])) == (MAX_DOCUMENTS, ["reranker"])
    assert ask("/health")[0] == 200
    assert ask("/health", engine=FakeEngine(ready=False)) == (
        503,
        {"error": "model is still loading", "error_type": "Unhealthy"},
    )
    assert b"es_rerank_scorer_seconds_count" in ask("/metrics")[1]
    assert ask("/elsewhere")[0] == ask("/rerank")[0] == 404


def test_the_model_is_the_named_one_else_the_default_variants_else_the_first():
    models = {"a": {"source": "org/a"}, "b": {"source": "org/b"}}
    settings = Settings(models=models, variants={"default": {"model": "b"}})
    assert settings.find_model("a").source == "org/a"
    assert settings.find_model(None).source == "org/b"
    assert Settings(models=models).find_model(None).source == "org/a"
    with pytest.raises(ConfigError, match="--model"):
        settings.find_model("c")
    with pytest.raises(ConfigError):
        Settings().find_model(None)
