from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.search.query_string import MAX_CHARS, read_query_string, read_simple_query_string
from middleware.search.query_text import find_query_text

RED = {"match": {"title": "red"}}
BLUE = {"match": {"title": {"query": "blue", "boost": 2}}}


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (RED, "red"),
        (BLUE, "blue"),
        ({"match": {"title": 7}}, "7"),
        ({"match": {"title": {"query": 7.5}}}, "7.5"),
        ({"match": {"title": {"query": True}}}, ""),
        ({"match_phrase": {"title": "red phone"}}, "red phone"),
        ({"match_phrase_prefix": {"title": {"query": "red ph"}}}, "red ph"),
        ({"match_bool_prefix": {"title": "red ph"}}, "red ph"),
        ({"multi_match": {"query": "red", "fields": ["a", "b"]}}, "red"),
        ({"combined_fields": {"query": "red", "fields": ["a"]}}, "red"),
        ({"bool": {"must": RED, "should": [BLUE]}}, "red blue"),
        ({"bool": {"must": [RED, RED]}}, "red"),
        ({"bool": {"filter": RED, "must_not": BLUE}}, ""),
        ({"bool": {"must": [{"bool": {"should": [RED]}}], "filter": [BLUE]}}, "red"),
        ({"dis_max": {"queries": [RED, BLUE]}}, "red blue"),
        ({"function_score": {"query": RED, "functions": [{"filter": BLUE, "weight": 2}]}}, "red"),
        ({"script_score": {"query": RED, "script": {"source": "1"}}}, "red"),
        ({"constant_score": {"filter": RED}}, "red"),
        ({"boosting": {"positive": RED, "negative": BLUE}}, "red"),
        ({"nested": {"path": "variants", "query": RED}}, "red"),
        ({"has_child": {"type": "offer", "query": RED}}, "red"),
        ({"pinned": {"ids": ["1"], "organic": RED}}, "red"),
        ({"rule": {"ruleset_ids": ["1"], "organic": RED}}, "red"),
        ({"hybrid": {"queries": [RED, {"knn": {}}]}}, "red"),
        ({"query_string": {"query": "title:red AND -blue"}}, "red"),
        ({"simple_query_string": {"query": "red +blue -green"}}, "red blue"),
        ({"match_all": {}}, ""),
        ({"term": {"brand": "red"}}, ""),
        ({"match": "red"}, ""),
        ({"multi_match": {"query": None}}, ""),
        ({"query_string": {"query": 7}}, ""),
        ([RED], "red"),
        (None, ""),
        ("red", ""),
    ],
)
def test_query_text_is_what_the_scoring_full_text_leaves_say(query, text) -> None:
    assert find_query_text(query) == text


def test_a_query_nested_beyond_reason_ends_the_walk() -> None:
    query = RED
    for _ in range(150):
        query = {"bool": {"must": [query]}}
    assert find_query_text(query) == ""


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("red phone", "red phone"),
        ('title:phone AND (case OR "leather case") -cheap', "phone case leather case"),
        ("price:[1 TO 5] phone", "phone"),
        ("price:{* TO 5} phone", "phone"),
        ("-price:[1 TO 5] phone", "phone"),
        ("price:>=10 phone", "phone"),
        ("-price:>=10 phone", "phone"),
        ("NOT title:red phone", "phone"),
        ("phone NOT (red OR (blue green)) case", "phone case"),
        ('-title:"red case" phone', "phone"),
        ("phone !red", "phone"),
        ("_exists_:brand phone", "phone"),
        ("title:/joh?n(ath[oa]n)/ phone", "phone"),
        ('"red phone"~2^3 cas~1', "red phone cas"),
        ("C\\+\\+ book", "C++ book"),
        ("usb-c cable", "usb-c cable"),
        ("*:*", ""),
        ("red && blue || green", "red blue green"),
        ("+red +phone^2", "red phone"),
        ("title:(red OR blue) NOT brand:(x y)", "red blue"),
        ("手机 -壳", "手机"),
        ('"red phone', "red phone"),
        ("iph*", "iph"),
        ("((((", ""),
        ("red\\", "red"),
        ("meta.name:red a\\:b:blue", "red blue"),
    ],
)
def test_a_query_string_is_reduced_to_its_words(written, text) -> None:
    assert read_query_string(written) == text


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ('red + (blue | green) -"not this" phone', "red blue green phone"),
        ("iso:9001 AND", "iso:9001 AND"),
        ("[1 TO 5]", "[1 TO 5]"),
        ("wow!", "wow!"),
        ("cas~1 iph*", "cas iph"),
        ("-(red blue) case", "case"),
    ],
)
def test_a_simple_query_string_knows_fewer_operators(written, text) -> None:
    assert read_simple_query_string(written) == text


@given(st.text('ab"()[]{}:/\\-+!~^*?|& TO0', max_size=40))
def test_any_text_is_read_as_a_query_string(written) -> None:
    for read in (read_query_string, read_simple_query_string):
        words = read(written)
        assert words == " ".join(words.split())


@given(st.lists(st.text("abcäé手", min_size=1), min_size=1))
def test_plain_words_stay_as_they_are(words) -> None:
    assert read_query_string(" ".join(words)) == " ".join(words)


@pytest.mark.parametrize("piece", ["[ TO ", '"', "(", "\\", "/", "a:", "-(", "&&"])
def test_a_crafted_query_string_is_read_up_to_a_limit(piece) -> None:
    assert len(read_query_string(piece * 1_000_000)) <= MAX_CHARS
