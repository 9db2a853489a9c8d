"""Searches with `ext.ubi` on real nodes of both engines: what comes back, what is recorded, and for whom."""

from __future__ import annotations

import json

import pytest
import yaml
from binary_json import from_cbor, to_cbor
from http_call import call, fill, ndjson
from werkzeug.test import Client

from middleware.app import create_app
from middleware.config import Settings

pytestmark = pytest.mark.integration
INDEX, QUERIES = "ubi-products", "ubi-recorded"
TITLES = ("red shoe", "blue shoe", "red hat", "shoe shoe red", "green shoe of a red brand")
QUERY = {"query": {"match": {"title": "red shoe"}}, "size": 3, "from": 1}
UBI = {"client_id": "anna@example.org", "object_id_field": "ean", "query_attributes": {"page": "2"}}
KEY = "a secret of the tests"


class Shop:
    """The proxy over a real node, and what it records."""

    def __init__(self, url: str, model: str, **settings) -> None:
        self.kept: list[dict] = []
        self.node = url
        self.settings = Settings(
            upstream={"urls": [url]},
            models={"tiny": {"source": model}},
            indices={INDEX: {"template": "{title}"}},
            privacy={"key": KEY},
            budget_ms=30_000,
            **settings,
        )
        app = create_app(self.settings, keep_query=lambda id, document: self.kept.append({"_id": id, **document}))
        self._client = Client(app)

    def search(self, body, path=f"/{INDEX}/_search", headers=None, type="application/json"):
        self.kept.clear()
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._client.post(path, data=data, headers=headers or {}, content_type=type)


@pytest.fixture(scope="module")
def shop(engine_url, tiny_model_folder):
    lines = [({"index": {"_id": str(n)}}, {"title": title, "ean": f"ean-{n}"}) for n, title in enumerate(TITLES)]
    fill(engine_url, INDEX, [line for pair in lines for line in pair])
    shop = Shop(engine_url, str(tiny_model_folder))
    for _ in range(600):
        if shop.search(QUERY).headers["X-Rerank"] == "applied":
            return shop
    raise TimeoutError("the model does not load")


def without_took(answer: dict) -> dict:
    return {name: value for name, value in answer.items() if name != "took"}


def test_a_reranked_search_gives_its_id_and_leaves_the_record_of_its_page(shop):
    plain = shop.search(QUERY)
    answer = shop.search(QUERY | {"ext": {"ubi": UBI}})
    assert answer.headers["X-Rerank"] == "applied"
    found = answer.json
    query_id = found.pop("ext")["ubi"]["query_id"]
    assert len(query_id) == 36
    assert without_took(found) == without_took(plain.json)
    (record,) = shop.kept
    hits = found["hits"]["hits"]
    assert record["query_response_hit_ids"] == [hit["_id"] for hit in hits]
    assert record["query_response_object_ids"] == [hit["_source"]["ean"] for hit in hits]
    assert (record["query_id"], record["user_query"]) == (query_id, "red shoe")
    assert json.loads(record["query"]) == QUERY
    assert record["query_attributes"] == {
        "page": "2", "rerank": "applied", "rerank_variant": "default", "rerank_model": answer.headers["X-Rerank-Model"],
    }  # fmt: skip
    assert record["client_id"].startswith("u1.")
    assert "anna" not in json.dumps(record)


@pytest.mark.parametrize("switch", ["off", "control"])
@pytest.mark.parametrize("parameters", ["", "?pretty", "?filter_path=took,ext,hits.hits._source&pretty"])
def test_a_search_passed_through_keeps_every_byte_beside_its_id(shop, switch, parameters):
    ubi = {**UBI, "query_id": "my-id", "user_query": "what she typed"}
    node = call(f"{shop.node}/{INDEX}/_search{parameters}", QUERY).body.decode()
    answer = shop.search(QUERY | {"ext": {"ubi": ubi}}, f"/{INDEX}/_search{parameters}", {"X-Rerank": switch})
    written = answer.get_data(as_text=True)
    assert answer.json.pop("ext") == {"ubi": {"query_id": "my-id"}}
    compact, spread = (
        ',"ext":{"ubi":{"query_id":"my-id"}}',
        ',\n  "ext" : {\n    "ubi" : {\n      "query_id" : "my-id"\n    }\n  }',
    )
    kept = written.replace(spread if "pretty" in parameters else compact, "")
    assert untimed(kept) == untimed(node)
    (record,) = shop.kept
    assert (record["user_query"], record["query_attributes"]["rerank_variant"]) == ("what she typed", switch)
    assert record["query_attributes"]["rerank"] == "skipped"
    assert len(record["query_response_hit_ids"]) == len(record["query_response_object_ids"]) == 3


def untimed(text: str) -> str:
    first, _, rest = text.partition(",")
    return rest if "took" in first else text


def test_a_sorted_search_and_one_of_an_index_that_is_not_configured_are_recorded_too(shop):
    answer = shop.search({"sort": ["_doc"], "ext": {"ubi": {}}})
    assert answer.json["ext"]["ubi"]["query_id"] == shop.kept[0]["query_id"]
    assert shop.kept[0]["query_attributes"] == {
        "rerank": "skipped", "rerank_reason": "sort", "rerank_variant": "default",
    }  # fmt: skip
    shop.search({"query": {"match": {"title": "hat"}}, "ext": {"ubi": {}}}, "/_search")
    assert shop.kept[0]["user_query"] == "hat"


def test_of_an_msearch_each_search_has_its_id_and_record(shop):
    lines = [{"index": INDEX}, QUERY | {"ext": {"ubi": {"query_id": "a", **UBI}}}, {"index": INDEX}, QUERY,
             {"index": INDEX}, {"sort": ["_doc"], "size": 1, "ext": {"ubi": {"query_id": "b"}}}]  # fmt: skip
    answer = shop.search(ndjson(lines), "/_msearch", type="application/x-ndjson")
    ids = [each.get("ext", {}).get("ubi", {}).get("query_id") for each in answer.json["responses"]]
    assert ids == ["a", None, "b"]
    assert [record["query_id"] for record in shop.kept] == ["a", "b"]
    assert [record["query_attributes"]["rerank"] for record in shop.kept] == ["applied", "skipped"]


@pytest.mark.parametrize(
    "template",
    [
        {"source": {"query": {"match": {"title": "{{words}}"}}, "ext": {"ubi": {"client_id": "{{who}}"}}}},
        {"source": '{"query":{"match":{"title":"{{words}}"}},"ext":{"ubi":{"client_id":"{{who}}"}}}'},
        {"source": {"query": {"match": {"title": "{{words}}"}}}, "ext": {"ubi": {"client_id": "ben"}}},
    ],
    ids=["object", "text", "beside"],
)
def test_a_template_may_have_it_inside_or_beside(shop, template):
    body = {**template, "params": {"words": "red shoe", "who": "ben"}}
    answer = shop.search(body, f"/{INDEX}/_search/template")
    assert answer.status_code == 200, answer.text
    (record,) = shop.kept
    assert answer.json["ext"]["ubi"]["query_id"] == record["query_id"]
    assert record["user_query"] == "red shoe"
    shop.search(QUERY | {"ext": {"ubi": {"client_id": "ben"}}})
    assert shop.kept[0]["client_id"] == record["client_id"]


@pytest.mark.parametrize("switch", ["on", "off"])
def test_an_answer_in_another_format_has_its_id_in_that_format(shop, switch):
    body = QUERY | {"ext": {"ubi": {"query_id": "my-id"}}}
    cbor = shop.search(to_cbor(body), headers={"X-Rerank": switch}, type="application/cbor")
    assert cbor.content_type == "application/cbor"
    assert from_cbor(cbor.data)["ext"] == {"ubi": {"query_id": "my-id"}}
    spoken = {"X-Rerank": switch, "Accept": "application/yaml"}
    answer = shop.search(yaml.safe_dump(body).encode(), headers=spoken, type="application/yaml")
    assert yaml.safe_load(answer.data)["ext"] == {"ubi": {"query_id": "my-id"}}


def test_without_consent_nothing_is_recorded_and_the_id_still_comes(shop):
    answer = shop.search(QUERY | {"ext": {"ubi": UBI}}, headers={"X-Rerank-Consent": "none"})
    assert answer.json["ext"]["ubi"]["query_id"]
    assert shop.kept == []


def test_the_client_is_the_user_of_the_split(shop, engine_url, tiny_model_folder):
    split = Shop(engine_url, str(tiny_model_folder), experiment={"split": {"default": 1, "control": 1}})
    arms = {}
    for number in range(20):
        by_header = split.search(QUERY, headers={"X-Rerank-User": f"user {number}"}).headers
        by_client = split.search(QUERY | {"ext": {"ubi": {"client_id": f"user {number}"}}}).headers
        is_control = by_header.get("X-Rerank-Reason") == "control"
        assert (by_client.get("X-Rerank-Reason") == "control") is is_control
        arms[number] = is_control
    assert set(arms.values()) == {True, False}


def test_an_error_of_the_cluster_is_the_clusters_and_wrong_syntax_is_ours(shop):
    refused = shop.search({"query": {"nonsense": {}}, "ext": {"ubi": {}}})
    assert refused.status_code == 400
    assert "nonsense" in refused.text
    wrong = shop.search({"ext": {"ubi": "x"}})
    assert wrong.status_code == 400
    assert "[ext.ubi] must be an object" in wrong.json["error"]["reason"]
    assert shop.kept == []


def test_an_answer_too_large_to_read_is_streamed_as_it_is(engine_url, shop, tiny_model_folder):
    small = Shop(engine_url, str(tiny_model_folder), server={"max_response_bytes": 1024})
    body = {"sort": ["_doc"], "explain": True, "query": {"match": {"title": "red shoe"}}}
    answer = small.search(body | {"ext": {"ubi": {}}})
    assert len(answer.data) > 1024
    assert "ext" not in answer.json
    assert len(answer.json["hits"]["hits"]) == 5
    assert small.kept == []


def test_a_record_reaches_the_cluster_while_the_page_is_long_answered(engine_url, start_proxy_process, tmp_path):
    settings = {
        "upstream": {"urls": [engine_url]},
        "indices": {INDEX: {"template": "{title}"}},
        "privacy": {"key": KEY},
        "events": {"queries_index": QUERIES, "spool": str(tmp_path / "spool")},
    }
    proxy = start_proxy_process(settings)
    found = call(f"{proxy.url}/{INDEX}/_search", QUERY | {"ext": {"ubi": UBI}}).json
    assert proxy.stop() == 0
    call(f"{engine_url}/{QUERIES}/_refresh", b"")
    (hit,) = call(f"{engine_url}/{QUERIES}/_search").json["hits"]["hits"]
    assert hit["_source"]["query_id"] == found["ext"]["ubi"]["query_id"]
    assert hit["_source"]["query_response_hit_ids"] == [each["_id"] for each in found["hits"]["hits"]]
    for name in (f"{QUERIES}-000001", QUERIES):
        call(f"{engine_url}/{name}", method="DELETE")
