from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.search.filter_path import filter_json, has_exclusions, is_valid
from middleware.search.json_text import Unreadable

ANSWER = (
    '{"took" : 1.10, "hits":{"total":{"value":2}, "max_score":null,"hits":[{"_id":"1","_source":{"a":1e3,"a.b":2,'
    '"list":[1,{"x":[]},[{"x":3}]]}} , {"_id":"2","_source":{}}]}}'
)


@pytest.mark.parametrize(
    ("filter_path", "left"),
    [
        ("", ANSWER),
        ("took", '{"took" : 1.10}'),
        ("hits.hits._id", '{"hits":{"hits":[{"_id":"1"},{"_id":"2"}]}}'),
        ("hits.hits._source.a", '{"hits":{"hits":[{"_source":{"a":1e3}}]}}'),
        ("hits.hits._source.a\\.b", '{"hits":{"hits":[{"_source":{"a.b":2}}]}}'),
        ("hits.hits._source.a.b", "{}"),
        ("hits.t*", '{"hits":{"total":{"value":2}}}'),
        ("*", ANSWER),
        ("**.value", '{"hits":{"total":{"value":2}}}'),
        ("**.took", "{}"),
        ("*.hits._id", '{"hits":{"hits":[{"_id":"1"},{"_id":"2"}]}}'),
        ("h*s.*.v*e", '{"hits":{"total":{"value":2}}}'),
        ("**.x", '{"hits":{"hits":[{"_source":{"list":[{"x":[]},[{"x":3}]]}}]}}'),
        ("hits.hits._source.list.x", '{"hits":{"hits":[{"_source":{"list":[{"x":[]},[{"x":3}]]}}]}}'),
        ("nothing", "{}"),
        ("-hits", '{"took" : 1.10}'),
        ("-hits.hits", '{"took" : 1.10,"hits":{"total":{"value":2},"max_score":null}}'),
        ("hits.total,-hits.total.value", "{}"),
        ("hits,-hits.hits,-hits.total", '{"hits":{"max_score":null}}'),
        ("-**.a*,hits.hits", '{"hits":{"hits":[{"_id":"1","_source":{"list":[1,[{"x":3}]]}},{"_id":"2"}]}}'),
        ("took,took", '{"took" : 1.10}'),
        (" took , ,", '{"took" : 1.10}'),
        ("hits.", "{}"),
        (".took", "{}"),
    ],
)
def test_an_answer_is_reduced_as_elasticsearch_does(filter_path, left) -> None:
    filtered = filter_json(ANSWER, filter_path)
    assert json.loads(filtered) == json.loads(left)
    assert [literal for literal in ("1.10", "1e3") if literal in left] == [
        literal for literal in ("1.10", "1e3") if literal in filtered
    ]


names = st.sampled_from(["a", "b", "ab", "*", "**", "a*"])
patterns = st.lists(names, min_size=1, max_size=3).map(".".join)
documents = st.dictionaries(
    st.sampled_from(["a", "b", "ab"]),
    st.recursive(
        st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["a", "b", "ab"]), inner)
    ),
)


def leaves(node, path=()):
    """(path of names, value) of every scalar."""
    if isinstance(node, dict):
        return [leaf for name, child in node.items() for leaf in leaves(child, (*path, name))]
    if isinstance(node, list):
        return [leaf for child in node for leaf in leaves(child, path)]
    return [(path, node)]


@given(documents, patterns)
def test_included_and_excluded_leaves_are_all_the_leaves(document, pattern) -> None:
    text = json.dumps(document)
    kept = leaves(json.loads(filter_json(text, pattern)))
    dropped = leaves(json.loads(filter_json(text, f"-{pattern}")))
    assert sorted(kept + dropped) == sorted(leaves(document))


@given(documents, st.lists(patterns, min_size=2, max_size=3))
def test_several_patterns_include_what_each_of_them_includes(document, several) -> None:
    text = json.dumps(document)
    together = leaves(json.loads(filter_json(text, ",".join(several))))
    apart = [leaf for pattern in several for leaf in leaves(json.loads(filter_json(text, pattern)))]
    assert {str(leaf) for leaf in together} == {str(leaf) for leaf in apart}


def test_exclusions_are_recognised() -> None:
    assert has_exclusions("a,-b")
    assert not has_exclusions("a-b,c")
    assert is_valid("a,-b")
    assert not is_valid("a,-")


@pytest.mark.parametrize("filter_path", ["a..b", "a.", ".a", "-a.", "**.,b"])
def test_a_path_with_an_empty_name_means_other_things_to_other_engines(filter_path) -> None:
    assert not is_valid(filter_path)
    assert is_valid(r"a\.b,,c")


def test_an_answer_nested_too_deeply_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        filter_json('{"a":' * 900 + "1" + "}" * 900, "**.b")
