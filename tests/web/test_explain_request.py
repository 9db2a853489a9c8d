"""What is asked for at `/{index}/_rerank/explain`, read from the raw request."""

from __future__ import annotations

import pytest

from middleware.errors import RequestError
from middleware.message import Request
from middleware.web.explain import read_explain_request


def read(target, *headers):
    return read_explain_request(Request("POST", target, headers), "X-Rerank-User")


@pytest.mark.parametrize(
    ("target", "search"),
    [
        ("/shop/_rerank/explain", "/shop/_search"),
        ("/shop/_rerank/explain?q=a%2Fb+c&user=anna&size=3", "/shop/_search?q=a%2Fb+c&size=3"),
        ("/a%2Cb,c/_rerank/explain?top=2&words=false", "/a%2Cb,c/_search"),
        ("/shop/_rerank/explain/template?pretty", "/shop/_search/template?pretty"),
    ],
)
def test_the_search_behind_it_is_the_same_request_without_our_parameters(target, search) -> None:
    assert read(target).search.target == search


def test_the_user_is_that_of_the_header_or_of_the_parameter() -> None:
    named = ("x-rerank-user", "ben")
    assert read("/shop/_rerank/explain", named).search.header("X-Rerank-User") == "ben"
    assert read("/shop/_rerank/explain?user=anna%20b", named).search.header("X-Rerank-User") == "anna b"
    assert read("/shop/_rerank/explain", ("A", "b")).search.headers == (("A", "b"),)


@pytest.mark.parametrize(("query", "top"), [("", 3), ("?words=false", 0), ("?words", 3), ("?words=true&top=20", 20)])
def test_the_words_of_a_few_hits_are_explained_unless_told_otherwise(query, top) -> None:
    assert read(f"/shop/_rerank/explain{query}").top == top


@pytest.mark.parametrize("query", ["words=perhaps", "top=0", "top=21", "top=x", "top=-1", "top=9999999999"])
def test_what_makes_no_sense_is_refused(query) -> None:
    with pytest.raises(RequestError, match=query.partition("=")[0]):
        read(f"/shop/_rerank/explain?{query}")
