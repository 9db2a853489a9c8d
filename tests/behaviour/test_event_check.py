"""What becomes of an event that a client sends: kept, dated, named by hash, or refused with a reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.behaviour.event_body import read_items
from middleware.behaviour.event_check import EventCheck
from middleware.behaviour.record import decode, encode
from middleware.errors import ContentTooLarge, RequestError
from middleware.personalization.events import parse_event
from middleware.personalization.identity import Identity

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
IDENTITY = Identity(b"k" * 32)
CHECK = EventCheck("ubi_events", IDENTITY.hash, max_future_s=300, max_bytes=32 * 1024)
CLICK = {
    "action_name": "click",
    "client_id": "anna@example.org",
    "timestamp": "2026-11-24T11:00:00+01:00",
    "event_attributes": {"object": {"object_id": 7}, "position": {"ordinal": 2}},
}


def make(event: object, user: str | None = None, now: float = NOW):
    return CHECK.record_of(event, user, now)


def refusal(event: object) -> str:
    with pytest.raises(RequestError) as refused:
        make(event)
    return refused.value.reason


def test_an_event_keeps_its_content_under_the_hash_of_its_user():
    record = make(CLICK)
    assert record.index == "ubi_events"
    assert record.document == {
        "action_name": "click",
        "client_id": IDENTITY.hash("anna@example.org"),
        "timestamp": "2026-11-24T10:00:00.000Z",
        "event_attributes": {"object": {"object_id": "7"}, "position": {"ordinal": 2}},
    }
    assert parse_event(record.document) is not None


def test_no_name_and_no_address_is_left_however_deep_it_stands():
    attributes = {
        "ip": "10.1.2.3", "user_id": "anna", "session_id": "anna@example.org",
        "object": {"object_id": "7", "user_id": "anna", "object_detail": [{"IP": "10.1.2.3", "client_id": ["anna"]}]},
    }  # fmt: skip
    record = make({**CLICK, "ip": "10.1.2.3", "user_id": "anna", "session_id": "s1", "event_attributes": attributes})
    text = json.dumps(record.document)
    assert "anna" not in text
    assert "10.1.2.3" not in text
    assert record.document["session_id"] == "s1"
    assert record.document["event_attributes"]["object"]["object_detail"] == [{"client_id": [IDENTITY.hash("anna")]}]


def test_the_user_header_names_whom_the_event_does_not():
    unnamed = {name: value for name, value in CLICK.items() if name != "client_id"}
    assert make(unnamed, "anna@example.org") == make(CLICK)
    assert make(CLICK, "ben") == make(CLICK)
    assert "[client_id] is missing" in refusal(unnamed)


def test_a_missing_timestamp_is_now():
    assert make({"action_name": "view", "client_id": "a"}).document["timestamp"] == "2026-11-24T12:00:00.000Z"


@pytest.mark.parametrize("timestamp", [1795514400000, "1795514400000", "2026-11-24T10:00:00Z", "2026-11-24T10:00:00"])
def test_every_form_of_a_timestamp_is_written_alike(timestamp):
    assert make({**CLICK, "timestamp": timestamp}).document["timestamp"] == "2026-11-24T10:00:00.000Z"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"timestamp": "2026-11-24T12:06:00Z"}, "in the future"),
        ({"timestamp": 1795514400}, "are these seconds?"),
        ({"timestamp": "yesterday"}, "neither ISO 8601"),
        ({"timestamp": 1e400}, "neither ISO 8601"),
        ({"action_name": None}, "[action_name] is missing"),
        ({"action_name": 3}, "is no text"),
        ({"action_name": "x" * 101}, "at most 100"),
        ({"client_id": True}, "neither a text nor"),
        ({"client_id": "  "}, "[client_id] is missing"),
        ({"query_id": 5}, "[query_id] 5 is no text"),
        ({"event_attributes": []}, "is no object"),
        ({"event_attributes": {"object": "7"}}, "is no object"),
        ({"event_attributes": {"object": {"object_id": 1.5}}}, "neither a text nor"),
        ({"event_attributes": {"position": {"ordinal": -1}}}, "no whole number"),
        ({"event_attributes.ip": "10.1.2.3"}, "has a dot"),
        ({"event_attributes": {"text": "x" * 40_000}}, "events.max_event_bytes"),
        ({"message": "\ud800"}, "no Unicode"),
    ],
)  # fmt: skip
def test_an_event_at_fault_is_refused_with_the_reason(change, reason):
    assert reason in refusal({**CLICK, **change})


@pytest.mark.parametrize("event", [5, "click", [CLICK], None])
def test_what_is_no_object_is_no_event(event):
    assert "JSON object" in refusal(event)


def test_deep_events_are_refused():
    nested: dict = {}
    for _ in range(30):
        nested = {"a": nested}
    assert "levels" in refusal({**CLICK, "event_attributes": nested})


def test_the_same_event_has_the_same_id_and_another_has_another():
    assert make(CLICK).id == make(dict(reversed(CLICK.items())), now=NOW + 500).id
    assert make({**CLICK, "action_name": "view"}).id != make(CLICK).id
    assert make({**CLICK, "event_id": "e1"}).id == make({**CLICK, "event_id": "e1", "action_name": "view"}).id


def test_nobody_gives_an_event_the_id_of_somebody_elses():
    assert make({**CLICK, "event_id": "e1"}).id != make({**CLICK, "event_id": "e1", "client_id": "ben"}).id


def test_one_document_an_array_and_lines_are_read_alike():
    one, two = b'{"a": 1}', b'{"b": 2}'
    assert read_items(one, 9) == [{"a": 1}]
    assert read_items(b'{\n "a":\n 1}\n', 9) == [{"a": 1}]
    assert read_items(b"[" + one + b"," + two + b"]", 9) == [{"a": 1}, {"b": 2}]
    assert read_items(one + b"\r\n\n" + two + b"\n", 9) == [{"a": 1}, {"b": 2}]


def test_a_broken_line_costs_no_other():
    first, broken, last = read_items(b'{"a": 1}\n{"b": \n{"c": NaN}', 9)[:3]
    assert first == {"a": 1}
    assert isinstance(broken, RequestError)
    assert isinstance(last, RequestError)


def test_a_body_without_json_and_one_of_too_many_events_are_refused_whole():
    with pytest.raises(RequestError, match="no JSON"):
        read_items(b"hello", 9)
    for body in (b"[1,2,3]", b"1\n2\n3"):
        with pytest.raises(ContentTooLarge, match=r"events\.max_events"):
            read_items(body, 2)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["client_id", "user_id", "timestamp", "event_attributes", "session_id", "message", "x", "ip"])


@given(st.dictionaries(FIELDS, JSON), st.text(), st.text(max_size=8))
def test_whatever_comes_is_kept_as_a_record_that_can_be_read_back_or_refused(fields, action, user):
    try:
        record = make({"action_name": action, **fields}, user)
        line = encode(record)
    except RequestError:
        return
    assert decode(line) == record
    assert record.document["client_id"].startswith("u1.")
    assert "ip" not in record.document
