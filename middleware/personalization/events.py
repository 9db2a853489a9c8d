"""UBI events as they lie in the index, read into typed events: strict about what counts, tolerant of what does not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Event:
    """One act of one user on one product; `timestamp_s` in seconds since 1970 (UTC), `event_id` empty where unknown."""

    client_id: str
    action_name: str
    object_id: str
    timestamp_s: float
    event_id: str = ""


def parse_event(document: object, event_id: str = "") -> Event | None:
    """One UBI event document, or None where client_id, action_name, timestamp or the object's id is unusable.

    `event_id`: the document's `_id`.
    """
    if not isinstance(document, Mapping):
        return None
    client_id = _identifier(document.get("client_id"))
    action_name = _identifier(document.get("action_name"))
    object_id = _identifier(_object_id(document))
    timestamp_s = read_timestamp(document.get("timestamp"))
    if client_id is None or action_name is None or object_id is None or timestamp_s is None:
        return None
    return Event(client_id, action_name, object_id, timestamp_s, event_id)


def _object_id(document: Mapping[object, object]) -> object:
    attributes = document.get("event_attributes")
    target = attributes.get("object") if isinstance(attributes, Mapping) else None
    return target.get("object_id") if isinstance(target, Mapping) else None


def _identifier(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).strip() or None


def read_timestamp(value: object) -> float | None:
    """Elasticsearch's default date formats: ISO 8601 (UTC where no zone is given) or milliseconds since 1970."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        if isinstance(value, str) and not value.strip().lstrip("-").isdecimal():
            moment = datetime.fromisoformat(value.strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        timestamp_s = float(value) / 1000.0
    except (ValueError, OverflowError):
        return None
    return timestamp_s if math.isfinite(timestamp_s) else None


def write_timestamp(moment_s: float) -> str:
    """Seconds since 1970 in the form that we store, ISO 8601 to the millisecond."""
    text = datetime.fromtimestamp(math.floor(moment_s * 1000) / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
