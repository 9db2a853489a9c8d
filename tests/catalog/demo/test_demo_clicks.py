"""The tutorial's click log: its position bias can be told from relevance, and it says nothing of judged queries."""

from __future__ import annotations

import csv
import random
from collections import Counter, defaultdict

import pytest

from middleware.catalog.demo import DEFAULT_NOW, generate
from middleware.catalog.demo.generator import DEFAULT_SEED, stock_shop
from middleware.catalog.demo.lesson import make_lesson, write_lesson
from middleware.catalog.demo.wishes import wish, words_of
from middleware.learning.evaluation.judgments import read_judgments
from middleware.learning.groups.behaviour_bias import estimate_examination
from middleware.learning.groups.behaviour_log import BehaviourOptions, read_log
from middleware.learning.groups.behaviour_sources import read_records


@pytest.fixture(scope="module")
def catalog():
    return generate()


@pytest.fixture(scope="module")
def lesson(catalog):
    return make_lesson(catalog, DEFAULT_NOW)


@pytest.fixture(scope="module")
def folder(lesson, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    write_lesson(lesson, folder)
    return folder


def searches_of(lesson):
    return {record["query_id"]: record for record in lesson.clicks if "user_query" in record}


def test_no_logged_query_has_all_the_words_of_a_judged_one_nor_the_other_way_round(catalog, lesson):
    judged = [words_of(query.text) for query in catalog.queries if query.language == "en"]
    logged = {search["user_query"] for search in searches_of(lesson).values()}
    assert len(logged) > 100
    for text in logged:
        assert not any(words_of(text) <= each or each <= words_of(text) for each in judged)


def test_who_learns_from_the_log_finds_the_bias_that_it_was_made_with(folder):
    options = BehaviourOptions(until_s=DEFAULT_NOW.timestamp())
    log = read_log(read_records(None, folder / "clicks.ndjson", Counter()), options)
    found = estimate_examination(log.searches, options)
    assert not any(log.dropped.values())
    assert found.method == "harvested"
    for position in range(1, 8):
        assert found.at(position) == pytest.approx(position**-0.7, rel=0.2)


def test_acts_name_shown_products_where_they_stood_within_the_sixty_days(lesson):
    searches = searches_of(lesson)
    acts = [record for record in lesson.clicks if "action_name" in record]
    assert {record["action_name"] for record in acts} == {"click", "add_to_cart", "purchase"}
    for act in acts:
        search, attributes = searches[act["query_id"]], act["event_attributes"]
        position = attributes["position"]["ordinal"]
        assert search["query_response_object_ids"][position - 1] == attributes["object"]["object_id"]
        assert search["timestamp"] <= act["timestamp"] <= DEFAULT_NOW.isoformat()


def test_better_answers_are_clicked_more_often_at_the_same_place(lesson):
    items = {item.document["id"]: item for item in stock_shop(DEFAULT_SEED)}
    shown, clicked = Counter(), Counter()
    acts = {
        (act["query_id"], act["event_attributes"]["object"]["object_id"])
        for act in lesson.clicks
        if "action_name" in act
    }
    for query_id, search in searches_of(lesson).items():
        if search["user_query"] == "bluetooth headphones":
            for object_id in search["query_response_object_ids"]:
                facts = items[object_id].facts
                is_answer = "over_ear" in facts["kind"] and "bluetooth" in facts.get("features", ())
                shown[is_answer] += 1
                clicked[is_answer] += (query_id, object_id) in acts
    assert min(shown.values()) > 100
    assert clicked[True] / shown[True] > 3 * clicked[False] / shown[False]


def test_the_tables_are_read_back_as_they_were_made(catalog, lesson, folder):
    with (folder / "products.csv").open(encoding="utf-8", newline="") as file:
        products = list(csv.DictReader(file))
    assert [product["id"] for product in products] == [product["id"] for product in catalog.products]
    assert {product["title"] for product in products} == {product["title"] for product in catalog.products}
    for name, split in (("judged.csv", "train"), ("held_out.csv", "held_out")):
        found = read_judgments(folder / name)
        expected = defaultdict(dict)
        for text, document_id, grade in lesson.judged[split]:
            expected[text][document_id] = grade
        assert {found.queries[query]: dict(grades) for query, grades in found.qrels.items()} == expected


def test_a_small_shop_wishes_what_it_has_and_no_more():
    wishes = wish(stock_shop(DEFAULT_SEED)[:2], 1000, ["black running shoes"], random.Random(1))
    texts = {each.text for each in wishes}
    assert "running belt" in texts
    assert "black running shoes" not in texts
    assert len(texts) == len(wishes) < 15
