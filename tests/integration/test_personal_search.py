"""A profile from real events changes the order of a real search, for its user only, and the explanation says why."""

from __future__ import annotations

import json
import time

import pytest
from http_call import call

pytestmark = pytest.mark.integration
INDEX, EVENTS = "personal-products", "personal-events"
SEARCH = {"query": {"match": {"title": "phone"}}, "size": 6}


@pytest.fixture(scope="module")
def proxy(engine_url, start_proxy_process, tiny_model_folder) -> str:
    products = [{"title": "phone", "brand": brand, "category": "Phones", "price": price}
                for brand, price in (("Acme", 100), ("Bolt", 900), ("Core", 300)) for _ in range(2)]  # fmt: skip
    lines = []
    for number, product in enumerate(products):
        lines += [{"index": {"_index": INDEX, "_id": str(number)}}, product]
    for user, number in (("anna", 2), ("ben", 4)):
        for action in ("click", "purchase"):
            event = {"client_id": user, "action_name": action, "timestamp": "2099-01-01T00:00:00Z"}
            detail = {"event_attributes": {"object": {"object_id": str(number)}}}
            lines += [{"index": {"_index": EVENTS}}, {**event, **detail}]
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    headers = {"Content-Type": "application/x-ndjson"}
    assert call(f"{engine_url}/_bulk?refresh=true", body, headers).status == 200
    configuration = {
        "upstream": {"urls": [engine_url]},
        "models": {"tiny": {"source": str(tiny_model_folder)}},
        "indices": {INDEX: {"template": "{title}"}},
        "profiles": {"events_index": EVENTS, "products_index": INDEX, "budget_ms": 30_000},
        "variants": {"default": {"weights": {"cross_encoder": 0.1, "brand_affinity": 1.0}}},
        "budget_ms": 30_000,
    }
    return start_proxy_process(configuration, wait_for="ready").url


def search(proxy: str, path: str, user: str | None) -> dict:
    answer = call(f"{proxy}{path}", SEARCH, {"X-Rerank-User": user} if user else None)
    assert answer.status == 200, answer.body
    return answer.json


def brands(found: dict) -> list[str]:
    return [hit["_source"]["brand"] for hit in found["hits"]["hits"]]


@pytest.mark.parametrize(("user", "liked"), [("anna", "Bolt"), ("ben", "Core")])
def test_the_brand_a_user_bought_comes_first_for_that_user(proxy, user, liked):
    assert brands(search(proxy, f"/{INDEX}/_search", user))[:2] == [liked, liked]


def test_a_user_without_events_sees_what_everybody_sees(proxy):
    assert brands(search(proxy, f"/{INDEX}/_search", "nobody")) == brands(search(proxy, f"/{INDEX}/_search", None))


def test_the_explanation_names_the_feature_that_moved_the_hit(proxy):
    told = search(proxy, f"/{INDEX}/_rerank/explain", "anna")
    first, last = told["hits"][0], told["hits"][-1]
    assert told["profile"]["brand_affinity"]["bolt"] > 0
    assert first["features"]["brand_affinity"] > 0.5 > last["features"]["brand_affinity"]
    assert first["contributions"]["brand_affinity"] > last["contributions"]["brand_affinity"]
    assert sum(first["contributions"].values()) == pytest.approx(first["fused_score"], abs=1e-12)


def test_the_explanation_tells_ranks_facts_and_words(proxy):
    told = search(proxy, f"/{INDEX}/_rerank/explain?user=anna&top=2", "ben")
    first = told["hits"][0]
    assert (first["rank"], first["rank_without_profile"]) == (1, first["first_stage_rank"])
    assert first["rank_without_profile"] > 1
    assert "bought 1 product of brand bolt" in " ".join(told["profile"]["facts"])
    assert "bought 1 product of brand bolt" in first["facts"][0]
    assert [sorted(hit["words"]) for hit in told["hits"][:2]] == [["complete", "product", "query", "score"]] * 2
    assert first["words"]["score"] == pytest.approx(first["features"]["cross_encoder"], abs=1e-5)
    assert {each["word"] for each in first["words"]["product"]} == {"phone"}
    assert "words" not in told["hits"][2]
    assert (told["words"]["hits"], "Zeiler" in told["words"]["method"]) == (2, True)


def test_a_search_in_the_url_is_explained_too(proxy):
    told = call(f"{proxy}/{INDEX}/_rerank/explain?q=phone&size=6&words=false&user=ben").json
    assert told["query_text"] == "phone"
    assert "brand core" in told["hits"][0]["facts"][0]
    assert "words" not in told


def test_what_cannot_be_explained_is_refused_in_elasticsearchs_shape(proxy):
    answer = call(f"{proxy}/{INDEX}/_rerank/explain?top=none", SEARCH)
    assert (answer.status, answer.json["error"]["type"]) == (400, "illegal_argument_exception")


def test_the_explanation_of_a_search_that_is_not_reranked_says_why(proxy):
    answer = call(f"{proxy}/{INDEX}/_rerank/explain", {})
    assert answer.status == 400
    assert "no_query_text" in answer.json["error"]["reason"]


def page(proxy: str, user: str, start: int) -> list[str]:
    body = {"query": {"match": {"title": "phone"}}, "size": 3, "from": start}
    return [hit["_id"] for hit in call(f"{proxy}/{INDEX}/_search", body, {"X-Rerank-User": user}).json["hits"]["hits"]]


def test_a_click_changes_the_next_search_and_not_the_next_page(proxy):
    before = page(proxy, "cleo", 0) + page(proxy, "cleo", 3)
    liked = before[-1]  # the last of all
    event = {"action_name": "purchase", "client_id": "cleo", "event_attributes": {"object": {"object_id": liked}}}
    assert call(f"{proxy}/_rerank/events", event).status == 202
    assert page(proxy, "cleo", 3) == before[3:]
    after = page(proxy, "cleo", 0)
    assert liked in after[:2]
    assert sorted(after + page(proxy, "cleo", 3)) == sorted(before)


def test_a_click_that_another_process_took_is_seen_within_two_seconds(proxy, engine_url):
    before = page(proxy, "dora", 0) + page(proxy, "dora", 3)
    detail = {"event_attributes": {"object": {"object_id": before[-1]}}}
    event = {"action_name": "purchase", "client_id": "dora", "timestamp": int(time.time() * 1000), **detail}
    started = time.monotonic()
    assert call(f"{engine_url}/{EVENTS}/_doc?refresh=true", event).status == 201
    while before[-1] not in page(proxy, "dora", 0)[:2]:
        assert time.monotonic() - started < 2, "the click is not seen"
        time.sleep(0.05)


def test_a_search_with_ubi_is_explained_as_it_is_answered(proxy):
    body = SEARCH | {"ext": {"ubi": {"query_id": "q1", "client_id": "anna"}}}
    told = call(f"{proxy}/{INDEX}/_rerank/explain?words=false", body)
    assert told.status == 200, told.body
    assert told.json["hits"] == search(proxy, f"/{INDEX}/_rerank/explain?words=false", "anna")["hits"]
