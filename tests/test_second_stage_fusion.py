"""The second stage with a trained fusion model: what it reads, asks for and makes of it, and when it stops."""

from __future__ import annotations

import json
from concurrent.futures import Future

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_fusion import FEATURES, KINDS, random_document
from test_second_stage import FakeEngine, make_settings, respond
from test_second_stage_cascade import Estimating, falling, rising

from middleware.explanation.ranking import explain_ranking
from middleware.fusion_models.document import read_model
from middleware.fusions import learned
from middleware.personalization.profiles import Profile
from middleware.search.first_stage import window_request
from middleware.search.plan import make_plan
from middleware.search.request import read_request
from middleware.search.target import read_search_target
from middleware.search.window import read_window
from middleware.second_stage import Reader, SecondStage

HITS = 30
SOURCE = "a model of this test"


def linear(weights, *, monotone=("cross_encoder",), **more):
    """A linear model of unscaled features."""
    names = list(weights)
    scaling = {"mean": dict.fromkeys(names, 0.0), "deviation": dict.fromkeys(names, 1.0)}
    document = {"kind": "linear", "features": names, "fields": ["title"], "monotone": list(monotone)}
    return document | {"scaling": scaling, "weights": weights, "bias": 0.0, **more}


class Case:
    """Settings with a variant that the model `document` fuses, and searches planned for it."""

    def __init__(self, document, *, features=None, profiles=True, **variant):
        index = {"template": "{title}[ {brand}]", "features": features or {}}
        self.settings = make_settings(indices={"products": index}, profiles={"enabled": profiles})
        section = self.settings.variants["default"].model_copy(update={"fusion": SOURCE, "window": HITS})
        changed = type(section).model_validate({"cascade": variant})
        section = section.model_copy(update={"cascade": changed.cascade})
        self.settings = self.settings.model_copy(update={"variants": {"default": section}})
        self.model = read_model(document)
        self.fusions = {SOURCE: learned(self.model)}

    def plan(self, **body):
        data = json.dumps({"query": {"match": {"title": "red phone"}}, **body}).encode()
        target = read_search_target("POST", "/products/_search")
        self.request = read_request(target, {"content-type": "application/json"}, data, 10_000)
        return make_plan(self.request.searches[0], "default", self.settings, fusions=self.fusions)

    def rerank(self, engine, response, reader=None, **body):
        plan = self.plan(**body)
        (outcome,) = SecondStage(self.settings, {"fake": engine}).rerank([(plan, response)], reader or Reader(), 1000)
        return plan, outcome


def titles(*titles):
    return respond([{"title": title} for title in titles], [1.0] * len(titles))


def test_the_model_orders_by_the_features_that_it_wants() -> None:
    case = Case(linear({"cross_encoder": 1.0, "match.title": 3.0}, monotone=("cross_encoder", "match.title")))
    _, scored = case.rerank(FakeEngine([0.9, 0.5, 0.1]), titles("blue shoe", "red shoe", "red phone"))
    assert set(scored.features) == {"cross_encoder", "match.title"}
    assert scored.features["match.title"].tolist() == [0, 0.5, 1]
    assert scored.order == [2, 1, 0]
    assert scored.fused_scores == pytest.approx(1 / (1 + np.exp(-np.array([0.9, 2.0, 3.1]))))


def test_what_a_model_wants_of_the_hits_is_asked_for_where_the_client_gets_less() -> None:
    weights = {"cross_encoder": 1.0, "match.subtitle": 1.0, "popularity": 1.0, "freshness": 1.0, "price_level": 1.0}
    features = {"popularity": "sales.count", "date": "since", "brand": None, "category": None, "price": "cost"}
    case = Case(linear(weights), features=features, profiles=False)
    plan = case.plan(_source=["title"])
    assert set(plan.added_fields) == {"brand", "subtitle", "sales.count", "since", "cost", "title"}
    body = json.loads(window_request(case.request, [plan]).body)
    assert set(plan.added_fields) <= {entry if isinstance(entry, str) else entry["field"] for entry in body["fields"]}
    less = Case(linear({"cross_encoder": 1.0}), features=features, profiles=False)
    assert set(less.plan(_source=["title"]).added_fields) == {"title", "brand"}


PATTERN = linear({"cross_encoder": 1.0, "match": 1.0}, fields=["title", "attr_*"])


def test_a_pattern_is_a_source_of_the_window_where_the_page_can_be_asked_apart() -> None:
    case = Case(PATTERN, profiles=False)
    assert case.plan().deferral is None  # the client gets all
    for body in ({"_source": ["title"]}, {"_source": False, "fields": ["attr_size"]}):
        plan = case.plan(**body)
        sent = json.loads(window_request(case.request, [plan]).body)
        assert {"title", "attr_*"} <= set(sent["_source"])
        assert sent.get("fields") == body.get("fields")


def test_a_pattern_is_asked_for_under_fields_where_the_page_cannot_be_asked_apart() -> None:
    case = Case(PATTERN, profiles=False)
    for body in ({"size": HITS}, {"profile": True}):
        plan = case.plan(_source=["title"], **body)
        assert plan.deferral is None
        assert "attr_*" in json.loads(window_request(case.request, [plan]).body)["fields"]
    mixed = case.plan(_source=["title"], profile=True, fields=["attr_size"])
    assert "attr_*" not in mixed.added_fields  # one answer could not hold both


def test_words_are_found_in_the_fields_that_a_pattern_means() -> None:
    sources = [{"title": "phone", "attr_a": ["x", "RED"]}, {"title": "phone", "attr_b": "blue"}, {"title": "phones"}]
    _, scored = Case(PATTERN).rerank(FakeEngine([0.5] * 3), respond(sources, [1.0] * 3))
    assert scored.features["match"].tolist() == [1, 0.5, 0.5]


def test_popularity_price_and_date_are_read_from_the_hits() -> None:
    weights = {"cross_encoder": 0.0, "popularity": 1.0, "freshness": 1.0, "price_closeness": 1.0}
    case = Case(linear(weights), features={"popularity": "sold", "date": "since"})
    sources = [{"title": "a", "sold": 9, "since": "2999-01-01", "price": 10}, {"title": "b", "sold": 0, "price": 20}]
    _, scored = case.rerank(FakeEngine([0.5, 0.5]), respond(sources))
    assert scored.features["popularity"].tolist() == [1, 0]
    assert scored.features["freshness"].tolist() == [1, 1]
    assert scored.features["price_closeness"].tolist() == pytest.approx([2 / 3, 3 / 4])


def test_the_day_may_be_given_for_what_is_replayed() -> None:
    features = {"date": "since", "half_life_days": 10}
    plan = Case(linear({"cross_encoder": 1.0, "freshness": 1.0}), features=features).plan()
    window = read_window(plan, respond([{"title": "a", "since": "1970-01-11"}]), day=20)
    assert [hit.freshness for hit in window.hit_fields] == [0.5]


def test_a_profile_joins_a_trained_model_as_its_file_says() -> None:
    profile: Future[Profile | None] = Future()
    profile.set_result(Profile(brand_affinity={"acme": 0.9}, weight=900.0, confidence=0.9))
    response = respond([{"title": "t", "brand": "Other"}, {"title": "t", "brand": "ACME"}], [1.0, 1.0])
    impersonal, personal = (
        Case(linear({"cross_encoder": 1.0})),
        Case(linear({"cross_encoder": 1.0}, profile={"brand_affinity": 2.0})),
    )
    _, scored = personal.rerank(FakeEngine([0.5, 0.5]), response, Reader("u", profile))
    assert scored.order == [1, 0]
    assert "brand_affinity" in scored.features
    _, scored = impersonal.rerank(FakeEngine([0.5, 0.5]), response, Reader("u", profile))
    assert scored.order == [0, 1]
    assert set(scored.features) == {"cross_encoder"}


def test_a_request_for_the_models_own_order_knows_no_fusion() -> None:
    reranker = {
        "retriever": {"standard": {"query": {"match": {"title": "red"}}}},
        "field": "title",
        "inference_text": "red",
        "rank_window_size": HITS,
    }
    case = Case(linear({"match.title": 1.0}, monotone=()))
    data = json.dumps({"retriever": {"text_similarity_reranker": reranker}}).encode()
    target = read_search_target("POST", "/products/_search")
    request = read_request(target, {"content-type": "application/json"}, data, 10_000)
    plan = make_plan(request.searches[0], "default", case.settings, fusions=case.fusions)
    assert plan.variant.trained is None
    assert plan.variant.fusion.model.weights == {"cross_encoder": 1.0}


def numbered(count=HITS):
    return respond([{"title": f"t{number}"} for number in range(count)])


def test_a_model_that_may_fall_with_the_cross_encoders_score_has_no_early_stop() -> None:
    weights = {"cross_encoder": 5.0, "first_stage": 0.1}
    for monotone, read in ((("cross_encoder",), range(10, 20)), ((), range(25, 26))):
        engine = Estimating(falling, upper=falling, depth=25)
        _, scored = Case(linear(weights, monotone=monotone)).rerank(engine, numbered())
        assert scored.read in read


def test_a_model_that_does_not_read_the_cross_encoder_stops_as_soon_as_the_page_is_full() -> None:
    engine = Estimating(falling, upper=lambda number: 1.0, depth=25)
    _, scored = Case(linear({"first_stage": 1.0}, monotone=())).rerank(engine, numbered())
    assert scored.read <= 14
    assert scored.order == list(range(HITS))


def test_estimated_hits_follow_in_the_order_of_the_fusion_model() -> None:
    weights = {"cross_encoder": 1.0, "first_stage_share": 10.0}
    engine = Estimating(rising, estimate=rising, depth=10)
    _, scored = Case(linear(weights), early_stop=False).rerank(engine, numbered())
    assert scored.read == 10
    assert scored.order == list(range(HITS))  # the first stage outweighs all that is estimated


@given(st.sampled_from(KINDS), st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_where_bounds_hold_the_page_of_any_model_is_that_of_the_whole_window(kind, seed, page) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.uniform(size=HITS)
    uppers = np.minimum(scores + rng.uniform(size=HITS) * 0.2, 1)
    document = random_document(kind, seed, ("cross_encoder",))
    response = respond(
        [{"title": f"t{number}", "price": float(rng.integers(1, 9))} for number in range(HITS)],
        sorted(rng.uniform(0, 9, size=HITS).tolist(), reverse=True),
    )
    engine = Estimating(scores.__getitem__, lambda number: uppers[number] * 0.9, uppers.__getitem__)
    case = Case(document, page=page)
    _, part = case.rerank(engine, response)
    _, whole = Case(document, enabled=False).rerank(FakeEngine(scores.tolist()), response)
    best = [whole.fused_scores[place] for place in whole.order[:page]]
    assert [part.fused_scores[place] for place in part.order[:page]] == best


@pytest.mark.parametrize("kind", KINDS)
def test_an_explanation_adds_up_and_can_be_replayed_to_the_last_digit(kind) -> None:
    case = Case(random_document(kind, 11))
    response = respond([{"title": f"red t{number}"} for number in range(HITS)])
    scores = np.random.default_rng(2).uniform(size=HITS)
    plan, scored = case.rerank(FakeEngine(scores.tolist()), response, size=HITS)
    told = json.loads(json.dumps(explain_ranking(plan, response, scored)))
    assert told["fusion"]["kind"] == kind
    assert told["fusion"]["contributions_add_up_to"] == "logit"
    logged = {name: np.array([hit["features"][name] for hit in told["hits"]]) for name in told["hits"][0]["features"]}
    assert case.model.fuse(logged).tolist() == [hit["fused_score"] for hit in told["hits"]]
    for hit in told["hits"]:
        logit = told["fusion"]["base"] + sum(hit["contributions"].values())
        assert 1 / (1 + np.exp(-logit)) == pytest.approx(hit["fused_score"], abs=1e-5)
    assert set(logged) == set(FEATURES) - {"vector_cosine"}  # nobody gave vectors


def test_another_model_makes_a_ranking_anew() -> None:
    engine = FakeEngine([0.1, 0.9])
    case = Case(linear({"cross_encoder": 1.0}))
    stage = SecondStage(case.settings, {"fake": engine})
    for document in (linear({"cross_encoder": 1.0}), linear({"cross_encoder": 1.0}), linear({"cross_encoder": 2.0})):
        case.fusions = {SOURCE: learned(read_model(document))}
        stage.rerank([(case.plan(), titles("a", "b"))], Reader(), 1000)
    assert engine.calls == 2


def test_a_ranking_depends_on_fields_that_the_text_does_not_show() -> None:
    engine = FakeEngine([0.1, 0.9])
    case = Case(linear({"cross_encoder": 1.0, "match.hidden": 1.0}))
    stage = SecondStage(case.settings, {"fake": engine})
    for hidden in ("red", "red", "blue"):
        stage.rerank([(case.plan(), respond([{"title": "a", "hidden": hidden}]))], Reader(), 1000)
    assert engine.calls == 2
