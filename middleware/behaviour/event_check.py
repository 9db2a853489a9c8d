"""A UBI event as a client sends it, made into the record that we keep: checked, dated, and naming nobody.

The fields and their lengths are those of UBI's event schema 1.3 (o19s/ubi, schema/1.3.0/event.schema.json).
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any

from middleware.behaviour.noise import FIRST_S
from middleware.behaviour.record import Record
from middleware.errors import RequestError
from middleware.personalization.events import read_timestamp, write_timestamp

_SHORT = 100
_LONG = 1024
_NAME = 512
_TEXTS = {"application": _SHORT, "query_id": _SHORT, "session_id": _SHORT, "message_type": _SHORT, "message": _LONG}
_USERS = ("client_id", "user_id")
_DROPPED = ("ip", "ip_address", "remote_addr")
_ID_BYTES = 18
_DEPTH = 12


class EventCheck:
    """What makes records of events. `hash_user` is the identity's; names that are hashes already stay as they are."""

    def __init__(self, index: str, hash_user: Callable[[str], str], max_future_s: float, max_bytes: int) -> None:
        self._index = index
        self._hash_user = hash_user
        self._max_future_s = max_future_s
        self._max_bytes = max_bytes

    def record_of(self, event: object, user: str | None, now: float) -> Record:
        """The record of an event; `user` is who sent it where the event does not say, `now` in seconds since 1970.

        Its id is made of the user and the client's `event_id`, so that nobody overwrites what is somebody else's; else
        of the content, with the minute where the event has no timestamp. Raises RequestError, one line on what is
        wrong.
        """
        if isinstance(event, RequestError):
            raise event
        if not isinstance(event, Mapping):
            raise RequestError(f"an event is a JSON object, not {_shown(event)}")
        document = {name: value for name, value in event.items() if value is not None}
        event_id = _name("event_id", document.pop("event_id", None))
        client = _name("client_id", document.get("client_id")) or _name("user", user)
        if client is None:
            raise RequestError("[client_id] is missing")
        document["client_id"] = client
        _check_fields(document)
        had_timestamp = "timestamp" in document
        moment = self._moment(document.get("timestamp"), now)
        document["timestamp"] = write_timestamp(moment)
        document = self._scrub(document, client, _DEPTH)
        self._check_size(document)
        told = {**document, "timestamp": document["timestamp"] if had_timestamp else int(now // 60)}
        return Record(self._index, _id(document["client_id"], event_id, told), document)

    def _moment(self, timestamp: object, now: float) -> float:
        if timestamp is None:
            return now
        moment = read_timestamp(timestamp)
        if moment is None:
            raise RequestError(f"[timestamp] {_shown(timestamp)} is neither ISO 8601 nor milliseconds since 1970")
        if moment > now + self._max_future_s:
            raise RequestError(f"[timestamp] {_shown(timestamp)} is in the future")
        if moment < FIRST_S:
            raise RequestError(f"[timestamp] {_shown(timestamp)} is before 2000: are these seconds? give milliseconds")
        return moment

    def _scrub(self, fields: Mapping[str, Any], client: str, depth: int) -> dict[str, Any]:
        """Without addresses of machines, and with every user's name hashed, however deep it stands."""
        if depth == 0:
            raise RequestError(f"an event has at most {_DEPTH} levels")
        kept: dict[str, Any] = {}
        for name, value in fields.items():
            if not name.strip() or "." in name:
                raise RequestError(f"the field name {_shown(name)} is empty or has a dot: nest the fields")
            if name.lower() not in _DROPPED:
                kept[name] = self._scrubbed(name, value, client, depth)
        return kept

    def _scrubbed(self, name: str, value: Any, client: str, depth: int) -> Any:
        if isinstance(value, Mapping):
            return self._scrub(value, client, depth - 1)
        if isinstance(value, list):
            return [
                self._scrubbed(name, item, client, depth - 1 if isinstance(item, list) else depth) for item in value
            ]
        if name.lower() in _USERS:
            return None if value is None else self._hash_user(_name(name, value) or "")
        if isinstance(value, str) and name.lower() == "session_id" and value.strip() == client:
            return self._hash_user(value)
        return value

    def _check_size(self, document: Mapping[str, Any]) -> None:
        try:
            size = len(json.dumps(document, ensure_ascii=False).encode())
        except (UnicodeEncodeError, RecursionError) as error:
            raise RequestError(f"the event holds text that is no Unicode: {error}") from error
        if size > self._max_bytes:
            raise RequestError(f"the event has {size} bytes; events.max_event_bytes allows {self._max_bytes}")


def _check_fields(document: dict[str, Any]) -> None:
    """The fields that our mapping types; what may be a number and is kept as a text becomes one."""
    action = document.get("action_name")
    if not isinstance(action, str) or not action.strip():
        raise RequestError(
            "[action_name] is missing" if action is None else f"[action_name] {_shown(action)} is no text"
        )
    _check_text("action_name", action, _SHORT)
    for name, longest in _TEXTS.items():
        if name in document:
            _check_text(name, document[name], longest)
    if "user_query" in document:
        _check_text("user_query", document["user_query"], 8 * _LONG)
    attributes = _object_at("event_attributes", document.get("event_attributes"))
    subject = _object_at("event_attributes.object", attributes.get("object"))
    if "object_id" in subject and subject["object_id"] is not None:
        named = _name("event_attributes.object.object_id", subject["object_id"])
        document["event_attributes"] = {**attributes, "object": {**subject, "object_id": named}}
    position = _object_at("event_attributes.position", attributes.get("position"))
    ordinal = position.get("ordinal")
    if ordinal is not None and (isinstance(ordinal, bool) or not isinstance(ordinal, int) or not 0 <= ordinal < 2**31):
        raise RequestError(f"[event_attributes.position.ordinal] {_shown(ordinal)} is no whole number from 0")


def _object_at(path: str, value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise RequestError(f"[{path}] {_shown(value)} is no object")
    return value


def _check_text(name: str, value: object, longest: int) -> None:
    if not isinstance(value, str):
        raise RequestError(f"[{name}] {_shown(value)} is no text")
    if len(value) > longest:
        raise RequestError(f"[{name}] has {len(value)} characters; at most {longest}")


def _name(field: str, value: object) -> str | None:
    """A name as text; None where there is none."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RequestError(f"[{field}] {_shown(value)} is neither a text nor a whole number")
    name = str(value).strip()
    if len(name) > _NAME:
        raise RequestError(f"[{field}] has {len(name)} characters; at most {_NAME}")
    return name or None


def _id(client: str, event_id: str | None, document: Mapping[str, Any]) -> str:
    """BLAKE2b, 144 bits, URL-safe; of the user's hash, and of what tells this event from all others of theirs."""
    told = ["id", event_id] if event_id is not None else ["content", document]
    text = json.dumps([client, *told], sort_keys=True, separators=(",", ":")).encode()
    return urlsafe_b64encode(hashlib.blake2b(text, digest_size=_ID_BYTES, person=b"es-rerank events").digest()).decode()


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
