"""UBI events are read strictly, and what cannot be read is counted, never raised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.personalization.events import Event, parse_event


def event(**changes):
    return {
        "client_id": "anna",
        "action_name": "click",
        "timestamp": "2026-05-01T12:00:00.000Z",
        "event_attributes": {"object": {"object_id": "p1"}},
    } | changes


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*event(), "object", "object_id"]), inner)
    ),
    max_leaves=12,
)


def test_an_event_is_read_whole():
    assert parse_event(event()) == Event("anna", "click", "p1", 1777636800.0)


@pytest.mark.parametrize(
    "timestamp",
    [
        1777636800000,
        1777636800000.0,
        "1777636800000",
        "2026-05-01T12:00:00",
        "2026-05-01T14:00:00+02:00",
        " 2026-05-01 12:00:00Z ",
        "2026-05-01T12:00:00.000000000Z",
    ],
)
def test_every_form_of_a_moment_means_the_same(timestamp):
    parsed = parse_event(event(timestamp=timestamp))
    assert parsed is not None
    assert parsed.timestamp_s == 1777636800.0


@pytest.mark.parametrize("object_id", [17, "17", " 17 "])
def test_an_identifier_may_be_a_number(object_id):
    parsed = parse_event(event(event_attributes={"object": {"object_id": object_id}}))
    assert parsed is not None
    assert parsed.object_id == "17"


MALFORMED = [
    None,
    "text",
    [],
    {},
    event(client_id=None),
    event(client_id="  "),
    event(client_id=True),
    event(action_name={"name": "click"}),
    event(timestamp="yesterday"),
    event(timestamp=None),
    event(timestamp=float("nan")),
    event(timestamp="9" * 400),
    event(event_attributes=None),
    event(event_attributes={"object": "p1"}),
    event(event_attributes={"object": {"object_id": ["p1"]}}),
    event(event_attributes={"object": {}}),
]


@pytest.mark.parametrize("document", MALFORMED, ids=repr)
def test_a_malformed_event_is_no_event(document):
    assert parse_event(document) is None


@given(JSON | JSON.map(lambda value: event(event_attributes=value)) | JSON.map(lambda value: event(timestamp=value)))
def test_no_document_whatever_raises(document):
    parsed = parse_event(document)
    assert parsed is None or isinstance(parsed, Event)
