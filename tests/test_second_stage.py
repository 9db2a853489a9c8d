"""The second stage orders a window; fakes stand in for the model and the profile."""

from __future__ import annotations

import json
import math
from concurrent.futures import Future
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.config import Settings
from middleware.errors import DeadlineExceeded, NoModel
from middleware.personalization.profiles import Profile
from middleware.ranking import make_ranking
from middleware.search.hits import read_answer
from middleware.search.plan import make_plan
from middleware.search.reasons import Reason
from middleware.search.request import read_request
from middleware.search.target import read_search_target
from middleware.search.window import Window
from middleware.second_stage import Reader, SecondStage
from middleware.verdict import judge, verdict_headers

WINDOW = 5


class FakeEngine:
    """Gives the scores it was made with, of the first `known` pairs of each query; remembers what it was asked."""

    name = "fake"

    def __init__(self, scores=(), error=None, known=None):
        self.scores, self.error, self.known = scores, error, known
        self.asked = None
        self.calls = 0

    def hold(self):
        return nullcontext(self)

    def estimate(self, *window):
        return None

    def score_many(self, queries, *, budget_ms):
        self.calls += 1
        ((query_text, document_texts), *_) = queries
        self.asked = (query_text, list(document_texts), budget_ms)
        if self.error:
            raise self.error
        return [np.array(self.scores[: len(texts)][: self.known], dtype=np.float64) for _, texts in queries]


def make_settings(**extra) -> Settings:
    return Settings.model_validate(
        {
            "models": {"fake": {"source": "nobody/fake"}},
            "variants": {"default": {"window": WINDOW}},
            "indices": {"products": {"template": "{title}[ {brand}]"}},
            **extra,
        }
    )


def make(settings, target="/products/_search", **body):
    return plan_of(settings, {"query": {"match": {"title": "red"}}, **body}, target)


def plan_of(settings, body, target="/products/_search"):
    data = json.dumps(body).encode()
    request = read_request(read_search_target("POST", target), {"content-type": "application/json"}, data, 10_000)
    return make_plan(request.searches[0], "default", settings)


def respond(sources, scores=None, index="products"):
    scores = scores or [float(len(sources) - number) for number in range(len(sources))]
    hits = [
        {"_index": index, "_id": str(number), "_score": score, "_source": source}
        for number, (source, score) in enumerate(zip(sources, scores, strict=True))
    ]
    (response,) = read_answer(json.dumps({"hits": {"hits": hits}}), is_multi=False).responses
    return response


def rerank(engine, response, *, settings=None, profile=None, target="/products/_search"):
    settings = settings or make_settings()
    plan = make(settings, target)
    stage = SecondStage(settings, {"fake": engine} if settings.models else {})
    (outcome,) = stage.rerank([(plan, response)], Reader("u", profile), 1000)
    return outcome


def order(response, scored, settings=None):
    return make_ranking(make(settings or make_settings()), response, scored)


first_stage_scores = st.lists(st.floats(0, 2.0**127, width=32), max_size=9).map(
    lambda scores: sorted(scores, reverse=True)
)


@given(first_stage_scores.filter(len), st.lists(st.floats(0, 1), min_size=9, max_size=9))
def test_a_ranking_holds_every_hit_once_and_its_scores_never_rise(scores, cross_encoder_scores) -> None:
    response = respond([{"title": f"t{number}"} for number in range(len(scores))], scores)
    ranking = order(response, rerank(FakeEngine(cross_encoder_scores), response))
    assert sorted(ranking.positions) == list(range(len(scores)))
    assert sorted(ranking.positions[:WINDOW]) == list(range(min(WINDOW, len(scores))))
    beyond = [scores[position] for position in ranking.positions[len(ranking.scores) :]]
    shown = [*ranking.scores, *beyond]
    assert all(math.isfinite(score) and score >= 0 for score in shown)
    assert shown == sorted(shown, reverse=True)


def shown_scores(ranking, scores):
    return [*ranking.scores, *(scores[position] for position in ranking.positions[len(ranking.scores) :])]


@given(first_stage_scores.filter(len), st.lists(st.floats(0, 1), min_size=9, max_size=9), st.integers(1, WINDOW))
def test_a_window_that_the_budget_cut_short_keeps_the_contract(scores, cross_encoder_scores, known) -> None:
    response = respond([{"title": f"t{number}"} for number in range(len(scores))], scores)
    scored = rerank(FakeEngine(cross_encoder_scores, known=known), response)
    ranking, known = order(response, scored), min(known, len(scores), WINDOW)
    assert len(scored.order) == known
    assert sorted(ranking.positions[:known]) == list(range(known))
    assert list(ranking.positions[known:]) == list(range(known, len(scores)))
    shown = shown_scores(ranking, scores)
    assert shown == sorted(shown, reverse=True)


@given(
    first_stage_scores.filter(len),
    st.lists(st.lists(st.floats(0, 1), min_size=9, max_size=9), min_size=4, max_size=4),
    st.lists(st.integers(1, WINDOW), min_size=4, max_size=4),
    st.integers(1, 4),
)
def test_pages_agree_however_far_each_would_have_come(scores, model_scores, known, size) -> None:
    settings, engine = make_settings(), FakeEngine()
    stage, response = SecondStage(settings, {"fake": engine}), respond([{"title": "t"}] * len(scores), scores)
    seen, shown = [], []
    for number, start in enumerate(range(0, len(scores), size)):
        engine.scores, engine.known = model_scores[number % 4], known[number % 4]
        page = make(settings, **{"from": min(start, WINDOW - 1), "size": size})
        (scored,) = stage.rerank([(page, response)], Reader(), 1000)
        ranking = make_ranking(page, response, scored)
        seen += list(ranking.positions)[start : start + size]
        shown += shown_scores(ranking, scores)[start : start + size]
    assert sorted(seen) == list(range(len(scores)))
    assert shown == sorted(shown, reverse=True)
    assert engine.calls == 1


def test_of_two_rankings_made_at_once_the_first_is_everybodys() -> None:
    settings, response = make_settings(), respond([{"title": f"t{number}"} for number in range(3)])
    engine = FakeEngine([0.1, 0.9, 0.5])
    stage = SecondStage(settings, {"fake": engine})

    class Overtaken(FakeEngine):
        def score_many(self, queries, *, budget_ms):
            stage._engines = {"fake": engine}
            stage.rerank([(make(settings), response)], Reader(), 1000)
            return super().score_many(queries, budget_ms=budget_ms)

    stage._engines = {"fake": Overtaken([0.1, 0.9, 0.5], known=1)}
    (outcome,) = stage.rerank([(make(settings), response)], Reader(), 1000)
    assert outcome.order == [1, 2, 0]


def test_a_search_of_many_whose_first_hit_was_not_scored_fell_behind_its_deadline() -> None:
    settings = make_settings()

    class Late(FakeEngine):
        def score_many(self, queries, *, budget_ms):
            return [np.array([0.5]), np.array([])]

    searches = [(make(settings), respond([{"title": title}, {"title": "t"}])) for title in "ab"]
    first, second = SecondStage(settings, {"fake": Late()}).rerank(searches, Reader(), 1000)
    assert first.order == [0]
    assert isinstance(second, DeadlineExceeded)


def test_the_window_header_says_how_far_each_search_got() -> None:
    plan, names = make(make_settings()), make_settings().headers
    response = respond([{"title": f"t{number}"} for number in range(4)])
    outcomes = [rerank(FakeEngine([0.5] * 4, known=known), response) for known in (4, 2)]
    outcomes.append(rerank(FakeEngine(error=DeadlineExceeded("late")), response))
    headers = verdict_headers(names, [judge(plan, outcome) for outcome in outcomes])
    assert headers[names.switch] == "applied"
    assert headers[names.window] == "4, 2, 0"


def test_profile_features_are_those_of_the_scored_hits() -> None:
    profile: Future[Profile | None] = Future()
    profile.set_result(Profile(brand_affinity={"acme": 0.9}, weight=900.0, confidence=0.9))
    sources = [{"title": "t", "brand": brand} for brand in ("Other", "ACME", "ACME")]
    scored = rerank(FakeEngine([0.5] * 3, known=2), respond(sources, [1.0] * 3), profile=profile)
    assert list(scored.order) == [1, 0]
    assert {values.shape for values in scored.features.values()} == {(2,)}


def rerank_as_elasticsearch_does(engine, response, **reranker):
    settings = make_settings()
    body = {
        "retriever": {
            "text_similarity_reranker": {
                "retriever": {"standard": {"query": {"match": {"title": "red"}}}},
                "field": "title",
                "inference_text": "red",
                "rank_window_size": WINDOW,
                **reranker,
            }
        }
    }
    plan = plan_of(settings, body)
    (scored,) = SecondStage(settings, {"fake": engine}).rerank([(plan, response)], Reader(), 1000)
    return make_ranking(plan, response, scored)


def test_what_a_text_similarity_reranker_had_no_time_for_follows_with_the_least_score() -> None:
    response = respond([{"title": f"t{number}"} for number in range(7)])
    ranking = rerank_as_elasticsearch_does(FakeEngine([0.1, 0.9, 0.5], known=3), response)
    assert list(ranking.positions) == [1, 2, 0, 3, 4]
    assert ranking.scores == pytest.approx([1.9, 1.5, 1.1, 1.0, 1.0])


def test_under_a_min_score_a_text_similarity_reranker_gives_only_what_the_model_vouches_for() -> None:
    response = respond([{"title": f"t{number}"} for number in range(7)])
    ranking = rerank_as_elasticsearch_does(FakeEngine([0.1, 0.9, 0.5], known=3), response, min_score=0.4)
    assert list(ranking.positions) == [1, 2]


def test_of_a_document_in_chunks_all_must_be_scored() -> None:
    window = Window(["a", "b", "c"], [], np.ones(3), ["a1", "a2", "b1", "b2", "c1"], np.array([0, 0, 1, 1, 2]))
    passages = np.array([0.1, 0.7, 0.4, 0.3, 0.9])
    expected = {0: [], 1: [], 2: [0.7], 3: [0.7], 4: [0.7, 0.4], 5: [0.7, 0.4, 0.9]}
    assert {known: list(window.best_of_passages(passages[:known])) for known in range(6)} == expected


def test_the_model_reads_the_window_and_orders_it() -> None:
    engine = FakeEngine([0.1, 0.9, 0.5, 0.2, 0.3])
    sources = [{"title": f"t{number}", "brand": "B" if number == 0 else None} for number in range(7)]
    response = respond(sources, [1.0] * 7)
    scored = rerank(engine, response)
    assert engine.asked[:2] == ("red", ["t0 B", "t1", "t2", "t3", "t4"])
    assert 0 < engine.asked[2] <= 1000
    assert list(order(response, scored).positions) == [1, 2, 4, 3, 0, 5, 6]
    assert len(order(response, scored).scores) == WINDOW
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
    outcome = rerank(FakeEngine(), respond([{"title": "t"}]), settings=make_settings(models={}))
    assert isinstance(outcome, NoModel)


def test_a_failure_of_the_engine_is_passed_on() -> None:
    outcome = rerank(FakeEngine(error=DeadlineExceeded("late")), respond([{"title": "t"}]))
    assert isinstance(outcome, DeadlineExceeded)


def test_a_profile_joins_the_features_when_it_is_there() -> None:
    profile: Future[Profile | None] = Future()
    profile.set_result(Profile(brand_affinity={"acme": 0.9}, weight=900.0, confidence=0.9))
    sources = [{"title": "t", "brand": "Other"}, {"title": "t", "brand": "ACME"}]
    scored = rerank(FakeEngine([0.5, 0.5]), respond(sources, [1.0, 1.0]), profile=profile)
    assert list(scored.order) == [1, 0]
    assert scored.profile is not None


def test_a_profile_that_is_late_or_unknown_is_left_out() -> None:
    settings = make_settings(profiles={"budget_ms": 1})
    unknown: Future[Profile | None] = Future()
    unknown.set_result(None)
    for profile in (Future(), unknown):
        scored = rerank(FakeEngine([0.5]), respond([{"title": "t"}]), settings=settings, profile=profile)
        assert scored.profile is None
        assert set(scored.features) == {"cross_encoder", "first_stage"}


def test_the_next_page_of_a_search_costs_no_second_rerank_and_has_the_same_order() -> None:
    settings, engine = make_settings(), FakeEngine([0.1, 0.9, 0.5])
    stage, response = SecondStage(settings, {"fake": engine}), respond([{"title": f"t{number}"} for number in range(3)])
    pages = [make(settings), make(settings, **{"from": 1, "size": 1})]
    orders = [stage.rerank([(page, response)], Reader("u"), 1000)[0].order for page in pages]
    assert orders[0] == orders[1] == [1, 2, 0]
    assert engine.calls == 1


@pytest.mark.parametrize(
    ("sources", "scores", "user", "body"),
    [
        ([{"title": "t0"}, {"title": "changed"}], None, "u", {}),
        ([{"title": "t0"}, {"title": "t1"}], [5.0, 1.0], "u", {}),
        ([{"title": "t0"}, {"title": "t1"}], None, "other", {}),
        ([{"title": "t0"}, {"title": "t1"}], None, "u", {"query": {"match": {"title": "blue"}}}),
    ],
)
def test_a_ranking_made_of_anything_else_is_made_anew(sources, scores, user, body) -> None:
    settings, engine = make_settings(), FakeEngine([0.1, 0.9])
    stage = SecondStage(settings, {"fake": engine})
    stage.rerank([(make(settings), respond([{"title": "t0"}, {"title": "t1"}]))], Reader("u"), 1000)
    stage.rerank([(make(settings, **body), respond(sources, scores))], Reader(user), 1000)
    assert engine.calls == 2


def test_rankings_are_not_remembered_where_the_configuration_says_so() -> None:
    settings, engine = make_settings(rankings={"ttl_s": 0}), FakeEngine([0.5])
    stage = SecondStage(settings, {"fake": engine})
    for _ in range(2):
        stage.rerank([(make(settings), respond([{"title": "t"}]))], Reader(), 1000)
    assert engine.calls == 2


def test_the_pairs_of_many_searches_go_to_the_model_in_one_go() -> None:
    settings, engine = make_settings(), FakeEngine([0.1, 0.9])
    responses = [respond([{"title": "a"}, {"title": "b"}]), respond([]), respond([{"title": "c"}])]
    outcomes = SecondStage(settings, {"fake": engine}).rerank(
        [(make(settings), response) for response in responses], Reader(), 1000
    )
    assert engine.calls == 1
    assert outcomes[1] is Reason.NO_HITS
    assert [outcomes[0].order, outcomes[2].order] == [[1, 0], [0]]
