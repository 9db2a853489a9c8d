from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.search.target import Form, read_search_target


@pytest.mark.parametrize(
    ("target", "indices"),
    [
        ("/_search", ()),
        ("/products/_search", ("products",)),
        ("/products/_search/", ("products",)),
        ("//products//_search?q=a", ("products",)),
        ("/a,b/_search", ("a", "b")),
        ("/a%2Cb/_search", ("a", "b")),
        ("/prod*,-old/_search", ("prod*", "-old")),
        ("/_all/_search", ("_all",)),
        ("/%E6%89%8B/_search", ("手",)),
    ],
)
def test_a_search_target_names_its_indices(target, indices) -> None:
    for method in ("GET", "POST"):
        found = read_search_target(method, target)
        assert found is not None
        assert found.indices == indices


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("PUT", "/products/_search"),
        ("HEAD", "/products/_search"),
        ("POST", "/products/_search/scroll"),
        ("GET", "/products/_async_search"),
        ("POST", "/a/b/_msearch"),
        ("POST", "/products/_search/template/1"),
        ("POST", "/products/_doc/_search"),
        ("GET", "/_cat/_search"),
        ("GET", "/"),
        ("GET", "/products/_search/1"),
        ("GET", "/products?x=/_search"),
    ],
)
def test_everything_else_is_not_a_search(method, target) -> None:
    assert read_search_target(method, target) is None


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("from=1&size=2", ""),
        ("q=a+b%2F&from=1", "?q=a+b%2F"),
        ("from=1&q=a", "?q=a"),
        ("q=a;from=1;pretty&size=2", "?q=a;pretty"),
        ("from=1;q=a&pretty", "?q=a&pretty"),
        ("fr%6Fm=1&q=%zz", "?q=%zz"),
        ("q=a&&b=&=c", "?q=a&&b=&=c"),
        ("from=1&from=2&_from=3", "?_from=3"),
        ("q=from=1", "?q=from=1"),
        ("", ""),
    ],
)
def test_parameters_are_taken_out_and_the_others_stay_byte_for_byte(query, left) -> None:
    target = read_search_target("GET", f"/a%2fb/_search?{query}")
    assert target is not None
    assert target.edited(lambda name: name not in ("from", "size", "filter_path")) == f"/a%2fb/_search{left}"


def neither(name: str) -> bool:
    return name not in ("from", "size")


@pytest.mark.parametrize(
    ("target", "form", "indices"),
    [
        ("/_search", Form.SEARCH, ()),
        ("/a,b/_msearch", Form.MSEARCH, ("a", "b")),
        ("/_msearch/", Form.MSEARCH, ()),
        ("/a/_search/template", Form.TEMPLATE, ("a",)),
        ("//a//_msearch//template/", Form.MSEARCH_TEMPLATE, ("a",)),
        ("/_search/scroll", Form.SCROLL, ()),
        ("/a/_async_search", Form.ASYNC, ("a",)),
        ("/_plugins/_asynchronous_search", Form.OPENSEARCH_ASYNC, ()),
    ],
)
def test_every_form_of_a_search_is_told_by_its_path(target, form, indices) -> None:
    found = read_search_target("POST", target)
    assert found is not None
    assert (found.form, found.indices) == (form, indices)


@pytest.mark.parametrize(
    ("query", "whole"),
    [("", "?p=a%26b"), ("?q=1", "?q=1&p=a%26b"), ("?from=1", "?p=a%26b"), ("?q;from=1", "?q&p=a%26b")],
)
def test_parameters_are_added_behind_the_others(query, whole) -> None:
    found = read_search_target("GET", f"/_search{query}")
    assert found is not None
    assert found.edited(neither, {"p": "a&b"}) == f"/_search{whole}"


parts = st.text("abc=%2+_", max_size=6)


@given(st.lists(st.tuples(st.sampled_from("&;"), st.sampled_from(["from=7", "size", ""]) | parts)))
def test_what_is_left_of_a_query_is_the_other_parts_in_order(drawn) -> None:
    query = "".join(separator + part for separator, part in drawn)[1:]
    target = read_search_target("GET", f"/_search?{query}")
    assert target is not None
    if not any(part.startswith(("from", "size")) for _, part in drawn):
        assert target.edited(neither) == (f"/_search?{query}" if query else "/_search")
    left = target.edited(neither).partition("?")[2].replace(";", "&").split("&")
    wanted = [part for _, part in drawn if part.partition("=")[0] not in ("from", "size")]
    assert [part for part in left if part] == [part for part in wanted if part]


def test_parameters_are_decoded_and_the_last_of_a_repeated_one_counts() -> None:
    target = read_search_target("GET", "/_search?q=a+b%2B&size=1;size=2&pretty&x=%E6%89%8B&y=1=2")
    assert target is not None
    assert target.parameters() == {"q": "a b+", "size": "2", "pretty": "", "x": "手", "y": "1=2"}


@pytest.mark.parametrize(("query", "sound"), [("q=%20a", True), ("q=%", False), ("q=%zz", False), ("q=a#b", False)])
def test_a_query_that_elasticsearch_reads_otherwise_is_not_well_formed(query, sound) -> None:
    target = read_search_target("GET", f"/_search?{query}")
    assert target is not None
    assert target.well_formed is sound


def test_bare_utf_8_in_the_target_reads_like_its_percent_encoding():
    bare = read_search_target("GET", "/手机/_search?q=红+鞋".encode().decode("latin-1"))
    encoded = read_search_target("GET", "/%E6%89%8B%E6%9C%BA/_search?q=%E7%BA%A2%20%E9%9E%8B")
    assert bare.parameters() == encoded.parameters() == {"q": "红 鞋"}
    assert bare.indices == encoded.indices == ("手机",)
