"""What `filter_path` leaves is written anew, as Elasticsearch does."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.search.formats import compact_json, pretty_json
from middleware.search.json_text import Unreadable

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('{ "a" : [ 1 , 2.50 , { } , [ ] ] }', '{"a":[1,2.5,{},[]]}'),
        ("1.10", "1.1"),
        ("1e3", "1000.0"),
        ("-0.0", "-0.0"),
        ("0.001", "0.001"),
        ("0.00099", "9.9E-4"),
        ("12345678.9", "1.23456789E7"),
        ("1.0E-7", "1.0E-7"),
        ("1e22", "1.0E22"),
        ("9007199254740993", "9007199254740993"),
        ("1e400", "1e400"),
        (r'"a\/b \u003c \u00e9 \" \\ \n \u001f \\u001f"', r'"a/b < é \" \\ \n \u001F \\u001f"'),
        (r'"\ud800"', r'"\ud800"'),
        (r'{"\u0061":1}', '{"a":1}'),
    ],
)
def test_spaces_vanish_and_scalars_are_spelt_as_jackson_does(text, written) -> None:
    assert compact_json(text) == written


@given(values, st.sampled_from((None, 2)))
def test_nothing_but_the_spelling_changes(value, indent) -> None:
    for written in (compact_json(json.dumps(value, indent=indent)), pretty_json(json.dumps(value, indent=indent))):
        assert json.loads(written) == value


@given(values)
def test_what_is_written_once_stays(value) -> None:
    written = compact_json(json.dumps(value))
    assert compact_json(written) == written


@pytest.mark.parametrize("text", ["", " "])
def test_no_json_is_unreadable(text) -> None:
    with pytest.raises(Unreadable):
        compact_json(text)
