"""Brand, category and price of a hit: missing, multi-valued and malformed values are all read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.config import FeatureFields
from middleware.personalization.fields import HitFields, read_hit_fields
from middleware.search.document import read_values

FIELDS = FeatureFields()


def test_fields_are_read_in_comparable_form():
    values = {"brand": ["  ACME  Corp "], "category": ["Phones", "phones", "Ｐhones", "Cables"], "price": [12.5]}
    assert read_hit_fields(values, FIELDS) == HitFields(("acme corp",), ("phones", "cables"), 12.5)


def test_missing_fields_are_empty():
    assert read_hit_fields({}, FIELDS) == HitFields((), (), None)


def test_fields_that_are_not_configured_are_not_read():
    values = {"brand": ["acme"], "category": ["phones"], "price": [1]}
    assert read_hit_fields(values, FeatureFields(brand=None, category=None, price=None)) == HitFields()


def test_configured_names_are_used():
    values = {"maker.name": ["Acme"], "price": [3], "offer.price": [5]}
    fields = FeatureFields(brand="maker.name", price="offer.price")
    assert read_hit_fields(values, fields) == HitFields(("acme",), (), 5.0)


@pytest.mark.parametrize(
    "value", [None, True, "", "free", "$5", 0, -1, float("nan"), float("inf"), {"gte": 1}, 10**400]
)
def test_what_is_no_price_is_left_out(value):
    assert read_hit_fields({"price": [value]}, FIELDS).price is None
    assert read_hit_fields({"price": [value, "9.50", 7]}, FIELDS).price == 7.0


def test_a_number_can_be_a_brand_but_an_object_cannot():
    assert read_hit_fields({"brand": [501, {"name": "x"}, None, "  "]}, FIELDS).brand == ("501",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["brand", "a", "a.b", "b"]), inner),
    max_leaves=12,
)


@given(JSON)
def test_no_value_whatever_raises(source):
    values = {name: read_values(source, name) for name in ("brand", "a.b", "b")}
    fields = read_hit_fields(values, FeatureFields(brand="brand", category="a.b", price="b"))
    assert fields.price is None or fields.price > 0
