"""Fields by pattern: what they mean, what is read by them, and what is cut away with them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.search.added_fields import cut_added_fields
from middleware.search.document import read_values
from middleware.search.field_patterns import compile_pattern, may_overlap, read_matching, rests_inside
from middleware.search.hits import Hit
from middleware.search.json_text import replace_spans

SOURCE = {
    "title": "a",
    "attr_t_size": ["L", "XL"],
    "attr_t_colour": "red",
    "attr_n_weight": 5,
    "attr_t_none": None,
    "attributes": [{"name": "fit", "value": ["slim", "red"]}, {"value": "tall"}],
}


@pytest.mark.parametrize(
    ("pattern", "values"),
    [
        ("attr_t_*", ["red", "L", "XL"]),
        ("attr_*", [5, "red", "L", "XL"]),
        ("attributes.*", ["fit", "slim", "red", "tall"]),
        ("attributes.v*", ["slim", "red", "tall"]),
        ("att*value", ["slim", "red", "tall"]),
        ("*_colour", ["red"]),
        ("attributes*", ["fit", "slim", "red", "tall"]),
        ("none*", []),
        ("attr_t_colour*x", []),
    ],
)
def test_a_pattern_reads_all_fields_that_it_means_each_value_once_and_by_name(pattern, values) -> None:
    assert read_values(SOURCE, pattern) == values
    assert read_matching(dict(reversed(SOURCE.items())), pattern) == values
    assert read_values(None, pattern) == []


def test_what_elasticsearch_repeats_in_a_subfield_is_read_once() -> None:
    assert read_values({"attr_t_a": ["x"], "attr_t_a.keyword": ["x"]}, "attr_t_*") == ["x"]


@pytest.mark.parametrize(
    ("path", "name", "rests"),
    [
        ("a.b", "a", ["b"]),
        ("a.b*", "a", ["b*"]),
        ("a*c", "ab", ["*c"]),
        ("a*.c", "ab", ["*.c", "c"]),
        ("a.b", "b", []),
        ("x*", "a", []),
        ("*", "a", ["*"]),
    ],
)
def test_what_a_path_means_inside_an_object(path, name, rests) -> None:
    assert list(rests_inside(path, name)) == rests


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({"attr_t_a": ["x"], "attr_t_a.keyword": ["x"]}, None),
        ({"attr_t_a": ["x"], "mine": [1]}, {"mine": [1]}),
        ({"attributes": [{"value": ["x"], "name": ["n"]}, {"value": ["y"]}]}, {"attributes": [{"name": ["n"]}]}),
        ({"mine": [{"attr_t_a": [1]}]}, {"mine": [{"attr_t_a": [1]}]}),
    ],
)
def test_all_that_a_pattern_brought_vanishes_and_nothing_else(fields, left) -> None:
    content = {"_id": "1", "fields": fields}
    text = json.dumps(content)
    spans = cut_added_fields(text, Hit(text, 0, len(text), content), ("attr_t_*", "attrib*.value"))
    assert json.loads(replace_spans(text, spans)).get("fields") == left


parts = st.lists(st.sampled_from(["a", "b", ".", "*"]), min_size=1, max_size=6).map("".join)


@given(parts, parts, st.lists(st.sampled_from(["a", "b", "."]), max_size=8).map("".join))
def test_patterns_that_mean_one_field_are_said_to_overlap(first, second, name) -> None:
    means = all(compile_pattern(each).fullmatch(name) for each in (first, second))
    assert may_overlap(first, second) or not means or "*" not in first + second
    assert may_overlap(first, second) == may_overlap(second, first)
