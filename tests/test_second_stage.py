"""The second stage orders a window; fakes stand in for the model and the profile."""

from __future__ import annotations

import json
import math
from concurrent.futures import Future

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.config import Settings
from middleware.errors import DeadlineExceeded, NoModel
from middleware.personalization.profiles import Profile
from middleware.search.hits import read_search_response
from middleware.search.plan import SearchRequest, make_plan
from middleware.search.reasons import Reason
from middleware.search.target import read_search_target
from middleware.second_stage import SecondStage

WINDOW = 5


class FakeEngine:
    """Gives the scores it was made with; remembers what it was asked."""

    name = "fake"

    def __init__(self, scores=(), error=None):
        self.scores, self.error = scores, error
        self.asked = None

    def score(self, query_text, document_texts, *, budget_ms):
        self.asked = (query_text, list(document_texts), budget_ms)
        if self.error:
            raise self.error
        return np.array(self.scores[: len(document_texts)], dtype=np.float64)


def make_settings(**extra) -> Settings:
    return Settings.model_validate(
        {
            "models": {"fake": {"source": "nobody/fake"}},
            "variants": {"default": {"window": WINDOW}},
            "indices": {"products": {"template": "{title}[ {brand}]"}},
            **extra,
        }
    )


def make(settings, target="/products/_search"):
    body = json.dumps({"query": {"match": {"title": "red"}}}).encode()
    search_target = read_search_target("POST", target)
    return make_plan(SearchRequest(search_target, {"content-type": "application/json"}, body), "default", settings)


def respond(sources, scores=None, index="products"):
    scores = scores or [float(len(sources) - number) for number in range(len(sources))]
    hits = [
        {"_index": index, "_id": str(number), "_score": score, "_source": source}
        for number, (source, score) in enumerate(zip(sources, scores, strict=True))
    ]
    return read_search_response(json.dumps({"hits": {"hits": hits}}).encode())


def rerank(engine, response, *, settings=None, profile=None, target="/products/_search"):
    settings = settings or make_settings()
    return SecondStage(settings, {"fake": engine}).rerank(make(settings, target), response, profile, 1000)


first_stage_scores = st.lists(st.floats(0, 2.0**127, width=32), max_size=9).map(
    lambda scores: sorted(scores, reverse=True)
)


@given(first_stage_scores.filter(len), st.lists(st.floats(0, 1), min_size=9, max_size=9))
def test_a_ranking_holds_every_hit_once_and_its_scores_never_rise(scores, cross_encoder_scores) -> None:
    response = respond([{"title": f"t{number}"} for number in range(len(scores))], scores)
    scored = rerank(FakeEngine(cross_encoder_scores), response)
    ranking = scored.ranking
    assert sorted(ranking.positions) == list(range(len(scores)))
    assert sorted(ranking.positions[:WINDOW]) == list(range(min(WINDOW, len(scores))))
    beyond = [scores[position] for position in ranking.positions[len(ranking.scores) :]]
    shown = [*ranking.scores, *beyond]
    assert all(math.isfinite(score) and score >= 0 for score in shown)
    assert shown == sorted(shown, reverse=True)


def test_the_model_reads_the_window_and_orders_it() -> None:
    engine = FakeEngine([0.1, 0.9, 0.5, 0.2, 0.3])
    sources = [{"title": f"t{number}", "brand": "B" if number == 0 else None} for number in range(7)]
    scored = rerank(engine, respond(sources, [1.0] * 7))
    assert engine.asked[:2] == ("red", ["t0 B", "t1", "t2", "t3", "t4"])
    assert 0 < engine.asked[2] <= 1000
    assert list(scored.ranking.positions) == [1, 2, 4, 3, 0, 5, 6]
    assert len(scored.ranking.scores) == WINDOW
    assert scored.model == "fake"


@pytest.mark.parametrize(
    ("response", "target", "reason"),
    [
        (respond([]), "/products/_search", Reason.NO_HITS),
        (respond([{"other": 1}]), "/products/_search", Reason.NO_DOCUMENT_TEXT),
        (respond([{"title": "t"}], index="logs"), "/_search", Reason.INDEX_NOT_CONFIGURED),
    ],
)
def test_where_there_is_nothing_to_rerank_the_reason_is_given(response, target, reason) -> None:
    engine = FakeEngine()
    assert rerank(engine, response, target=target) is reason
    assert engine.asked is None


def test_without_a_model_there_is_no_second_stage() -> None:
    with pytest.raises(NoModel, match="default"):
        rerank(FakeEngine(), respond([{"title": "t"}]), settings=make_settings(models={}))


def test_a_failure_of_the_engine_is_passed_on() -> None:
    with pytest.raises(DeadlineExceeded):
        rerank(FakeEngine(error=DeadlineExceeded("late")), respond([{"title": "t"}]))


def test_a_profile_joins_the_features_when_it_is_there() -> None:
    profile: Future[Profile | None] = Future()
    profile.set_result(Profile(brand_affinity={"acme": 1.0}))
    sources = [{"title": "t", "brand": "Other"}, {"title": "t", "brand": "ACME"}]
    scored = rerank(FakeEngine([0.5, 0.5]), respond(sources, [1.0, 1.0]), profile=profile)
    assert list(scored.ranking.positions) == [1, 0]
    assert scored.profile is not None


def test_a_profile_that_is_late_or_unknown_is_left_out() -> None:
    settings = make_settings(profiles={"budget_ms": 1})
    unknown: Future[Profile | None] = Future()
    unknown.set_result(None)
    for profile in (Future(), unknown):
        scored = rerank(FakeEngine([0.5]), respond([{"title": "t"}]), settings=settings, profile=profile)
        assert scored.profile is None
        assert set(scored.features) == {"cross_encoder", "first_stage"}
