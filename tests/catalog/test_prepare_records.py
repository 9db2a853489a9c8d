"""Whole records through the preparer: ids, missing fields, numbers, duplicates, and a count of everything."""

from __future__ import annotations

import json

import pytest

from middleware.catalog.prepare import Prepared, PrepareOptions, Preparer
from middleware.catalog.prepare_duplicates import FingerprintSet, title_key
from middleware.catalog.read import Record, Reject


def prepare(*documents, **options):
    preparer = Preparer(PrepareOptions(**options))
    return [preparer.prepare(Record(n, json.dumps(d), d)) for n, d in enumerate(documents, 1)], preparer.counts


def prepare_one(document, **options):
    (outcome,), _ = prepare(document, **options)
    return outcome


def test_fields_are_cleaned_except_codes_and_addresses():
    outcome = prepare_one(
        {"id": "1", "title": "A <b>cable</b>  2 GB", "ean": ["00 1"], "img_high": "http://x/a  b&amp;c", "note": "2 GB"}
    )
    assert isinstance(outcome, Prepared)
    assert outcome.document["title"] == "A cable 2 GB"
    assert outcome.document["quantities"] == ["2GB", "2 GB"]
    assert outcome.document["ean"] == ["00 1"]
    assert outcome.document["img_high"] == "http://x/a  b&amp;c"
    assert outcome.document["note"] == "2 GB"


def test_missing_fields_are_filled_by_rule_and_the_sources_stay():
    outcome = prepare_one({"id": 7, "name": "Mouse", "supplier": "HP", "short_description": "Small", "title": " "})
    assert outcome.id == "7"
    expected = {"id": "7", "title": "Mouse", "brand": "HP", "description": "Small", "popularity": 0.0}
    assert expected.items() <= outcome.document.items()
    assert outcome.document["supplier"] == "HP"
    assert "category" not in outcome.document


def test_a_record_without_any_title_is_rejected():
    outcome = prepare_one({"id": "1", "price": 3})
    assert isinstance(outcome, Reject)
    assert outcome.reason == "no_title"


def test_the_same_record_without_an_id_always_gets_the_same_id():
    first, again, other = ({"title": "a", "n": n} for n in (1, 1, 2))
    assert prepare_one(first).id == prepare_one(again).id != prepare_one(other).id


@pytest.mark.parametrize("value", [True, 1.5, ["a"], "x" * 513, "é" * 300])
def test_an_id_that_elasticsearch_would_not_take_is_rejected(value):
    assert prepare_one({"id": value, "title": "a"}).reason == "bad_id"


def test_a_named_id_field_has_to_be_there():
    assert prepare_one({"code": "c1", "id": "1", "title": "a"}, id_field="code").id == "c1"
    assert prepare_one({"id": "1", "title": "a"}, id_field="code").reason == "no_id"


def test_fields_are_renamed_and_the_target_is_overwritten():
    outcome = prepare_one({"id": "1", "title": "a", "brand": "old", "maker": "new"}, rename={"maker": "brand"})
    assert outcome.document["brand"] == "new"
    assert "maker" not in outcome.document


@pytest.mark.parametrize(
    ("price", "number"),
    [("12.50", 12.5), ("12,50", 12.5), ("€ 1.299,00", 1299.0), ("$1,299.00", 1299.0), ("1,299", 1299.0), ("3", 3.0)],
)
def test_prices_in_text_become_numbers(price, number):
    assert prepare_one({"id": "1", "title": "a", "price": price}).document["price"] == number


@pytest.mark.parametrize("price", ["ask us", True, [1], {"eur": 1}, float("inf")])
def test_a_price_that_is_no_number_is_rejected(price):
    assert prepare_one({"id": "1", "title": "a", "price": price}).reason == "bad_number"


def test_cents_become_units_of_currency_when_asked_for():
    assert prepare_one({"id": "1", "title": "a", "price": 12595}, price_divisor=100).document["price"] == 125.95


def test_attributes_given_as_an_object_become_a_list():
    outcome = prepare_one({"id": "1", "title": "a", "attributes": {"colour": "red", "ports": 4}})
    assert outcome.document["attributes"] == [{"name": "colour", "value": "red"}, {"name": "ports", "value": "4"}]


def test_of_records_with_one_id_the_first_stays():
    (first, second), counts = prepare({"id": "1", "title": "a"}, {"id": 1, "title": "b"})
    assert isinstance(first, Prepared)
    assert second.reason == "duplicate"
    assert counts["drop_duplicates"] == 1


def test_near_duplicates_differ_only_in_spelling():
    (_, second), counts = prepare(
        {"id": "1", "title": "SanDisk Ultra 128 GB, Card", "brand": "SanDisk", "price": 10},
        {"id": "2", "title": "sandisk ULTRA card - 128gb", "brand": "Sandisk", "price": 10.0},
    )
    assert second.reason == "near_duplicate"
    assert counts["drop_near_duplicates"] == 1


@pytest.mark.parametrize(
    "other",
    [
        {"title": "Case 42"},
        {"price": 11},
        {"brand": "B"},
        {"attr_t_colour": "blue"},
        {"attributes": [{"name": "size", "value": "XL"}]},
        {"description": "the other one"},
    ],
)
def test_colours_sizes_and_prices_are_no_near_duplicates(other):
    base = {"title": "Case 41", "brand": "A", "price": 10, "attr_t_colour": "red"}
    (_, second), _ = prepare({"id": "1", **base}, {"id": "2", **base, **other})
    assert isinstance(second, Prepared)


def test_numbers_in_a_title_keep_their_order():
    assert title_key("4 port 2 U") != title_key("2 port 4 U")
    assert title_key("Cyan original HP 80") == title_key("HP 80 Original, Cyan")


@pytest.mark.parametrize("step", PrepareOptions().switches())
def test_every_step_can_be_switched_off_and_then_does_nothing(step):
    documents = (
        {"id": "1", "title": "<b>A</b> ｘ 2 gb  \x01", "supplier": "s", "price": "3"},
        {"id": "1", "title": "Z"},
        {"id": "2", "title": "<b>A</b> ｘ 2 gb  \x01", "supplier": "s", "price": "3"},
    )
    with_step, counts = prepare(*documents)
    without, fewer_counts = prepare(*documents, **{step: False})
    assert counts[step] >= 1
    assert step not in fewer_counts
    assert with_step != without


def test_a_fingerprint_set_remembers_everything_it_was_given():
    seen = FingerprintSet(slots=4)
    values = [value * 7919 % 2**64 for value in range(5000)]
    assert all(seen.add(value) for value in values)
    assert not any(seen.add(value) for value in values)
    assert len(seen) == 5000
