"""Recommendations on real nodes of both engines: every kind, under the client's filter, for known and unknown users."""

from __future__ import annotations

import json
import time
import uuid
from types import SimpleNamespace

import pytest
import yaml
from http_call import call, fill
from tiny_model import WORDS, save_tiny_bert
from typer.testing import CliRunner

from middleware.cli import app
from middleware.rerank.bi_encoder import load_bi_encoder
from middleware.rerank.vectors import cosines, pack

pytestmark = pytest.mark.integration

KINDS = ("phone", "case", "cable", "shoe")
PRODUCTS = [
    {
        "title": f"{WORDS[number % 3]} {KINDS[number % 4]} {WORDS[6 + number % 7]} {number // 2}",
        "brand": ("Acme", "Bolt", "Core")[number % 3],
        "category": KINDS[number % 4],
        "price": 10 + number,
        "in_stock": number % 5 != 0,
        "sold": 100 - number,
    }
    for number in range(40)
]
# Two products of one text: vectors are kept by text, and name one of them.
PRODUCTS.append({**PRODUCTS[8], "price": 3})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny_bert(tmp_path_factory.mktemp("bi-encoder"), head=False)


def event(user, product, action="purchase", day=1):
    about = {"object": {"object_id": str(product)}}
    moment = f"2026-11-{day:02d}T00:00:00Z"
    return {"client_id": user, "action_name": action, "timestamp": moment, "event_attributes": about}


def lines_of(documents):
    for name, document in documents:
        yield {"index": {"_id": str(name)}}
        yield document


@pytest.fixture(scope="module")
def shop(engine_url, folder, tiny_model_folder, start_proxy_process, tmp_path_factory):
    """Products with vectors; 25 users who bought 0 and 1, 3 who bought 0 and 2, and 30 who bought others."""
    name = f"recommend-{uuid.uuid4().hex[:8]}"
    events = [event(f"both-{user}", product) for user in range(25) for product in (0, 1)]
    events += [event(f"few-{user}", product) for user in range(3) for product in (0, 2)]
    events += [event(f"other-{user}", 5 + user) for user in range(30)]
    events.append(event("anna", 0, day=20))
    fill(engine_url, name, lines_of(enumerate(PRODUCTS)))
    fill(engine_url, f"events-{name}", lines_of(enumerate(events)))
    fill(engine_url, f"bare-{name}", lines_of(enumerate(PRODUCTS[:3])))
    settings = {
        "upstream": {"urls": [engine_url]},
        "models": {"tiny": {"source": str(tiny_model_folder)}},
        "variants": {"default": {"weights": {"cross_encoder": 0, "first_stage": 1}}},
        "indices": {
            name: {
                "template": "{title}[ | {brand}]",
                "vectors": {"encoder": str(folder), "index": f"kept-{name}"},
                "features": {"popularity": "sold"},
            },
            "bare": {"patterns": [f"bare-{name}"], "template": "{title}"},
        },
        "profiles": {
            "events_index": f"events-{name}",
            "products_index": name,
            "index": f"profiles-{name}",
            "budget_ms": 30_000,
        },
        "privacy": {"key_file": str(tmp_path_factory.mktemp("key") / "privacy.key")},
        "recommend": {"diversity": 0, "budget_ms": 30_000, "window": 30},
        "budget_ms": 30_000,
    }
    path = tmp_path_factory.mktemp("settings") / "rerank.yml"
    path.write_text(yaml.safe_dump(settings))
    outputs = []
    for command in (["vectors", "build", "--index", name], ["recommend", "build"], ["recommend", "build"]):
        done = CliRunner().invoke(app, [*command, "--config", str(path)])
        assert done.exit_code == 0, done.output
        outputs.append(done.output)
    proxy = start_proxy_process(settings, wait_for="ready")
    shop = SimpleNamespace(url=f"{proxy.url}/{name}/_rerank/recommend", proxy=proxy.url, name=name, outputs=outputs)
    wait_for_catalogue(shop)
    yield shop
    others = ",".join(f"{part}-{name}" for part in ("events", "bare", "kept", "es-rerank-recommend"))
    call(f"{engine_url}/{name},{others}?ignore_unavailable=true", method="DELETE")


def wait_for_catalogue(shop):
    for _ in range(200):
        if call(f"{shop.url}?like=3").headers.get("X-Rerank-Candidates") == "vectors":
            return
        time.sleep(0.1)
    raise AssertionError("no vectors")


def ids(answer):
    assert answer.status == 200, answer.body
    return [hit["_id"] for hit in answer.json["hits"]["hits"]]


def expected_neighbours(folder, product):
    """By the cosines of vectors as they are kept."""
    encoder = load_bi_encoder(str(folder))
    texts = [f"{each['title']} | {each['brand']}" for each in PRODUCTS]
    packed = pack(encoder.encode_documents(texts))
    from middleware.rerank.vectors import unpack

    found = cosines(unpack([packed[product]], 32)[0], packed)
    return {str(number): found[number] for number in range(len(PRODUCTS)) if number != product}


def test_the_build_says_what_it_did_and_a_second_one_changes_nothing(shop):
    assert "41 products, 2 of them bought together" in shop.outputs[1]
    assert "87 events read, 87 count, 0 are on products" in shop.outputs[1]
    assert "59 users; 0 products removed" in shop.outputs[2]


def test_similar_ones_are_the_nearest_by_cosine(shop, folder):
    expected = expected_neighbours(folder, 3)
    answer = call(f"{shop.url}?like=3&size=5")
    given = ids(answer)
    assert [expected[name] for name in given] == pytest.approx(sorted(expected.values(), reverse=True)[:5], abs=1e-5)
    assert "3" not in given
    assert answer.headers["X-Rerank"] == "applied"
    assert answer.headers["X-Rerank-Candidates"] == "vectors"


def test_a_product_that_shares_its_text_with_another_is_found_as_well(shop):
    assert ids(call(f"{shop.url}?like=8&size=1")) == ["40"]
    assert ids(call(f"{shop.url}?like=40&size=1")) == ["8"]


def test_bought_together_is_what_enough_users_bought(shop):
    answer = call(f"{shop.url}?like=0&kind=bought_together")
    assert ids(answer) == ["1"]  # 2 with 3 users is not told of
    assert answer.headers["X-Rerank-Candidates"] == "bought_together"


def test_the_filter_holds_for_every_kind(shop):
    in_stock = {"filter": {"term": {"in_stock": True}}, "size": 30}
    for query in ("like=3", "kind=popular", "user=anna", "like=1&kind=bought_together"):
        hits = call(f"{shop.url}?{query}", in_stock).json["hits"]["hits"]
        assert all(hit["_source"]["in_stock"] for hit in hits), query
    assert ids(call(f"{shop.url}?like=1&kind=bought_together", in_stock)) == []  # 0 is not in stock


def test_for_you_brings_what_goes_with_the_last_purchase_and_hides_what_was_bought(shop):
    answer = call(f"{shop.url}?user=anna&size=30")
    given = ids(answer)
    assert "0" not in given
    assert "1" in given[:3]
    assert "bought_together" in answer.headers["X-Rerank-Candidates"]
    assert ids(call(f"{shop.url}?size=30", headers={"X-Rerank-User": "anna"})) == given


def test_somebody_unknown_sees_what_is_popular_and_the_answer_says_so(shop):
    popular = ids(call(f"{shop.url}?kind=popular"))
    assert popular[:2] == ["0", "1"]  # 29 and 25 buyers; of the others fewer than may be told of: by what is sold
    assert popular[2:5] == ["2", "3", "4"]
    answer = call(f"{shop.url}?user=nobody")
    assert ids(answer) == popular
    assert answer.headers["X-Rerank-Reason"] == "unknown_user"


def test_without_consent_a_known_user_is_an_unknown_one(shop):
    popular = ids(call(f"{shop.url}?kind=popular"))
    for consent in ("none", "perhaps"):
        assert ids(call(f"{shop.url}?user=anna", headers={"X-Rerank-Consent": consent})) == popular
    assert ids(call(f"{shop.url}?user=anna", headers={"X-Rerank-Consent": "all"})) != popular


def test_an_answer_is_a_search_answer_and_scores_never_rise(shop):
    answer = call(f"{shop.url}?like=3&size=30", {"_source": ["title"]})
    body = answer.json
    assert set(body) == {"took", "timed_out", "_shards", "hits"}
    assert body["hits"]["total"] == {"value": 30, "relation": "eq"}
    hits = body["hits"]["hits"]
    scores = [hit["_score"] for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert body["hits"]["max_score"] == scores[0]
    assert all(set(hit["_source"]) == {"title"} and hit["_index"] == shop.name for hit in hits)


def test_pages_are_cut_from_one_order(shop):
    whole = ids(call(f"{shop.url}?like=3&size=30"))
    assert ids(call(f"{shop.url}?like=3&size=4&from=0")) + ids(call(f"{shop.url}?like=3&size=4&from=4")) == whole[:8]
    assert ids(call(f"{shop.url}?like=3&from=500")) == []
    assert len(set(whole)) == 30


def test_a_section_without_vectors_and_events_finds_what_is_alike_in_words(shop):
    answer = call(f"{shop.proxy}/bare-{shop.name}/_rerank/recommend?like=0")
    assert answer.headers["X-Rerank-Candidates"] == "words"
    assert set(ids(answer)) <= {"1", "2"}


def test_where_nothing_is_known_the_answer_is_empty_and_says_so(shop):
    answer = call(f"{shop.proxy}/bare-{shop.name}/_rerank/recommend?like=0&kind=bought_together")
    assert (answer.status, ids(answer)) == (200, [])
    assert answer.json["hits"]["max_score"] is None
    assert (answer.headers["X-Rerank"], answer.headers["X-Rerank-Reason"]) == ("skipped", "no_candidates")


@pytest.mark.parametrize(
    ("path", "body", "status", "kind"),
    [
        ("?like=none", None, 404, "resource_not_found_exception"),
        ("?kind=best", None, 400, "illegal_argument_exception"),
        ("?like=3", {"filter": {"no_such_query": {}}}, 400, "parsing_exception"),
    ],
)
def test_errors_have_the_shape_of_elasticsearch(shop, path, body, status, kind):
    answer = call(f"{shop.url}{path}", body)
    assert answer.status == status
    assert answer.json["status"] == status
    assert kind in json.dumps(answer.json["error"])


def test_an_index_that_is_not_ours_is_refused(shop):
    answer = call(f"{shop.proxy}/elsewhere/_rerank/recommend?kind=popular")
    assert answer.status == 400
    assert "indices" in answer.json["error"]["reason"]


def test_control_keeps_the_order_of_the_candidates(shop):
    answer = call(f"{shop.url}?like=3", headers={"X-Rerank": "control"})
    assert (answer.headers["X-Rerank"], answer.headers["X-Rerank-Reason"]) == ("skipped", "control")
    assert ids(answer) == ids(call(f"{shop.url}?like=3"))
