"""Sponsored hits through a real proxy on real nodes: labelled, logged, paid for, nothing else moved."""

from __future__ import annotations

import json
import uuid

import pytest
from conftest import wait_until
from http_call import call, fill
from tiny_model import WORDS
from typer.testing import CliRunner

from middleware.cli import app

pytestmark = pytest.mark.integration

DOCUMENTS = 25
ADS = (
    {"ad_id": "cheap", "object_id": "20", "bid": 0.1},
    {"ad_id": "dear", "object_id": "21", "bid": 0.5, "budget": 1.2, "queries": ["phone"]},
    {"ad_id": "elsewhere", "object_id": "22", "bid": 9.0, "queries": ["bicycle"]},
    {"ad_id": "over", "object_id": "23", "bid": 9.0, "ends_at": "2020-01-01"},
    {"ad_id": "broken", "object_id": "24", "bid": -1.0},
)


@pytest.fixture(scope="module")
def shop(engine_url, tmp_path_factory):
    """The name of an index with products, and before the names of those of ads."""
    name = f"ads-{uuid.uuid4().hex[:8]}"
    lines = []
    for number in range(DOCUMENTS):
        title = f"phone {WORDS[number % len(WORDS)]} " + "phone " * (DOCUMENTS - number)
        lines += [{"index": {"_id": str(number)}}, {"title": title}]
    fill(engine_url, name, lines)
    ads = tmp_path_factory.mktemp("ads") / "ads.jsonl"
    ads.write_text("".join(json.dumps(ad) + "\n" for ad in ADS))
    command = ["bootstrap", "ads", "--input", str(ads), "--url", engine_url, "--prefix", f"{name}-"]
    done = CliRunner().invoke(app, [*command, "--rejects", str(ads.with_name("rejects"))])
    assert done.exit_code == 0, done.output
    yield name
    call(f"{engine_url}/{name}*", method="DELETE")


@pytest.fixture(scope="module")
def proxy(engine_url, shop, tiny_model_folder, start_proxy_process, tmp_path_factory):
    ads = {"index": f"{shop}-ads", "impressions_index": f"{shop}-ad_impressions", "slots": [1, 3], "share": 0.4}
    started = start_proxy_process(
        {
            "upstream": {"urls": [engine_url]},
            "models": {"tiny": {"source": str(tiny_model_folder)}},
            "variants": {"default": {"window": 30}},
            "indices": {"products": {"patterns": [shop], "template": "{title}"}},
            "ads": ads | {"least_relevance": 0.0, "refresh_s": 1, "per_user_day": 100},
            "events": {"spool": str(tmp_path_factory.mktemp("spool"))},
        },
        wait_for="ready",
    )
    wait_until(lambda: len(call(f"{started.url}/_rerank/ads").json["ads"]) >= 4, 20, "the ads were not read")
    return started


def search(proxy, shop, start=0, size=5, user="anna", text="phone", **headers):
    body = {"query": {"match": {"title": text}}, "from": start, "size": size}
    answer = call(f"{proxy.url}/{shop}/_search", body, {"X-Rerank-User": user} | headers)
    assert answer.status == 200
    return answer


def ids(answer):
    return [hit["_id"] for hit in answer.json["hits"]["hits"]]


def test_ads_are_labelled_and_everything_else_keeps_its_order(proxy, shop, engine_url):
    pages = [search(proxy, shop, start) for start in range(0, DOCUMENTS, 5)]
    assert sorted((each for page in pages for each in ids(page)), key=int) == [
        str(number) for number in range(DOCUMENTS)
    ]
    first = pages[0]
    assert [hit["_id"] for hit in first.json["hits"]["hits"] if "fields" in hit] == ["21", "20"]
    assert first.json["hits"]["hits"][0]["fields"] == {"_sponsored": ["dear"]}
    assert first.headers["X-Rerank-Sponsored"] == "1, 3"
    assert not any("fields" in hit for page in pages[1:] for hit in page.json["hits"]["hits"])
    scores = [hit["_score"] for page in pages for hit in page.json["hits"]["hits"]]
    assert scores == sorted(scores, reverse=True)


def test_each_showing_is_logged_by_the_users_hash_and_ends_with_the_budget(proxy, shop, engine_url):
    for number in range(4):
        search(proxy, shop, user=f"user {number}", text=f"phone {WORDS[number]}")
    index = f"{shop}-ad_impressions"

    def shown():
        call(f"{engine_url}/{index}/_refresh", {})
        hits = call(f"{engine_url}/{index}/_search", {"size": 100}).json["hits"]["hits"]
        return [hit["_source"] for hit in hits]

    wait_until(lambda: len(shown()) >= 5, 20, "the showings were not logged")
    assert all(each["client_id"].startswith("u1.") for each in shown())
    dear = [each["cost"] for each in shown() if each["ad_id"] == "dear"]
    assert sum(dear) <= 1.2
    told = {each["ad_id"]: each for each in call(f"{proxy.url}/_rerank/ads").json["ads"]}
    assert told["dear"]["state"] == "spent"
    assert told["broken"]["state"] == "bid must be a number above 0"
    assert "over" not in told


def test_without_consent_nobody_is_named(proxy, shop, engine_url):
    answer = search(proxy, shop, user="cora", text="phone case red", **{"X-Rerank-Consent": "none"})
    assert answer.headers["X-Rerank-Sponsored"]
    index = f"{shop}-ad_impressions"

    def nameless():
        call(f"{engine_url}/{index}/_refresh", {})
        body = {"query": {"bool": {"must_not": {"exists": {"field": "client_id"}}}}}
        return call(f"{engine_url}/{index}/_search", body).json["hits"]["hits"]

    wait_until(lambda: len(nameless()) >= 1, 20, "the showing was not logged")


def test_searches_that_are_not_reranked_have_no_ads(proxy, shop):
    for switch in ("off", "control"):
        assert "X-Rerank-Sponsored" not in search(proxy, shop, **{"X-Rerank": switch}).headers
