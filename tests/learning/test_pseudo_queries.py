"""Invented searches: what a product is cut into, and that targets follow what the search asked for."""

from __future__ import annotations

import random

import pytest

from middleware.learning.demo.product_pieces import normalise, read_product, split_terms
from middleware.learning.demo.pseudo_queries import GROUP_SIZE, Inventor

PHONE = {
    "title": "Apple iPhone 12 128GB Smartphone, Black",
    "title_zh": "苹果 iPhone 12 智能手机 黑色",
    "brand": "Apple",
    "category": "Smartphones",
    "category_zh": "手机",
    "description": "Sharp pictures at night. Charges without a cable.",
    "attributes": [{"name": "model", "value": "iPhone 12"}, {"name": "storage", "value": "128 GB"}],
    "colors": ["black"],
}
CASE = {
    "title": "Spigen Liquid Silicone Case for iPhone 12, Blue",
    "title_zh": "适用苹果iPhone 12 液态硅胶手机壳",
    "brand": "Spigen",
    "category": "Phone Cases",
    "category_zh": "手机壳",
    "attributes": [{"name": "compatible with", "value": "iPhone 12, iPhone 12 Pro"}],
    "colors": ["blue"],
}


def shop():
    """Twelve phones and twelve cases of twelve models, and nothing but the title and category for two more."""
    documents = {}
    for number in range(12):
        for prefix, document in (("p", PHONE), ("c", CASE)):
            text = repr(document).replace("iPhone 12", f"iPhone {number + 10}")
            documents[f"{prefix}{number}"] = eval(text)
    documents["bare"] = {"title": "Lamp", "category": "Lamps"}
    documents["strange"] = {"title": "¡™£", "category": "?"}
    return [read_product(product_id, document) for product_id, document in documents.items()]


def test_words_are_compared_without_case_and_plural():
    assert normalise("Women's Running SHOES, 手机壳") == "women s running shoe 手 机 壳"
    assert normalise("glass dress") == "glass dress"


def test_a_phone_is_its_model_and_a_case_is_a_case_that_fits():
    phone, case = read_product("p", PHONE), read_product("c", CASE)
    assert (phone.model, phone.fits, phone.traits) == ("iPhone 12", (), ("black", "128 GB"))
    assert case.head == ("Liquid", "Silicone", "Case")
    assert case.fits == ("iPhone 12", "iPhone 12 Pro")
    assert phone.chinese == ("苹果", "智能手机", "黑色")


def test_a_product_mentions_whole_words_and_joined_chinese():
    case = read_product("c", CASE)
    assert case.mentions("silicone")
    assert case.mentions("blue")
    assert case.mentions("硅胶手机壳")
    assert not case.mentions("phon")
    assert not case.mentions("黑色")


def test_terms_are_single_words_without_the_empty_ones():
    assert split_terms(["Case", "for", "iPhone 12", "手机壳", "case"]) == ("case", "iphone", "12", "手机壳")


def test_every_group_holds_one_search_its_anchor_first_and_no_product_twice():
    examples = Inventor(shop(), random.Random(1)).examples(60)
    assert len(examples) == 60 * GROUP_SIZE
    for start in range(0, len(examples), GROUP_SIZE):
        group = examples[start : start + GROUP_SIZE]
        assert len({example.query_text for example in group}) == 1
        assert group[0].target == 1.0
        assert len({example.product.product_id for example in group}) == GROUP_SIZE
        assert all(0 <= example.target <= 1 for example in group)


def test_what_only_shares_words_is_worth_less_than_a_near_miss():
    inventor = Inventor(shop(), random.Random(2))
    groups = [e for e in inventor.examples(300) if e.query_text.lower() == "iphone 12"]
    assert groups
    for example in groups:
        if example.product.category == "Phone Cases":
            assert example.target <= 0.2
        elif example.product.model == "iPhone 12":
            assert example.target == 1.0
        elif example.product.category == "Smartphones":
            assert 0.1 <= example.target < 0.65


def test_a_phone_is_never_searched_for_by_what_it_shares_with_its_cases_alone():
    """A case's search names the case, so that "iphone 12" is never taught to mean cases."""
    for example in Inventor(shop(), random.Random(3)).examples(300):
        if example.query_text.lower() == "iphone 12" and example.target == 1.0:
            assert example.product.category == "Smartphones"


def test_the_same_seed_invents_the_same_searches():
    first, second = (Inventor(shop(), random.Random(4)).examples(30) for _ in range(2))
    assert [(e.query_text, e.product.product_id, e.target) for e in first] == [
        (e.query_text, e.product.product_id, e.target) for e in second
    ]


@pytest.mark.parametrize("wanted", ["iphone 1", "手机", "silicone", "smartphones"])
def test_searches_are_of_many_kinds(wanted):
    texts = [example.query_text.lower() for example in Inventor(shop(), random.Random(5)).examples(150)]
    assert any(wanted in text for text in texts)
