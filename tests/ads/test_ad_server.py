"""Ads of searches, with a cluster and a log that are made up: shown where they may be, noted, and capped."""

from __future__ import annotations

import json

import numpy as np
import pytest

from middleware.ads.server import AdServer
from middleware.config import AdSettings, Settings
from middleware.errors import UpstreamError
from middleware.personalization.profiles import Profile
from middleware.ranking import Scored, make_ranking
from middleware.search.hits import read_answer
from middleware.search.plan import make_plan
from middleware.search.request import read_request
from middleware.search.target import read_search_target

NOW = 1_790_000_000.0
HITS = 10


class Sink:
    def __init__(self):
        self.shown = []

    def put_soon(self, records):
        self.shown += [record.document for record in records]
        return True


class Log:
    """Answers the three searches of ads."""

    def __init__(self, ads, spent=None, seen=None):
        self.ads, self.spent, self.seen, self.error = ads, spent or {}, seen or {}, None

    def __call__(self, index, body, headers):
        if self.error:
            raise self.error
        if "aggs" not in body:
            return {"hits": {"hits": [{"_id": ad_id, "_source": ad} for ad_id, ad in self.ads.items()]}}
        if "query" in body:
            user = body["query"]["bool"]["filter"][0]["term"]["client_id"]
            buckets = [{"key": ad_id, "doc_count": count} for ad_id, count in self.seen.get(user, {}).items()]
        else:
            buckets = [{"key": ad_id, "cost": {"value": cost}} for ad_id, cost in self.spent.items()]
        return {"aggregations": {"ads": {"buckets": buckets}}}


def serve(ads, *, spent=None, seen=None, **settings):
    log, sink = Log(ads, spent, seen), Sink()
    server = AdServer(AdSettings(index="ads", **settings), log, sink, now=lambda: NOW)
    server.read()
    return server, log, sink


def search(server, text="running shoes", user="anna", start=0, size=10, relevance=None, read=HITS, profile=None):
    body = json.dumps({"query": {"match": {"title": text}}, "from": start, "size": size}).encode()
    target = read_search_target("POST", "/products/_search")
    asked = read_request(target, {"content-type": "application/json"}, body, 1 << 20, is_opensearch=False)
    settings = Settings()
    plan = make_plan(asked.searches[0], "default", settings, has_retrievers=False, fusions={})
    hits = [{"_index": "products", "_id": f"p{n}", "_score": 20.0 - n, "_source": {}} for n in range(HITS)]
    text = json.dumps({"took": 1, "hits": {"total": {"value": HITS, "relation": "eq"}, "hits": hits}})
    (response,) = read_answer(text, is_multi=False).responses
    scores = np.full(HITS, 0.9) if relevance is None else np.array(relevance)
    fused = np.linspace(0.9, 0.1, HITS)
    scored = Scored({"cross_encoder": scores}, fused, list(range(HITS)), read, [""] * HITS, "m", profile)
    return plan, server.sponsor(plan, response, scored, make_ranking(plan, response, scored), user)


def ad(product, bid=1.0, **more):
    return {"object_id": product, "bid": bid, **more}


def test_paid_hits_take_the_slots_and_the_scores_stay_in_place():
    server, _, sink = serve({"a": ad("p6"), "b": ad("p8", 2.0)}, slots=(1, 5))
    plan, ranking = search(server)
    assert ranking.positions[:6] == [8, 0, 1, 2, 6, 3]
    assert ranking.sponsored == {8: "b", 6: "a"}
    assert ranking.sponsored_places(plan) == [1, 5]
    assert list(ranking.scores) == sorted(ranking.scores, reverse=True)
    assert [(each["ad_id"], each["place"], each["cost"], each["client_id"]) for each in sink.shown] == [
        ("b", 1, 2.0, "anna"),
        ("a", 5, 1.0, "anna"),
    ]


def test_without_an_ad_for_the_search_the_ranking_is_untouched():
    server, _, sink = serve({"a": ad("p6", queries=["garden hose"]), "b": ad("p7", clusters=["9"]), "c": ad("gone")})
    _, ranking = search(server)
    assert ranking.positions == list(range(HITS))
    assert not ranking.sponsored
    assert not sink.shown


def test_what_the_model_thinks_little_of_is_not_shown_whatever_is_bid():
    relevance = [0.9] * 6 + [0.49, 0.5, 0.9, 0.9]
    server, _, _ = serve({"a": ad("p6", 99.0), "b": ad("p7", 0.1)}, least_relevance=0.5)
    assert search(server, relevance=relevance)[1].sponsored == {7: "b"}
    assert not search(server, text="other", relevance=relevance, read=7)[1].sponsored  # p7 was not read


def test_relevance_weighs_as_much_as_the_bid():
    relevance = [0.9] * 6 + [0.6, 0.9, 0.9, 0.9]
    server, _, _ = serve({"a": ad("p6", 1.2), "b": ad("p7", 1.0)}, slots=(1,))
    assert search(server, relevance=relevance)[1].sponsored == {7: "b"}  # 0.9 against 0.72


def test_a_spent_budget_and_a_user_who_saw_enough_end_it():
    server, _, _ = serve({"a": ad("p6", 1.0, budget=2.0)}, spent={"a": 0.5})
    assert search(server)[1].sponsored
    assert not search(server, user="bela")[1].sponsored  # 1.5 are gone, another is not within 2
    server, _, _ = serve({"a": ad("p6")}, per_user_day=2)
    assert [bool(search(server)[1].sponsored) for _ in range(4)] == [True, True, False, False]
    assert search(server, user="bela")[1].sponsored


def test_what_a_user_saw_elsewhere_counts_once_it_was_read():
    server, _, _ = serve({"a": ad("p6")}, seen={"anna": {"a": 5}}, per_user_day=5)
    server.prepare("anna")
    server._pool.shutdown(wait=True)
    assert not search(server)[1].sponsored


def test_pages_of_one_search_are_cut_from_one_order():
    server, _, sink = serve({"a": ad("p6", 1.0, budget=1.0), "b": ad("p9", 0.5)}, slots=(1, 2))
    pages = [search(server, start=start, size=5)[1] for start in (0, 5)]
    assert pages[0].positions == pages[1].positions
    assert [each["ad_id"] for each in sink.shown] == ["a"]  # one of five: a fifth


def test_a_cluster_decides_who_is_meant():
    server, _, _ = serve({"a": ad("p6", clusters=["4"])})
    assert search(server, profile=Profile(cluster="4"))[1].sponsored
    assert not search(server, user="bela", profile=Profile(cluster="5"))[1].sponsored


def test_a_cluster_that_is_away_leaves_what_was_known():
    server, log, _ = serve({"a": ad("p6")})
    log.error = UpstreamError("away")
    with pytest.raises(UpstreamError):
        server.read()
    assert search(server)[1].sponsored


def test_every_ad_is_told_with_its_state():
    ads = {
        "a": ad("p1"), "b": ad("p2", ends_at=1), "c": ad("p3", starts_at="2099-01-01"),
        "d": ad("p4", budget=0.5), "e": ad("p5", bid=-1),
    }  # fmt: skip
    server, _, _ = serve(ads, spent={"d": 0.4})
    states = {each.ad_id: each.state for each in server.describe()}
    assert states == {"a": "open", "b": "ended", "c": "waiting", "d": "spent", "e": "bid must be a number above 0"}


def test_a_small_page_has_no_room_for_ads():
    server, _, _ = serve({"a": ad("p6")})
    assert not search(server, size=4)[1].sponsored
    assert search(server, text="again", size=5)[1].sponsored
