from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.errors import RequestError
from middleware.search.retrievers import retriever_limit, to_plain_query, why_not_reranked, with_filters

RED = {"match": {"title": "red"}}
ACME, NEW = {"term": {"brand": "acme"}}, {"range": {"year": {"gte": 2024}}}
STANDARD = {"standard": {"query": RED}}
KNN = {"knn": {"field": "vector", "query_vector": [1, 2], "k": 7, "num_candidates": 20}}


@pytest.mark.parametrize(
    ("body", "plain"),
    [
        ({}, {}),
        ({"query": RED}, {"query": RED}),
        ({"query": RED, "filter": []}, {"query": RED}),
        ({"query": RED, "filter": ACME}, {"query": {"bool": {"filter": [ACME], "must": [RED]}}}),
        ({"query": RED, "filter": [ACME, NEW]}, {"query": {"bool": {"filter": [ACME, NEW], "must": [RED]}}}),
        ({"filter": ACME}, {"query": {"bool": {"filter": [ACME]}}}),
        ({"query": RED, "_name": "lexical"}, {"query": RED}),
        (
            {"query": RED, "sort": "year", "search_after": [1], "terminate_after": 9, "min_score": 2},
            {"query": RED, "sort": "year", "search_after": [1], "terminate_after": 9, "min_score": 2},
        ),
        ({"query": RED, "collapse": {"field": "brand"}}, {"query": RED, "collapse": {"field": "brand"}}),
    ],
)
def test_a_standard_retriever_is_an_ordinary_search(body, plain) -> None:
    assert to_plain_query({"standard": body}) == plain


@pytest.mark.parametrize("retriever", [KNN, {"rrf": {"query": "red"}}, {"rule": {"retriever": STANDARD}}, {"new": {}}])
def test_what_needs_the_clusters_retrievers_is_no_ordinary_search(retriever) -> None:
    assert to_plain_query(retriever) is None


@pytest.mark.parametrize("retriever", [{}, {"standard": []}, {**STANDARD, **KNN}, {"standard": {"querys": RED}}])
def test_a_malformed_retriever_is_refused(retriever) -> None:
    with pytest.raises(RequestError):
        to_plain_query(retriever)


@pytest.mark.parametrize(
    ("retriever", "limit"),
    [
        (STANDARD, None),
        (KNN, 7),
        ({"rrf": {"retrievers": [STANDARD, KNN]}}, 10),
        ({"rrf": {"query": "red", "fields": ["title"], "rank_window_size": 50}}, 50),
        ({"linear": {"retrievers": [{"retriever": STANDARD, "weight": 2, "normalizer": "minmax"}]}}, 10),
        ({"rule": {"retriever": {"rrf": {"query": "a", "rank_window_size": 5}}, "rank_window_size": 20}}, 5),
        ({"pinned": {"ids": ["1"], "retriever": KNN, "rank_window_size": 20}}, 20),
        ({"text_similarity_reranker": {"retriever": STANDARD, "rank_window_size": "30"}}, 30),
        ({"rescorer": {"rescore": {"query": {}}, "retriever": STANDARD}}, 10),
        ({"rescorer": {"rescore": [{"window_size": 50}, {"window_size": 40}], "retriever": STANDARD}}, 40),
        ({"rescorer": {"rescore": {"window_size": 50}, "retriever": {"rrf": {"query": "a"}}}}, 10),
        ({"diversify": {"type": "mmr", "size": 3, "retriever": STANDARD}}, 3),
        ({"diversify": {"type": "mmr", "size": 30, "rank_window_size": 20, "retriever": STANDARD}}, 20),
    ],
)
def test_a_tree_gives_as_many_hits_as_its_narrowest_window(retriever, limit) -> None:
    assert retriever_limit(retriever) == limit


def reranker(inner):
    return {"text_similarity_reranker": {"retriever": inner, "field": "a", "inference_text": "red"}}


@pytest.mark.parametrize(
    ("retriever", "why"),
    [
        (STANDARD, None),
        (KNN, None),
        ({"rrf": {"retrievers": [STANDARD, {"retriever": KNN, "weight": 2}]}}, None),
        ({"linear": {"query": "red", "fields": ["a^2"], "normalizer": "minmax"}}, None),
        ({"rule": {"retriever": {"rrf": {"retrievers": [STANDARD, KNN]}}}}, None),
        ({"rrf": {"retrievers": [STANDARD, reranker(STANDARD)]}}, "[text_similarity_reranker] inside"),
        ({"linear": {"retrievers": [{"retriever": reranker(KNN), "weight": 1}]}}, "[text_similarity_reranker] inside"),
        ({"pinned": {"ids": ["1"], "retriever": reranker(STANDARD)}}, "[text_similarity_reranker] inside"),
        ({"rule": {"retriever": {"of_the_future": {}}}}, "unknown retriever [of_the_future]"),
        ({**STANDARD, **KNN}, "retriever malformed"),
        ({"rrf": {"retrievers": [{}]}}, "retriever malformed"),
        (None, "retriever malformed"),
    ],
)
def test_trees_that_we_may_not_rerank_say_why(retriever, why) -> None:
    said = why_not_reranked(retriever)
    assert (said is None) if why is None else said is not None and said.startswith(why)


def test_filters_from_around_a_retriever_come_after_its_own() -> None:
    assert with_filters(STANDARD, []) == STANDARD
    assert with_filters(STANDARD, [ACME]) == {"standard": {"query": RED, "filter": [ACME]}}
    assert with_filters({"rrf": {"filter": ACME}}, [NEW]) == {"rrf": {"filter": [ACME, NEW]}}


NAMES = st.sampled_from(
    ["standard", "rrf", "rule", "knn", "retriever", "retrievers", "rescorer", "rescore", "k", "size"]
)
JSON = st.recursive(
    st.none() | st.integers() | st.floats() | st.just("red"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
)


@given(st.dictionaries(NAMES, JSON, max_size=3))
def test_any_tree_is_read_or_refused(retriever) -> None:
    why_not_reranked(retriever)
    for read in (to_plain_query, retriever_limit):
        with contextlib.suppress(RequestError):
            read(retriever)
