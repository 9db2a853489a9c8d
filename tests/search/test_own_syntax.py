from __future__ import annotations

import copy
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.errors import RequestError
from middleware.search.chunks import Chunking
from middleware.search.own_syntax import Wish, check_size, read_wish

RED = {"match": {"title": "red"}}


def reranker(inner=None, **changes):
    body = {"retriever": inner or {"standard": {"query": RED}}, "field": "text", "inference_text": "red shoes"}
    return {"text_similarity_reranker": {**body, **changes}}


def wish(**changes):
    basis = {"query_text": "red shoes", "window": 10, "fields": ("text",), "model_only": True, "limits_hits": True}
    return Wish(**{**basis, **changes})


def extension(**context):
    return {"rerank": {"query_context": context}}


def refusal(body):
    with pytest.raises(RequestError) as error:
        read_wish(body)
    return error.value.reason


MOON = "How often does the moon hide the sun?"
DOCUMENTED = [
    # Elasticsearch's reference: Elastic Rerank, Cohere Rerank, a Hugging Face model
    (
        {
            "retriever": {
                "text_similarity_reranker": {
                    "retriever": {"standard": {"query": {"match": {"text": MOON}}}},
                    "field": "text",
                    "inference_id": "my-elastic-rerank",
                    "inference_text": MOON,
                    "rank_window_size": 100,
                    "min_score": 0.5,
                }
            }
        },
        {"query": {"match": {"text": MOON}}, "size": 100},
        wish(query_text=MOON, window=100, min_score=0.5, inference_id="my-elastic-rerank"),
    ),
    (
        {
            "retriever": {
                "text_similarity_reranker": {
                    "retriever": {"standard": {"query": {"match_phrase": {"text": "landmark in Paris"}}}},
                    "field": "text",
                    "inference_id": "my-cohere-rerank-model",
                    "inference_text": "Most famous landmark in Paris",
                    "rank_window_size": 100,
                    "min_score": 0.5,
                }
            }
        },
        {"query": {"match_phrase": {"text": "landmark in Paris"}}, "size": 100},
        wish(
            query_text="Most famous landmark in Paris",
            window=100,
            min_score=0.5,
            inference_id="my-cohere-rerank-model",
        ),
    ),
    (
        {
            "retriever": {
                "text_similarity_reranker": {
                    "retriever": {"standard": {"query": {"match": {"genre": "drama"}}}},
                    "field": "plot",
                    "inference_id": "my-msmarco-minilm-model",
                    "inference_text": "films that explore psychological depths",
                }
            }
        },
        {"query": {"match": {"genre": "drama"}}, "size": 10},
        wish(
            query_text="films that explore psychological depths",
            fields=("plot",),
            inference_id="my-msmarco-minilm-model",
        ),
    ),
    # Elasticsearch's REST tests: the filter of the reranker, and its chunks
    (
        {
            "track_total_hits": True,
            "fields": ["text", "topic"],
            "retriever": {
                "text_similarity_reranker": {
                    "retriever": {"standard": {"query": {"term": {"topic": "science"}}}},
                    "filter": {"term": {"subtopic": "technology"}},
                    "rank_window_size": 10,
                    "inference_id": "my-rerank-model",
                    "inference_text": MOON,
                    "field": "inference_text_field",
                    "chunk_rescorer": {"size": 20, "chunking_settings": {"max_chunk_size": 20}},
                }
            },
            "size": 10,
        },
        {
            "track_total_hits": True,
            "fields": ["text", "topic"],
            "query": {
                "bool": {"filter": [{"term": {"subtopic": "technology"}}], "must": [{"term": {"topic": "science"}}]}
            },
            "size": 10,
        },
        wish(
            query_text=MOON,
            fields=("inference_text_field",),
            inference_id="my-rerank-model",
            chunks=Chunking(20, max_words=20),
        ),
    ),
    # OpenSearch's documentation: both forms of the query context
    (
        {
            "query": {"match": {"passage_text": "how to welcome in family"}},
            "ext": {"rerank": {"query_context": {"query_text": "how to welcome in family"}}},
        },
        {"query": {"match": {"passage_text": "how to welcome in family"}}},
        Wish("how to welcome in family"),
    ),
    (
        {
            "query": {"match": {"text_representation": {"query": "Where is Albuquerque?"}}},
            "ext": {"rerank": {"query_context": {"query_text_path": "query.match.text_representation.query"}}},
        },
        {"query": {"match": {"text_representation": {"query": "Where is Albuquerque?"}}}},
        Wish("Where is Albuquerque?"),
    ),
]


@pytest.mark.parametrize(("body", "plain", "expected"), DOCUMENTED)
def test_documented_requests_are_read_and_made_plain(body, plain, expected) -> None:
    before = copy.deepcopy(body)
    assert read_wish(body) == (plain, expected)
    assert body == before


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": RED},
        {"query": RED, "ext": {"other": {"rerank": 1}}},
        {"query": RED, "ext": {"rerank": "on"}},
        {"query": RED, "ext": None},
        {"retriever": {"standard": {"query": RED}}},
        {"retriever": {"rrf": {"retrievers": [reranker(), {"standard": {"query": RED}}]}}},
        {"retriever": "red"},
        {"retriever": reranker(reranker())},
        {"retriever": reranker({"rule": {"retriever": reranker(), "ruleset_ids": ["a"], "match_criteria": {}}})},
        {"retriever": reranker({"of_the_future": {}})},
    ],
)
def test_a_search_without_syntax_that_is_ours_to_execute_stays_as_it_is(body) -> None:
    assert read_wish(body) == (body, None)


def test_only_our_part_of_ext_is_removed() -> None:
    body = {"query": RED, "ext": {"rerank": {"query_text": "red"}, "mine": {"a": 1}}}
    assert read_wish(body) == ({"query": RED, "ext": {"mine": {"a": 1}}}, Wish("red"))


@pytest.mark.parametrize(
    ("ext", "text"),
    [
        ({"rerank": {"query_text": "first", **extension(query_text="second")["rerank"]}}, "first"),
        (extension(query_text="second"), "second"),
        ({}, "red shoes"),
    ],
)
def test_the_nearest_query_text_wins(ext, text) -> None:
    plain, read = read_wish({"retriever": reranker(rank_window_size=20), "ext": ext})
    assert read == wish(query_text=text, window=20)
    assert plain["query"] == RED


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("query.bool.must.0.match.title.query", "red"),
        ("query.bool.must.0.match.title", "red"),
        ("query.bool.should.1.match.title.query", "green"),
        ("query.bool.filter.0.term.brand.value", "acme"),
    ],
)
def test_a_path_is_followed_as_the_body_is_written_and_as_opensearch_would_write_it(path, text) -> None:
    should = [{"match": {"title": "blue"}}, {"match": {"title": {"query": "green"}}}]
    query = {"bool": {"must": RED, "should": should, "filter": {"term": {"brand": "acme"}}}}
    assert read_wish({"query": query, "ext": extension(query_text_path=path)})[1] == Wish(text)


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        ("red", "query_context must be a map"),
        ({}, 'Must specify either "query_text" or "query_text_path"'),
        ({"query_text": "a", "query_text_path": "b"}, 'Cannot specify both "query_text" and "query_text_path"'),
        ({"query_text": 7}, "query_text must be a string"),
        ({"query_text": " "}, "query_text must not be empty"),
        ({"query_text_path": 7}, "query_text_path must be a string"),
        ({"query_text_path": "query"}, "query_text_path must point to a string field"),
        ({"query_text_path": "query.match.other"}, "query_text_path must point to a string field"),
        ({"query_text_path": "query.match.title.query.query.boost"}, "query_text_path must point to a string field"),
        ({"query_text_path": "a" * 1001}, "query_text_path exceeded the maximum path length of 1000 characters"),
        (
            {"query_text_path": ".".join("a" * 21)},
            "query_text_path exceeded the maximum path length of 20 nested fields",
        ),
    ],
)
def test_a_wrong_query_context_is_refused_in_opensearchs_words(context, reason) -> None:
    assert refusal({"query": RED, "ext": {"rerank": {"query_context": context}}}) == reason


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        ({}, "[ext.rerank.query_text] must be a text that is not empty"),
        ({"query_text": " "}, "[ext.rerank.query_text] must be a text that is not empty"),
        ({"query_text": 7}, "[ext.rerank.query_text] must be a text that is not empty"),
        (
            {"query_text": "a", "window": 1},
            "[ext.rerank] unknown field [window], known are [query_context, query_text]",
        ),
    ],
)
def test_our_own_syntax_is_checked(own, reason) -> None:
    assert refusal({"query": RED, "ext": {"rerank": own}}) == reason


WRONG_TYPE = "[text_similarity_reranker] {} doesn't support values of type: {}"
UNPARSABLE = "[text_similarity_reranker] failed to parse field [{}]"
INVALID = "Validation Failed: 1: {};"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"inference_text": 7}, WRONG_TYPE.format("inference_text", "VALUE_NUMBER")),
        ({"inference_text": ["a"]}, WRONG_TYPE.format("inference_text", "START_ARRAY")),
        ({"inference_text": " "}, INVALID.format("Field [query] cannot be empty for task type [rerank]")),
        ({"field": None}, WRONG_TYPE.format("field", "VALUE_NULL")),
        ({"inference_id": {}}, WRONG_TYPE.format("inference_id", "START_OBJECT")),
        ({"windows": 5}, "[text_similarity_reranker] unknown field [windows]"),
        ({"rank_window_size": True}, WRONG_TYPE.format("rank_window_size", "VALUE_BOOLEAN")),
        ({"rank_window_size": 7.5}, UNPARSABLE.format("rank_window_size")),
        ({"rank_window_size": "many"}, UNPARSABLE.format("rank_window_size")),
        ({"rank_window_size": 2**31}, UNPARSABLE.format("rank_window_size")),
        ({"rank_window_size": -1}, INVALID.format("[rank_window_size] parameter cannot be negative, found [-1]")),
        ({"min_score": "nan"}, UNPARSABLE.format("min_score")),
        ({"allow_rerank_failures": 1}, WRONG_TYPE.format("allow_rerank_failures", "VALUE_NUMBER")),
        ({"chunk_rescorer": []}, WRONG_TYPE.format("chunk_rescorer", "START_ARRAY")),
        ({"chunk_rescorer": {"size": 0}}, "size must be greater than 0, was: 0"),
        ({"retriever": "x"}, WRONG_TYPE.format("retriever", "VALUE_STRING")),
        ({"retriever": {"standard": 5}}, "[standard] retriever malformed, no [START_OBJECT] after retriever name"),
        ({"retriever": {"standard": {"size": 5}}}, "[standard] unknown field [size]"),
        (
            {"retriever": {"standard": {"search_after": [1]}}},
            "[search_after] cannot be used in children of compound retrievers",
        ),
        (
            {"retriever": {"standard": {"terminate_after": 1}}},
            "[terminate_after] cannot be used in children of compound retrievers",
        ),
        (
            {"rank_window_size": 20, "retriever": {"rrf": {"query": "red"}}},
            INVALID.format(
                "[text_similarity_reranker] requires [rank_window_size: 20] to be smaller than or equal to its sub "
                "retriever's rrf [rank_window_size: 10]"
            ),
        ),
    ],
)
def test_a_wrong_reranker_is_refused_in_elasticsearchs_words(changes, reason) -> None:
    assert refusal({"retriever": reranker(**changes)}) == reason


def test_what_a_reranker_lacks_is_named() -> None:
    assert (
        refusal({"retriever": {"text_similarity_reranker": {"field": "a"}}}) == "Required [retriever, inference_text]"
    )
    assert refusal({"retriever": {"text_similarity_reranker": 5}}).endswith("no [START_OBJECT] after retriever name")
    assert refusal({"retriever": {**reranker(), "knn": {}}}).endswith("expected [END_OBJECT] but found [FIELD_NAME]")


@pytest.mark.parametrize(
    ("members", "beside"),
    [
        ({"query": RED}, "query"),
        ({"sort": ["price"], "rescore": {}}, "sort, rescore"),
        (
            {"knn": {}, "search_after": [1], "terminate_after": 1, "rank": {}},
            "knn, search_after, terminate_after, rank",
        ),
    ],
)
def test_what_elasticsearch_refuses_beside_a_retriever_is_refused(members, beside) -> None:
    reason = refusal({"retriever": reranker(), **members})
    assert reason == f"Validation Failed: 1: cannot specify [retriever] and [{beside}];"


def test_every_problem_of_a_search_is_told_at_once() -> None:
    reason = refusal({"retriever": reranker(rank_window_size=-2), "query": RED})
    assert reason.startswith("Validation Failed: 1: cannot specify [retriever] and [query];2: [rank_window_size]")


def test_numbers_may_be_written_as_strings() -> None:
    _, read = read_wish({"retriever": reranker(rank_window_size="50", min_score="-1.5", allow_rerank_failures="true")})
    assert read == wish(window=50, min_score=-1.5)


def test_filters_of_the_reranker_join_those_of_the_retriever_inside() -> None:
    a, b, c = ({"term": {"brand": name}} for name in "abc")
    plain, _ = read_wish({"retriever": reranker({"standard": {"query": RED, "filter": a}}, filter=[b, c])})
    assert plain["query"] == {"bool": {"filter": [a, b, c], "must": [RED]}}
    plain, _ = read_wish({"retriever": reranker({"rrf": {"query": "red", "filter": [a]}}, filter=b)})
    assert plain == {"size": 10, "retriever": {"rrf": {"query": "red", "filter": [a, b]}}}


def test_members_of_the_inner_retriever_take_the_place_of_the_searchs() -> None:
    inner = {"standard": {"query": RED, "sort": ["price"], "collapse": {"field": "brand"}, "min_score": 2}}
    body = {"retriever": reranker(inner), "collapse": {"field": "colour"}, "min_score": 7, "size": 5, "from": 2}
    assert read_wish(body) == (
        {"query": RED, "sort": ["price"], "collapse": {"field": "brand"}, "min_score": 2, "size": 5, "from": 2},
        wish(),
    )


@pytest.mark.parametrize(("bound", "raw"), [(3.5, 2.5), (1, 0), (0.5, math.log(0.5)), (0, None), (-3, None)])
def test_a_min_score_of_the_search_bounds_the_score_that_is_returned(bound, raw) -> None:
    plain, read = read_wish({"retriever": reranker(), "min_score": bound})
    assert "min_score" not in plain
    assert read == wish(min_score=raw)


def test_the_rerankers_own_min_score_goes_before_the_searchs() -> None:
    assert read_wish({"retriever": reranker(min_score=0.2), "min_score": 5})[1] == wish(min_score=0.2)


def test_a_page_longer_than_the_rerankers_window_is_refused() -> None:
    check_size(wish(window=20), 20)
    check_size(Wish("red"), 10_000)
    with pytest.raises(RequestError) as error:
        check_size(wish(window=20), 21)
    assert error.value.reason == (
        "Validation Failed: 1: [text_similarity_reranker] requires [rank_window_size: 20] be greater than or equal to "
        "[size: 21];"
    )


NAMES = (
    *("ext", "rerank", "query_context", "query_text", "query_text_path", "retriever", "retrievers", "query", "field"),
    *("text_similarity_reranker", "standard", "rrf", "inference_text", "rank_window_size", "min_score", "filter", "0"),
    *("chunk_rescorer", "size", "chunking_settings", "strategy", "max_chunk_size", "separators"),
)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.sampled_from(["", "query.0", "word"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=20,
)


@given(JSON, JSON, JSON)
def test_any_body_is_read_or_refused(extended, retriever, changes) -> None:
    inner = retriever if isinstance(retriever, dict) and retriever else {"standard": {}}
    for body in (
        {"ext": extended, "retriever": retriever},
        {"ext": {"rerank": extended}, "retriever": reranker(inner, **(changes if isinstance(changes, dict) else {}))},
        {"retriever": {"text_similarity_reranker": retriever}, "ext": {"rerank": {"query_context": extended}}},
    ):
        before = copy.deepcopy(body)
        try:
            plain, read = read_wish(body)
        except RequestError:
            continue
        assert repr(body) == repr(before)
        assert read is None or not isinstance((plain.get("ext") or {}).get("rerank"), dict)
        assert read is None or not read.model_only or "text_similarity_reranker" not in plain.get("retriever", {})
