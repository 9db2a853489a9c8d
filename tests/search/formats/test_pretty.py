from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.search.formats import pretty_json
from middleware.search.json_text import Unreadable

SPREAD = """{
  "a" : 1.5,
  "b" : [ ],
  "c" : { },
  "d" : [
    1,
    [
      2,
      {
        "e" : "x,}"
      }
    ]
  ]
}
"""
values = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)


def test_text_is_spread_as_elasticsearch_spreads_it() -> None:
    assert pretty_json('{"a":1.5,"b":[],"c":{},"d":[1,[2,{"e":"x,}"}]]}') == SPREAD


@given(values, st.sampled_from((None, 1, 4)))
def test_values_stay_and_spreading_twice_changes_nothing(value, indent) -> None:
    spread = pretty_json(json.dumps(value, indent=indent))
    assert json.loads(spread) == value
    assert pretty_json(spread) == spread


@pytest.mark.parametrize("text", ["", "{", "]", '{"a":1]', '"', "[1"])
def test_what_is_no_json_is_unreadable(text) -> None:
    with pytest.raises(Unreadable):
        pretty_json(text)
