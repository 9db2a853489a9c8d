"""A profile in the second stage: how strong, how far, for which queries, and never without a trace."""

from __future__ import annotations

import json
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_fusion import random_document
from test_second_stage import FakeEngine, make_settings, order, plan_of, respond
from test_second_stage_cascade import HITS, Estimating
from test_second_stage_vectors import FakeVectors

from middleware.explanation.facts import Facts
from middleware.explanation.ranking import explain_ranking
from middleware.features.table import PROFILE_FEATURES
from middleware.fusion import rank
from middleware.fusion_models.document import read_model
from middleware.fusions import learned
from middleware.personal_order import bind_order
from middleware.personalization.profiles import Profile
from middleware.second_stage import Reader, SecondStage

COUNT = 12
KINDS = ("linear", "network", "trees", "average")
BODY = {"query": {"match": {"title": "red"}}, "size": COUNT}
ACME = Profile(brand_affinity={"acme": 0.9}, weight=900.0, confidence=0.9, version="1")


def known(profile):
    future: Future[Profile | None] = Future()
    future.set_result(profile)
    return future


def settings_of(personal=None, **variant):
    variant = {"window": COUNT, "personal": personal or {}, **variant}
    return make_settings(variants={"default": variant}, indices={"products": {"template": "{title}"}})


def shop(liked=range(COUNT - 1, COUNT), title="t{}"):
    """Hits in falling order, of which the profile likes some."""
    brands = ["acme" if number in liked else "other" for number in range(COUNT)]
    return respond([{"title": title.format(number), "brand": brand} for number, brand in enumerate(brands)])


FALLING = np.linspace(0.9, 0.8, COUNT).tolist()


def rerank(settings, profile=ACME, response=None, body=BODY, user="u", stage=None):
    stage = stage or SecondStage(settings, {"fake": FakeEngine(FALLING)})
    reader = Reader(user, known(profile) if profile else None)
    (outcome,) = stage.rerank([(plan_of(settings, body), response or shop())], reader, 1000)
    return outcome


def test_a_liked_hit_rises_by_as_many_ranks_as_it_may() -> None:
    for most, place in ((None, 0), (10, 1), (3, COUNT - 4), (0, COUNT - 1)):
        scored = rerank(settings_of({"most_ranks": most, "strength": 10}))
        assert scored.order.index(COUNT - 1) == place
        assert scored.impersonal_order == list(range(COUNT))


def test_scores_never_rise_where_the_cap_holds_a_hit_back() -> None:
    settings = settings_of({"most_ranks": 3, "strength": 10})
    response = shop(liked=(7, 9, 11))
    ranking = order(response, rerank(settings, response=response), settings)
    assert list(ranking.scores) == sorted(ranking.scores, reverse=True)
    assert ranking.positions != list(range(COUNT))


@given(st.lists(st.booleans(), min_size=COUNT, max_size=COUNT), st.integers(0, COUNT), st.integers(1, COUNT))
def test_no_hit_moves_further_than_it_may_whatever_the_profile_likes(liked, most, read) -> None:
    settings = settings_of({"most_ranks": most, "strength": 10})
    response = shop(liked=[number for number, likes in enumerate(liked) if likes])
    engine = FakeEngine(FALLING, known=read)
    scored = rerank(settings, response=response, stage=SecondStage(settings, {"fake": engine}))
    assert sorted(scored.order) == sorted(scored.impersonal_order)
    moved = [abs(scored.order.index(hit) - rank) for rank, hit in enumerate(scored.impersonal_order)]
    assert max(moved) <= most


@pytest.mark.parametrize("personal", [{"strength": 0}, None])
def test_without_strength_or_user_the_order_is_that_of_everybody(personal) -> None:
    everybody = rerank(settings_of(), profile=None, user=None)
    scored = rerank(settings_of(personal), profile=ACME if personal else None)
    assert scored.order == everybody.order
    assert np.array_equal(scored.fused_scores, everybody.fused_scores)
    assert scored.features.keys() == everybody.features.keys()
    assert scored.profile is None
    assert scored.impersonal_order is None


def test_disabled_profiles_read_nothing_for_them() -> None:
    settings = settings_of().model_copy(
        update={"profiles": settings_of().profiles.model_copy(update={"enabled": False})}
    )
    assert not set(rerank(settings).features) & set(PROFILE_FEATURES)
    assert set(plan_of(settings, {**BODY, "_source": False}).added_fields) == {"title"}


def test_strength_multiplies_what_a_profile_adds() -> None:
    gains = []
    for strength in (0.5, 1, 2):
        scored = rerank(settings_of({"strength": strength}, weights={"cross_encoder": 1, "brand_affinity": 0.3}))
        model = plan_of(settings_of({"strength": strength}), BODY).variant.fusion.model
        parts = model.contributions(scored.features).parts
        gains.append(parts["brand_affinity"][-1] / parts["cross_encoder"][-1])
    assert gains == pytest.approx([gains[1] / 2, gains[1], gains[1] * 2])


@pytest.mark.parametrize(("query", "title"), [("red xj-900", "Red XJ900 {}"), ("red wool hat 3", "Red wool hat {}")])
def test_a_query_that_names_a_product_is_left_alone(query, title) -> None:
    sources = [
        {"title": title.format(number) if number < 4 else f"t{number}", "brand": "other"} for number in range(COUNT - 1)
    ]
    response = respond([*sources, {"title": "blue", "brand": "acme"}])
    body = {"query": {"match": {"title": query}}, "size": COUNT}
    spared = rerank(settings_of({"strength": 10}), response=response, body=body)
    assert (spared.is_spared, spared.profile, spared.order) == (True, None, list(range(COUNT)))
    careless = rerank(settings_of({"strength": 10, "spare_navigational": False}), response=response, body=body)
    assert not careless.is_spared
    assert careless.order != spared.order


def test_what_events_call_a_product_may_stand_in_a_field() -> None:
    settings = make_settings(
        variants={"default": {"window": COUNT, "weights": {"cross_encoder": 1, "bought_before": 10}}},
        indices={"products": {"template": "{title}"}},
        profiles={"id_field": "sku"},
    )
    response = respond([{"title": f"t{number}", "sku": f"s{number}"} for number in range(COUNT)])
    scored = rerank(settings, Profile(bought={"s3": 1.0}), response)
    assert scored.order[0] == 3
    assert "sku" in plan_of(settings, {**BODY, "_source": False}).added_fields


def test_a_search_that_begins_anew_after_a_click_is_ranked_anew_and_its_next_pages_follow_it() -> None:
    settings = settings_of({"strength": 10, "most_ranks": None})
    stage = SecondStage(settings, {"fake": FakeEngine(FALLING)})
    response = shop(liked=(5,))
    before = rerank(settings, Profile(version="1"), response, stage=stage)
    second = rerank(settings, ACME_LATER, response, {**BODY, "from": 4, "size": 4}, stage=stage)
    assert second is before  # the pages of a search agree, whatever the user does meanwhile
    after = rerank(settings, ACME_LATER, response, stage=stage)
    assert (before.order[0], after.order[0]) == (0, 5)
    assert rerank(settings, Profile(version="3"), response, {**BODY, "from": 4, "size": 4}, stage=stage) is after


ACME_LATER = Profile(brand_affinity={"acme": 0.9}, weight=900.0, confidence=0.9, version="2")


def test_vectors_are_fetched_for_a_users_cosine_alone_and_the_query_is_not_encoded() -> None:
    settings = make_settings(
        variants={"default": {"window": 5}}, indices={"products": {"template": "{title}", "vectors": {}}}
    )
    vectors = FakeVectors([0.0, 0.0, 1.0])
    response = respond([{"title": f"t{number}"} for number in range(3)])
    user = Profile(vector=np.array([1, 0], dtype=np.float32), vector_model="r1", confidence=0.9)
    stage = SecondStage(settings, {"fake": FakeEngine([0.5] * 3)}, {"products": vectors})
    scored = rerank(settings, user, response, stage=stage)
    assert vectors.asked == [(None, ["t0", "t1", "t2"], {})]
    assert scored.features["vector_affinity"] == pytest.approx([0.5, 0.5, 1])
    assert "vector_cosine" not in scored.features
    rerank(settings, None, response, user=None, stage=stage)
    assert len(vectors.asked) == 1


FULL = Profile(
    brand_affinity={"acme": 0.5, "other": 0.1},
    attribute_affinity={"size=l": 0.3},
    price_log_mean=3.0,
    price_confidence=0.8,
    vector=np.array([0.6, 0.8], dtype=np.float32),
    session_vector=np.array([0, 1], dtype=np.float32),
    vector_model="r1",
    confidence=0.9,
    weight=900.0,
    bought={"3": 0.0},
    cluster_popularity={"1": 0.1, "4": 0.3},
    version="1",
)
TRAINED = {name: 2.0 + place for place, name in enumerate(PROFILE_FEATURES)}


def explained_with_everything(kind):
    features = {"attributes": ["size"]}
    settings = make_settings(
        variants={"default": {"window": COUNT, "personal": {"strength": 3, "most_ranks": 2}}},
        indices={"products": {"template": "{title}", "vectors": {}, "features": features}},
    )
    plan = plan_of(settings, BODY)
    if kind != "weights":
        document = {**random_document(kind, 5), "profile": TRAINED}
        plan = replace(plan, variant=replace(plan.variant, trained=learned(read_model(document))))
    rng = np.random.default_rng(4)
    sources = [
        {
            "title": f"red t{number}",
            "brand": "acme" if number % 3 else "other",
            "price": 10 + number,
            "size": "lm"[number % 2],
        }
        for number in range(COUNT)
    ]
    stage = SecondStage(
        settings,
        {"fake": FakeEngine(rng.uniform(0.3, 0.7, COUNT).tolist())},
        {"products": FakeVectors(rng.uniform(-1, 1, COUNT))},
    )
    response = respond(sources)
    (scored,) = stage.rerank([(plan, response)], Reader("u", known(FULL)), 1000)
    return plan, json.loads(json.dumps(explain_ranking(plan, response, scored, Facts(FULL))))


@pytest.mark.parametrize("kind", ["weights", *KINDS])
def test_contributions_add_up_with_all_profile_features_whatever_model_fuses(kind) -> None:
    _, told = explained_with_everything(kind)
    assert set(told["hits"][0]["features"]) >= set(PROFILE_FEATURES)
    for hit in told["hits"]:
        total = told["fusion"]["base"] + sum(hit["contributions"].values())
        if told["fusion"]["contributions_add_up_to"] == "logit":
            total = 1 / (1 + np.exp(-total))
        assert total == pytest.approx(hit["fused_score"], abs=1e-12)
    assert told["fusion"]["kind"] == kind
    assert any(hit["facts"] for hit in told["hits"])


@pytest.mark.parametrize("kind", ["weights", *KINDS])
def test_logged_features_replay_to_the_order_that_was_served_bounds_and_all(kind) -> None:
    plan, told = explained_with_everything(kind)
    hits = sorted(told["hits"], key=lambda hit: hit["first_stage_rank"])
    logged = {name: np.array([hit["features"][name] for hit in hits]) for name in hits[0]["features"]}
    model = plan.variant.fusion.model
    fused = model.fuse(logged)
    assert fused == pytest.approx([hit["fused_score"] for hit in hits], abs=1e-9, rel=0)
    everybodys = model.fuse({name: values for name, values in logged.items() if name not in PROFILE_FEATURES})
    impersonal = rank(everybodys).tolist()
    assert [impersonal.index(place) + 1 for place in range(COUNT)] == [hit["rank_without_profile"] for hit in hits]
    order = bind_order(impersonal, fused, told["personal"]["most_ranks"])
    assert [order.index(place) + 1 for place in range(COUNT)] == [hit["rank"] for hit in hits]
    assert order not in (impersonal, rank(fused).tolist())  # the profile moved some, and the bound held some


@given(st.integers(0, 2**32 - 1), st.integers(0, 15), st.integers(1, 12))
def test_a_reading_that_ends_early_shows_the_page_of_a_whole_reading(seed, most, page) -> None:
    rng = np.random.default_rng(seed)
    model, estimates = rng.uniform(size=(2, HITS))
    uppers = np.maximum(model, rng.uniform(size=HITS) * 0.3 + model)
    liked = rng.uniform(size=HITS) < 0.3
    sources = [{"title": f"t{number}", "brand": "acme" if liked[number] else "other"} for number in range(HITS)]
    response, pages, read = respond(sources, np.linspace(9, 1, HITS).tolist()), [], []
    for early_stop in (True, False):
        cascade = {"depth": HITS, "page": page, "early_stop": early_stop}
        settings = settings_of({"most_ranks": most}, window=HITS, cascade=cascade, weights={"brand_affinity": 1.0})
        engine = Estimating(model.__getitem__, estimates.__getitem__, uppers.__getitem__, depth=HITS)
        scored = rerank(settings, response=response, stage=SecondStage(settings, {"fake": engine}))
        pages.append(scored.order[:page])
        read.append(scored.read)
    assert pages[0] == pages[1]
    assert read[0] <= read[1] == HITS
