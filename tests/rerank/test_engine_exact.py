"""With every shortcut switched off the engine computes what plain transformers code computes, pair by pair."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fake_backend import wait_until
from tiny_model import WORDS

from middleware.app import make_engine_maker
from middleware.config import Settings
from middleware.observability import Metrics
from middleware.search.hits import read_answer
from middleware.search.plan import make_plan
from middleware.search.request import read_request
from middleware.search.target import read_search_target
from middleware.second_stage import Reader, SecondStage

torch = pytest.importorskip("torch")

QUERY = "  Red iPhone\tCASE 12 手机壳 "
OFF = {"scores": {"max_bytes": 0}, "rankings": {"ttl_s": 0}, "profiles": {"enabled": False}}


def documents(count: int) -> list[str]:
    draw = np.random.default_rng(11)
    return [" ".join(draw.choice(WORDS, int(length))) for length in draw.integers(1, 60, count)]


def plain_scores(folder, texts: list[str]) -> np.ndarray:
    """One pair at a time, unpadded, as a model card shows it."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        logits = [
            model(**tokenizer(QUERY, text, truncation="only_second", max_length=64, return_tensors="pt")).logits
            for text in texts
        ]
    return torch.sigmoid(torch.cat(logits)[:, 0].double()).numpy()


@pytest.fixture
def second_stage(tiny_model):
    """second_stage(**sections) -> the tiny model's folder, the settings, a SecondStage whose engine is ready."""
    engines = []

    def make(**sections):
        folder = str(tiny_model())
        model = {
            "source": folder,
            "device": "cpu",
            "precision": "exact",
            "backend": "torch",
            "max_tokens": 64,
            "batch_tokens": 256,
        }
        settings = Settings.model_validate(
            {
                "models": {"tiny": model},
                "variants": {"default": {"window": 100}},
                "indices": {"products": {"template": "{title}"}},
                **sections,
            }
        )
        engine = make_engine_maker(settings, Metrics())(settings.models["tiny"])
        engine.start()
        engines.append(engine)
        wait_until(lambda: engine.ready)
        return folder, settings, SecondStage(settings, {"tiny": engine})

    yield make
    for engine in engines:
        engine.stop()


def rerank(settings, stage, texts):
    body = json.dumps({"query": {"match": {"title": "red"}}, "ext": {"rerank": {"query_text": QUERY}}}).encode()
    request = read_request(
        read_search_target("POST", "/products/_search"), {"content-type": "application/json"}, body, 10_000
    )
    hits = [{"_index": "products", "_id": str(n), "_score": 1.0, "_source": {"title": t}} for n, t in enumerate(texts)]
    (response,) = read_answer(json.dumps({"hits": {"hits": hits}}), is_multi=False).responses
    plan = make_plan(request.searches[0], "default", settings)
    (scored,) = stage.rerank([(plan, response)], Reader(), 60_000)
    return scored.features["cross_encoder"]


def test_with_every_shortcut_off_the_scores_are_those_of_plain_transformers(second_stage) -> None:
    texts = documents(100)
    folder, settings, stage = second_stage(**OFF)
    scores = rerank(settings, stage, texts)
    assert np.ptp(scores) > 0.05
    np.testing.assert_allclose(scores, plain_scores(folder, texts), atol=1e-4)


def test_a_remembered_score_is_the_computed_one(second_stage) -> None:
    texts = documents(40)
    folder, settings, stage = second_stage(rankings={"ttl_s": 0})
    first = rerank(settings, stage, texts)
    again = rerank(settings, stage, texts[::-1])[::-1]
    assert first.tobytes() == again.tobytes()
    np.testing.assert_allclose(first, plain_scores(folder, texts), atol=1e-4)
