"""The body of a request with events, taken apart: one JSON document, an array, or NDJSON, whatever its type says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NoReturn

from middleware.errors import ContentTooLarge, RequestError


def read_items(body: bytes, max_events: int) -> list[object]:
    """What the body holds, item by item; a line that is no JSON is a RequestError in its place.

    Raises RequestError where nothing in it is JSON, ContentTooLarge where there are more than `max_events`.
    """
    text = body.strip()
    try:
        whole = _read(text)
    except RequestError as error:
        items = _read_lines(text, max_events)
        if all(isinstance(item, RequestError) for item in items):
            raise error from None
    else:
        items = whole if isinstance(whole, list) else [whole]
    _check_count(items, max_events)
    return items


def _read_lines(text: bytes, max_events: int) -> list[object]:
    lines = [line for line in text.split(b"\n") if line.strip()]
    _check_count(lines, max_events)
    items: list[object] = []
    for line in lines:
        try:
            items.append(_read(line))
        except RequestError as error:
            items.append(error)
    return items


def _check_count(items: Sequence[object], max_events: int) -> None:
    if len(items) > max_events:
        raise ContentTooLarge(f"{len(items)} events in one request; events.max_events allows {max_events}")


def _read(text: bytes) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"no JSON: {error}") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
