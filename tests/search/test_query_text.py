from __future__ import annotations

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.search.query_string import MAX_CHARS, read_query_string, read_simple_query_string
from middleware.search.query_text import find_query_text, find_retriever_text

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
        ({"intervals": {"title": {"match": {"query": "red phone", "max_gaps": 2}}}}, "red phone"),
        (
            {
                "intervals": {
                    "title": {
                        "all_of": {
                            "ordered": True,
                            "intervals": [
                                {"match": {"query": "my favourite food"}},
                                {
                                    "any_of": {
                                        "intervals": [{"match": {"query": "hot water"}}, {"prefix": {"prefix": "porr"}}]
                                    }
                                },
                            ],
                            "filter": {"not_containing": {"match": {"query": "salty"}}},
                        }
                    }
                }
            },
            "my favourite food hot water porr",
        ),
        ({"intervals": {"title": {"fuzzy": {"term": "phne"}}}}, "phne"),
        ({"intervals": {"title": {"wildcard": {"pattern": "ph*"}}}}, ""),
        ({"more_like_this": {"fields": ["title"], "like": "red phone", "unlike": "blue"}}, "red phone"),
        ({"more_like_this": {"like": ["red", {"_id": "1"}, {"doc": {"title": "blue"}}, "phone"]}}, "red phone"),
        ({"semantic": {"field": "body", "query": "shoes for rain"}}, "shoes for rain"),
        ({"sparse_vector": {"field": "body", "inference_id": "elser", "query": "rain"}}, "rain"),
        ({"sparse_vector": {"field": "body", "query_vector": {"rain": 1}}}, ""),
        ({"text_expansion": {"ml.tokens": {"model_id": "elser", "model_text": "rain"}}}, "rain"),
        ({"neural": {"embedding": {"query_text": "rain", "query_image": "iVBOR", "k": 5}}}, "rain"),
        ({"neural_sparse": {"embedding": {"query_text": "rain"}}}, "rain"),
        ({"knn": {"field": "vector", "query_vector": [1, 2], "filter": RED}}, ""),
        (
            {
                "knn": {
                    "field": "v",
                    "query_vector_builder": {"text_embedding": {"model_id": "m", "model_text": "rain"}},
                }
            },
            "rain",
        ),
        ({"knn": {"embedding": {"vector": [1.0], "k": 2}}}, ""),
        ({"rule_query": {"ruleset_ids": ["1"], "organic": RED}}, "red"),
        ({"has_parent": {"parent_type": "shop", "query": RED}}, "red"),
        ({"distance_feature": {"field": "date", "origin": "now", "pivot": "7d"}}, ""),
        ({"rank_feature": {"field": "pagerank"}}, ""),
        ({"terms": {"brand": ["red"]}}, ""),
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


@pytest.mark.parametrize(
    ("texts", "text"),
    [
        (("red phone", "Red  Phone ", "RED PHONE"), "red phone"),
        (("Red Phone", "red phone"), "Red Phone"),
        (("phone", "red phone case", "red phone"), "red phone case"),
        (("red phone", "red phones"), "red phone red phones"),
        (("a b", "b c"), "a b b c"),
        (("手机", "手机壳"), "手机 手机壳"),
        (("red red", "red"), "red red"),
        ((" ", "red"), "red"),
    ],
)
def test_a_text_said_by_several_leaves_counts_once(texts, text) -> None:
    fields = ("title", "body", "brand")
    query = {"bool": {"should": [{"match": {field: said}} for field, said in zip(fields, texts, strict=False)]}}
    assert find_query_text(query) == text


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"term": {"brand": "Acme"}}, "Acme"),
        ({"term": {"brand": {"value": "Acme", "boost": 2}}}, "Acme"),
        ({"term": {"year": {"value": 2024}}}, "2024"),
        ({"terms": {"brand": ["Acme", "Other"], "boost": 1}}, "Acme Other"),
        ({"terms": {"brand": {"index": "users", "id": "2", "path": "brands"}}}, ""),
        ({"term": {"colour": "red"}}, ""),
        ({"bool": {"must": RED, "filter": {"term": {"brand": "Acme"}}}}, "red"),
        ({"bool": {"must": [RED, {"term": {"brand": "Acme"}}]}}, "red Acme"),
    ],
)
def test_terms_count_on_configured_fields_alone(query, text) -> None:
    assert find_query_text(query, ["brand", "year"]) == text


def wrap(query) -> dict[str, object]:
    return {"wrapper": {"query": base64.b64encode(json.dumps(query).encode()).decode()}}


def test_a_wrapped_query_is_unpacked() -> None:
    assert find_query_text(wrap({"bool": {"must": wrap(RED)}})) == "red"
    for broken in ("?", "abc", "AAAA", 7, None, base64.b64encode(b"[" * 100_000).decode()):
        assert find_query_text({"wrapper": {"query": broken}}) == ""


STANDARD = {"standard": {"query": RED, "filter": BLUE}}
KNN = {"knn": {"field": "v", "query_vector_builder": {"text_embedding": {"model_text": "shoes"}}, "k": 5}}


@pytest.mark.parametrize(
    ("retriever", "text"),
    [
        (STANDARD, "red"),
        (KNN, "shoes"),
        ({"knn": {"field": "v", "query_vector": [1]}}, ""),
        ({"rrf": {"retrievers": [STANDARD, KNN], "filter": BLUE}}, "red shoes"),
        ({"rrf": {"retrievers": [{"retriever": STANDARD, "weight": 2.0}, KNN]}}, "red shoes"),
        ({"rrf": {"query": "artificial intelligence", "fields": ["text", "text_semantic"]}}, "artificial intelligence"),
        ({"linear": {"retrievers": [{"retriever": STANDARD, "weight": 2, "normalizer": "minmax"}]}}, "red"),
        ({"linear": {"query": "shoes", "fields": ["a^2"], "normalizer": "minmax"}}, "shoes"),
        ({"rule": {"match_criteria": {"query_string": "x"}, "ruleset_ids": ["r"], "retriever": STANDARD}}, "red"),
        ({"pinned": {"ids": ["1"], "retriever": STANDARD}}, "red"),
        ({"rescorer": {"rescore": {"query": {"rescore_query": BLUE}}, "retriever": STANDARD}}, "red"),
        ({"diversify": {"type": "mmr", "field": "v", "query_vector": [1], "retriever": STANDARD}}, "red"),
        (
            {"text_similarity_reranker": {"retriever": STANDARD, "field": "a", "inference_text": "rain shoes"}},
            "rain shoes",
        ),
        ({"rule": {"retriever": {"rrf": {"retrievers": [STANDARD, {"standard": {"query": BLUE}}]}}}}, "red blue"),
        ({"rrf": {"retrievers": [STANDARD, STANDARD]}}, "red"),
        (None, ""),
        ({"standard": "red"}, ""),
        ({"rrf": {"retrievers": "red"}}, ""),
    ],
)
def test_query_text_of_a_retriever_is_that_of_its_tree(retriever, text) -> None:
    assert find_retriever_text(retriever) == text


KINDS = (
    *(
        "bool",
        "must",
        "should",
        "dis_max",
        "queries",
        "query",
        "match",
        "term",
        "terms",
        "intervals",
        "all_of",
        "wrapper",
    ),
    *("more_like_this", "like", "knn", "query_vector_builder", "text_embedding", "neural", "query_string", "retriever"),
    *("retrievers", "rrf", "standard", "text_similarity_reranker", "inference_text", "brand", "value", "prefix"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text('ab"(:A ', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KINDS), inner, max_size=4),
    max_leaves=30,
)


@given(JSON)
def test_any_json_has_a_query_text(body) -> None:
    for text in (find_query_text(body, ["brand"]), find_retriever_text(body, ["brand"])):
        assert text == " ".join(text.split())
        assert len(text) <= MAX_CHARS


@pytest.mark.parametrize(
    "query",
    [
        {"bool": {"should": [{"match": {"title": f"word{number}"}} for number in range(100_000)]}},
        {"bool": {"should": [{"match": {"title": "a " * (number % 50)}} for number in range(100_000)]}},
        {"more_like_this": {"like": "word " * 1_000_000}},
        {"bool": {"should": [RED] * 300_000}},
        {"dis_max": {"queries": [{"exists": {"field": "a"}}] * 300_000}},
        wrap({"bool": {"should": [RED] * 50_000}}),
    ],
    ids=["many texts", "contained texts", "long text", "one text", "no text", "wrapped"],
)
def test_a_crafted_query_takes_linear_time(query) -> None:
    start = time.perf_counter()
    assert len(find_query_text(query)) <= MAX_CHARS
    assert time.perf_counter() - start < 5


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
