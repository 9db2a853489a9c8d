from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.search.document import parse_template, read_values


@pytest.mark.parametrize(
    ("template", "values", "text"),
    [
        ("{title}", {"title": ["red", "phone"]}, "red phone"),
        ("{title}[ | {brand}]", {"title": ["red"], "brand": ["Acme"]}, "red | Acme"),
        ("{title}[ | {brand}]", {"title": ["red"]}, "red"),
        ("{title}[ | {brand} {model}]", {"title": ["red"], "model": ["X"]}, "red | X"),
        ("[{brand}: ]{title}", {"title": ["red"]}, "red"),
        ("name: {title}", {}, ""),
        ("{title}[ fixed]", {"title": ["red"]}, "red"),
        ("{ title }", {"title": ["red"]}, "red"),
        ("{title}", {"title": [" a \n\t b "]}, "a b"),
        ("{a.b}", {"a.b": [True, False, 1.5, 7]}, "true false 1.5 7"),
        ("{title}", {"title": ["x\ud800y"]}, "x\ufffdy"),
        ("{title}", {"title": [""]}, ""),
    ],
)
def test_a_template_is_filled_from_what_a_hit_has(template, values, text) -> None:
    assert parse_template(template).render(values, 100) == text


def test_each_field_is_cut_by_itself() -> None:
    assert parse_template("{a}[ | {b}]").render({"a": ["aaaa", "aaaa"], "b": ["bbbbb"]}, 3) == "aaa | bbb"


def test_the_fields_of_a_template_are_named_once_and_in_order() -> None:
    assert parse_template("{b}[ {a}][ {b}]{c.d}").fields == ("b", "a", "c.d")


@pytest.mark.parametrize(
    "template", ["", "title", "{}", "{title", "title}", "[{title}", "{title}]", "[[{title}]]", "{{a}}"]
)
def test_a_broken_template_says_what_is_wrong(template) -> None:
    with pytest.raises(ValueError, match="template"):
        parse_template(template)


@pytest.mark.parametrize(
    ("document", "path", "values"),
    [
        ({"a": {"b": 1}}, "a.b", [1]),
        ({"a.b": 1}, "a.b", [1]),
        ({"a": {"b.c": 1}}, "a.b.c", [1]),
        ({"a.b": {"c": 1}}, "a.b.c", [1]),
        ({"a": [{"b": [1, 2]}, {"b": 3}, {"c": 4}, 5]}, "a.b", [1, 2, 3]),
        ({"a": [[{"b": 1}], [[{"b": 2}]]]}, "a.b", [1, 2]),
        ({"a": None}, "a", []),
        ({"a": {"b": 1}}, "a", []),
        ({"a": []}, "a", []),
        ({"a": [[1], []]}, "a", [1]),
        ({"ab": 1}, "a", []),
        (None, "a", []),
        ("text", "a", []),
        ({"a": 1, "a.b": 2}, "a.b", [2]),
    ],
)
def test_values_are_found_through_objects_arrays_and_dotted_keys(document, path, values) -> None:
    assert read_values(document, path) == values


names = st.text("abc", min_size=1, max_size=2)
documents = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=10
)


@given(documents, st.lists(names, min_size=1, max_size=3))
def test_values_are_the_scalars_that_a_plain_walk_finds(document, path) -> None:
    def walk(node, rest):
        if isinstance(node, list):
            return [value for element in node for value in walk(element, rest)]
        if not rest:
            return [] if node is None or isinstance(node, dict) else [node]
        return walk(node[rest[0]], rest[1:]) if isinstance(node, dict) and rest[0] in node else []

    assert json.dumps(read_values(document, ".".join(path))) == json.dumps(walk(document, path))
