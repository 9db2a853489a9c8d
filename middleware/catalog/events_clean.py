"""A document of a log as it is stored: users by their hash, nothing that UBI has no field for, objects by our ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from middleware.catalog.events_read import QUERIES
from middleware.catalog.prepare import Prepared
from middleware.personalization.events import read_timestamp, write_timestamp

_OF_A_QUERY = (
    "application", "query_id", "client_id", "session_id", "user_query", "query", "object_id_field", "query_response_id",
    "query_response_object_ids", "query_response_hit_ids", "query_attributes",
)  # fmt: skip
_LEAST_CHARS = 6
_OF_AN_EVENT = ("application", "action_name", "query_id", "client_id", "session_id", "user_query", "message_type")
_OF_ATTRIBUTES = ("session_id", "quantity", "price", "dwell_time", "page_id")
_OF_AN_OBJECT = ("object_id", "object_id_field", "description")


def clean(entry: Prepared, actions: Mapping[str, str], hash_name: Callable[[str], str]) -> Prepared:
    """The document with UBI's fields alone; `ip`, browser, messages and what else a page sent stay behind.

    Wherever the user's name stands in what is kept, within a query's text too, its hash stands then.
    """
    given = entry.document
    document = _query(given) if entry.index == QUERIES else _event(given, actions)
    at = read_timestamp(given.get("timestamp"))
    if at is not None:
        document["timestamp"] = write_timestamp(at)
    names = {str(name).strip() for name in _names(given)} - {""}
    hashes = {name: hash_name(name) for name in sorted(names, key=len, reverse=True)}
    return replace(entry, id=_replaced(entry.id, hashes), document=_replaced(document, hashes))


def _query(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in _OF_A_QUERY if given.get(name) is not None}


def _event(given: Mapping[str, Any], actions: Mapping[str, str]) -> dict[str, Any]:
    document = {name: given[name] for name in _OF_AN_EVENT if given.get(name) is not None}
    action = str(given["action_name"]).strip()
    document["action_name"] = actions.get(action, action)
    attributes = given.get("event_attributes") or {}
    kept = {name: attributes[name] for name in _OF_ATTRIBUTES if attributes.get(name) is not None}
    target = attributes.get("object") or {}
    kept["object"] = {name: target[name] for name in _OF_AN_OBJECT if target.get(name) is not None}
    position = attributes.get("position")
    ordinal = position.get("ordinal") if isinstance(position, Mapping) else None
    if isinstance(ordinal, int) and not isinstance(ordinal, bool):
        kept["position"] = {"ordinal": ordinal}
    return {**document, "event_attributes": kept}


def _names(given: Mapping[str, Any]) -> list[Any]:
    attributes = given.get("event_attributes")
    inside = attributes.get("user_id") if isinstance(attributes, Mapping) else None
    found = [given.get("client_id"), given.get("user_id"), inside]
    return [name for name in found if isinstance(name, str | int) and not isinstance(name, bool)]


def _replaced(value: Any, hashes: Mapping[str, str]) -> Any:
    """The value with every text that holds a name; a short one, which may mean something else, only as `client_id`."""
    if isinstance(value, dict):
        named = {
            key: hashes.get(str(member), member) if key == "client_id" else member for key, member in value.items()
        }
        return {key: _replaced(member, hashes) for key, member in named.items()}
    if isinstance(value, list):
        return [_replaced(member, hashes) for member in value]
    if isinstance(value, str):
        for name, hashed in hashes.items():
            if len(name) >= _LEAST_CHARS:
                value = value.replace(name, hashed)
    return value
