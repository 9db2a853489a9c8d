"""With every shortcut switched off the engine computes what plain transformers code computes, pair by pair."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fake_backend import wait_until
from tiny_estimator import random_estimator
from tiny_model import WORDS

from middleware.assembly import make_engine_maker
from middleware.config import Settings
from middleware.observability import Metrics
from middleware.search.hits import read_answer
from middleware.search.plan import make_plan
from middleware.search.request import read_request
from middleware.search.target import read_search_target
from middleware.second_stage import Reader, SecondStage

torch = pytest.importorskip("torch")

QUERY = "  Red iPhone\tCASE 12 手机壳 "
OFF = {
    "scores": {"max_bytes": 0},
    "rankings": {"ttl_s": 0},
    "profiles": {"enabled": False},
    "variants": {"default": {"window": 100, "cascade": {"enabled": False}}},
}


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
def second_stage(tiny_model, tmp_path):
    """second_stage(**sections) -> the tiny model's folder, the settings, a SecondStage whose engine is ready.

    The model has an estimator of random tables, which reads 20 hits of a window where nobody forbids it.
    """
    engines = []
    estimator = tmp_path / "estimator.npz"
    random_estimator(depth=20).save(estimator)

    def make(*, document_bytes=0, **sections):
        folder = str(tiny_model())
        model = {
            "source": folder,
            "device": "cpu",
            "precision": "exact",
            "backend": "torch",
            "max_tokens": 64,
            "batch_tokens": 256,
            "document_bytes": document_bytes,
            "estimator": str(estimator),
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
    return scored


def test_with_every_shortcut_off_the_scores_are_those_of_plain_transformers(second_stage) -> None:
    texts = documents(100)
    folder, settings, stage = second_stage(**OFF)
    scored = rerank(settings, stage, texts)
    scores = scored.features["cross_encoder"]
    assert scored.read == len(texts)
    assert np.ptp(scores) > 0.05
    np.testing.assert_allclose(scores, plain_scores(folder, texts), atol=1e-4)


def test_what_the_cascade_reads_has_the_scores_of_plain_transformers(second_stage) -> None:
    texts = documents(100)
    folder, settings, stage = second_stage(document_bytes=1 << 20, rankings={"ttl_s": 0})
    scored = rerank(settings, stage, texts)
    read = list(scored.order)[: scored.read]
    assert 10 <= scored.read <= 20
    expected = plain_scores(folder, [texts[place] for place in read])
    np.testing.assert_allclose(scored.features["cross_encoder"][read], expected, atol=1e-4)


def test_a_remembered_score_is_the_computed_one(second_stage) -> None:
    texts = documents(40)
    folder, settings, stage = second_stage(rankings={"ttl_s": 0}, variants=OFF["variants"])
    first, again = (rerank(settings, stage, some).features["cross_encoder"] for some in (texts, texts[::-1]))
    assert first.tobytes() == again[::-1].tobytes()
    np.testing.assert_allclose(first, plain_scores(folder, texts), atol=1e-4)
