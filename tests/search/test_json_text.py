from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.search.json_text import Cursor, Unreadable, cut_members, load_strict, replace_spans

ODD_LITERALS = (
    "1.10", "-0.0", "1e3", "1E400", "1.0E-7", "123456789012345678901234567890", '"\\ud800"', '"\\u0000é手"',
    '"\\"\\\\ ,}]"', "{}", "[ ]", "null", "true", '{"a" : [1.50, {"b":{}}]}', '""',
)  # fmt: skip
spaces = st.text(" \t\r\n", max_size=2)
literals = st.one_of(
    st.sampled_from(ODD_LITERALS),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    ).map(json.dumps),
)
objects = st.dictionaries(st.text(max_size=5), st.tuples(spaces, spaces, literals, spaces), max_size=6)


def write(members: dict[str, tuple[str, str, str, str]]) -> str:
    """A JSON object with any white space around its keys and values."""
    written = (f"{a}{json.dumps(name)}{b}:{a}{value}{c}" for name, (a, b, value, c) in members.items())
    return "{" + ",".join(written) + "}"


@given(objects, spaces, st.text())
def test_members_are_found_where_they_stand(members, space, rest) -> None:
    text = space + write(members) + rest
    cursor = Cursor(text)
    read = cursor.read_members()
    assert [member.name for member in read] == list(members)
    for member, (_, _, literal, _) in zip(read, members.values(), strict=True):
        assert text[member.value_start : member.end] == literal
        assert text[member.start : member.value_start].startswith('"')
    assert text[cursor.at :] == rest


@given(objects, spaces, st.data())
def test_one_member_is_found_as_among_all(members, space, data) -> None:
    text = space + write(members)
    name = data.draw(st.sampled_from([*members, "no such name"]))
    wanted = [member for member in Cursor(text).read_members() if member.name == name]
    found = Cursor(text).find_member(name)
    assert repr(found) == (repr(wanted[0]) if wanted else "None")  # repr, since a NaN equals nothing


@given(objects, st.data())
def test_cutting_members_leaves_the_others_byte_for_byte(members, data) -> None:
    text = write(members)
    names = data.draw(st.sets(st.sampled_from(sorted(members)))) if members else set()
    read = Cursor(text).read_members()
    cut = replace_spans(text, cut_members(read, names))
    kept = {name: value for name, value in members.items() if name not in names}
    assert [(m.name, cut[m.value_start : m.end]) for m in Cursor(cut).read_members()] == [
        (name, literal) for name, (_, _, literal, _) in kept.items()
    ]
    if not names:
        assert cut == text


@given(objects, st.data())
def test_replacing_a_value_leaves_everything_else_byte_for_byte(members, data) -> None:
    text = write(members)
    spans = []
    for member in Cursor(text).read_members():
        if data.draw(st.booleans()):
            spans.append((member.value_start, member.end, "0.5"))
    replaced = replace_spans(text, data.draw(st.permutations(spans)))
    back = replaced
    for start, end, new in sorted(spans):
        assert back[start : start + len(new)] == new
        back = back[:start] + text[start:end] + back[start + len(new) :]
    assert back == text


@given(st.lists(st.tuples(spaces, literals, spaces)))
def test_elements_are_found_where_they_stand(elements) -> None:
    text = "[" + ",".join(a + literal + b for a, literal, b in elements) + "]"
    cursor = Cursor(text)
    found = []
    for start in cursor.elements():
        cursor.value()
        found.append(text[start : cursor.at])
    assert found == [literal for _, literal, _ in elements]


@pytest.mark.parametrize("text", ["", "{", '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', "{1:2}", "[]", "tru"])
def test_what_is_not_an_object_is_unreadable(text) -> None:
    with pytest.raises(Unreadable):
        Cursor(text).read_members()


@pytest.mark.parametrize("text", ["", "[", "[1", "[1,", "[1,]", "{}"])
def test_what_is_not_an_array_is_unreadable(text) -> None:
    cursor = Cursor(text)
    with pytest.raises(Unreadable):
        _ = [cursor.value() for _ in cursor.elements()]


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e400}',
        b'{"a":1} x',
        b"{'a':1}",
        b"{/* comment */}",
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b" ",
        b'{"a":' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b"[" * 500 + b"]" * 500,
    ],
)
def test_a_body_that_elasticsearch_may_read_otherwise_is_unreadable(data) -> None:
    with pytest.raises(Unreadable):
        load_strict(data)


def test_big_integers_and_escapes_survive_strict_reading() -> None:
    text = b'{"n": 9007199254740993, "s": "\\ud800", "deep": ' + b"[" * 100 + b"]" * 100 + b"}"
    value = load_strict(text)
    assert value["n"] == 9007199254740993
    assert json.dumps(value["s"]) == '"\\ud800"'
