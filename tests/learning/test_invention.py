"""Invented queries: of any catalogue's own words, in any script, as a shopper might type them; one seed, one list."""

from __future__ import annotations

import random
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from middleware.config import IndexSettings
from middleware.learning.groups.shop_documents import Document
from middleware.learning.invention.chinese import count_variety, words_of
from middleware.learning.invention.fields import guess_roles, read_leaves
from middleware.learning.invention.inventor import Inventor
from middleware.learning.invention.words import Listing, count_words, is_code, is_quantity, runs

BRANDS = ("Acme", "Borg", "Cyan Works", "Delta")
COLOURS = ("Black", "White", "Red", "Blue")
THINGS = ("toner cartridge", "laptop bag", "keyboard", "usb cable")
SECTION = IndexSettings(template="{title}[ | {maker}][ | {text}]")
TITLE_ONLY = IndexSettings(template="{title}")


def shop():
    """128 products of four brands, colours and things, under field names that say nothing."""
    made = []
    for number in range(128):
        brand, colour, thing = BRANDS[number % 4], COLOURS[number // 4 % 4], THINGS[number // 16 % 4]
        source = {
            "title": f"{brand} X{number}K {thing} {colour} {number % 3 + 1} m",
            "maker": brand,
            "specs": [{"name": "hue", "value": colour}, {"name": "origin", "value": "Nowhere"}],
            "text": f"A {thing} that lasts for years. Made with care by people who know their trade, number {number}.",
            "stock": number,
            "link": f"https://shop.example/{number}",
            "added": "2024-01-01T00:00:00Z",
        }
        made.append(document(number, source))
    return made


def document(number, source):
    return Document(str(number), source, " | ".join(str(value) for value in source.values()))


def titles(*texts):
    return [document(number, {"title": text}) for number, text in enumerate(texts)]


def invent(documents, count, section=SECTION, seed=1):
    return list(islice(Inventor(documents, section, random.Random(seed)).queries(), count))


def test_roles_are_told_by_what_the_fields_hold():
    roles = guess_roles([read_leaves(each.source) for each in shop()], SECTION)
    assert roles.titles[0] == "title"
    assert roles.brand == "maker"
    assert "specs.hue" in roles.traits
    assert not {"link", "added"} & {*roles.traits, *roles.models, *roles.titles}


def test_the_configured_brand_and_category_are_believed_where_they_are_filled():
    section = IndexSettings(template="{title}", features={"brand": "specs.hue", "category": "maker"})
    roles = guess_roles([read_leaves(each.source) for each in shop()], section)
    assert (roles.brand, roles.category) == ("specs.hue", "maker")


def test_leaves_are_read_through_lists_objects_names_and_markup():
    source = {"a": {"b": ["x", {"c": "<b>y</b> z"}]}, "n": 5, "specs": [{"key": "hue", "values": ["red", "blue"]}]}
    assert read_leaves(source) == {"a.b": ["x"], "a.b.c": ["y z"], "specs.hue": ["red", "blue"]}


def test_names_of_things_are_told_from_colours_brands_and_units():
    listings = [
        Listing(
            [each.source["title"]],
            each.source["maker"].casefold(),
            frozenset([each.source["specs"][0]["value"].casefold()]),
        )
        for each in shop()
    ]
    words = count_words(listings)
    assert {"cartridge", "bag", "keyboard", "cable"} <= words.heads
    assert not {"black", "red", "acme", "m", "toner"} & words.heads
    assert words.kinds("Acme X9 toner cartridge Black") == ["toner cartridge"]
    assert words.kinds("Borg keyboard") == ["keyboard"]


@pytest.mark.parametrize(
    ("token", "code", "quantity"),
    [
        ("CE285A", True, False),
        ("WH-1000XM5", True, False),
        ("500GB", False, True),
        ('15.6"', False, True),
        ("1920x1080", False, True),
        ("lamp", False, False),
        ("2021", False, False),
    ],
)
def test_model_numbers_are_told_from_quantities(token, code, quantity):
    assert (is_code(token), is_quantity(token)) == (code, quantity)


def test_runs_end_at_marks_but_not_inside_words():
    assert list(runs('T-Shirt (2-Pack), cotton – S/M, "red"')) == [
        ["T-Shirt"],
        ["2-Pack"],
        ["cotton"],
        ["S"],
        ["M"],
        ["red"],
    ]


def test_many_kinds_of_queries_are_invented_all_of_the_catalogues_own_words():
    made = invent(shop(), 400)
    kinds = {each.kind for each in made}
    assert {"kind", "brand and kind", "trait and kind", "title part", "model", "quantity and kind"} <= kinds
    for each in made:
        said = each.document.text.casefold()
        assert all(word in said for word in each.text.casefold().split()), each
    texts = {each.text.casefold() for each in made}
    assert {"keyboard", "laptop bag", "black keyboard", "borg keyboard"} & texts
    assert len(texts) > 150
    assert not any(word in text.split() for text in texts for word in ("nowhere", "https"))


def test_a_swapped_trait_makes_the_product_a_near_miss():
    inventor = Inventor(shop(), SECTION, random.Random(3))
    swapped = []
    for each in islice(inventor.queries(), 600):
        variant = inventor.variant(each, drop=0.0, swap=1.0)
        if variant is not None:
            assert not variant.is_answer
            assert variant.family == each.text
            swapped.append((each.text.casefold(), variant.text.casefold()))
    assert swapped
    colours = {colour.casefold() for colour in COLOURS}
    for before, after in swapped:
        removed, added = set(before.split()) - set(after.split()), set(after.split()) - set(before.split())
        assert removed <= colours
        assert added <= colours
        assert removed != added


def test_a_dropped_word_leaves_something_to_search_for():
    inventor = Inventor(shop(), SECTION, random.Random(4))
    variants = [inventor.variant(each, drop=1.0, swap=0.0) for each in islice(inventor.queries(), 200)]
    found = [each for each in variants if each is not None]
    assert found
    assert all(each.is_answer and each.text and each.family for each in found)


def test_the_same_seed_invents_the_same_queries():
    assert invent(shop(), 60) == invent(shop(), 60)
    assert invent(shop(), 60) != invent(shop(), 60, seed=2)


def test_titles_alone_are_enough():
    made = invent(titles("Red Leather Running Shoe for Men", "USB-C cable, 2 m", "Lamp"), 100, TITLE_ONLY)
    assert len({each.text for each in made}) > 10
    assert all(len(each.text) > 1 for each in made)


def test_titles_without_a_letter_make_no_queries_and_no_endless_search():
    assert invent(titles("— — —", "   ", "★", "7"), 10, TITLE_ONLY) == []
    assert "red" in invent(titles("—", "★ red"), 1, TITLE_ONLY)[0].text.casefold()


def test_words_of_chinese_titles_are_found_by_what_stands_beside_them():
    runs_of = [
        "苹果手机",
        "苹果耳机",
        "小米手机",
        "华为手机壳",
        "手机支架",
        "苹果平板",
        "苹果手表",
        "透明手机壳",
        "防摔手机壳",
        "手机壳",
    ]
    variety = count_variety(runs_of)
    assert variety["手机"] >= 3
    assert variety["机壳"] == 1
    assert words_of("苹果手机", variety, 3) == ["苹果", "手机"]


def test_chinese_queries_are_words_and_not_halves_of_them():
    names, things = ("苹果", "小米", "华为", "三星", "索尼"), ("手机壳", "充电器", "平板电脑", "蓝牙耳机", "数据线")
    texts = [f"{name} {thing} {10 + n}英寸" for n, name in enumerate(names) for thing in things]
    made = invent(titles(*texts), 200, TITLE_ONLY)
    chinese = [each.text for each in made if each.kind == "chinese"]
    assert chinese
    for text in chinese:
        assert "英寸" not in text
        rest = text
        for word in (*names, *things):
            rest = rest.replace(word, "")
        assert not rest.strip(), text


def test_a_short_chinese_title_alone_still_makes_queries():
    title = "苹果手机保护壳透明防摔全包边硅胶软壳"
    made = invent(titles(title), 60, TITLE_ONLY)
    assert all(each.text in title and 2 <= len(each.text) <= 6 for each in made)
    assert len({each.text for each in made}) > 15


@settings(max_examples=60)
@given(st.lists(st.dictionaries(st.sampled_from(["title", "a", "b.c"]), st.text(max_size=40), min_size=1), max_size=8))
def test_whatever_the_documents_hold_queries_are_plain_and_not_empty(sources):
    documents = [document(number, source) for number, source in enumerate(sources)]
    for each in invent(documents, 30, IndexSettings(template="{title}[ {a}]")) if documents else []:
        assert any(map(str.isalnum, each.text))
        assert each.text == " ".join(each.text.split())


def test_a_thing_may_be_part_of_a_brands_name_and_a_trait_of_its_products():
    """A case is a thing though Case Logic makes some and a field says so; black, after it, is a trait."""
    listings = [
        Listing(
            [f"{brand} notebook case {colour}"], brand.casefold(), frozenset({("case", "x")[n % 2], colour.casefold()})
        )
        for n, brand in enumerate(["Case Logic", *["Acme", "Borg", "Delta"] * 3])
        for colour in COLOURS
    ]
    listings += [
        Listing([f"{brand} usb mouse {colour}"], brand.casefold(), frozenset({colour.casefold()}))
        for brand in BRANDS
        for colour in COLOURS
    ]
    words = count_words(listings)
    assert {"case", "mouse"} <= words.heads
    assert not {"black", "red", "logic"} & words.heads
    assert words.kinds("Case Logic notebook case Red") == ["notebook case"]
