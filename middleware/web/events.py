"""`POST /_rerank/events`: behaviour from browsers and servers, answered item by item as `_bulk` answers."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, jsonify, request

from middleware.behaviour.event_body import read_items
from middleware.behaviour.event_check import EventCheck
from middleware.behaviour.record import Record
from middleware.behaviour.sink import EventSink
from middleware.behaviour.watch import EventWatch
from middleware.config import Settings
from middleware.errors import AccessDenied, ContentTooLarge, MiddlewareError, Rejected, RequestError
from middleware.front import OURS, read_request
from middleware.privacy.consent import may_be_known
from middleware.search.compression import TooLarge, decompress
from middleware.search.json_text import Unreadable

_PREFLIGHT_S = 86_400
_NONE = "none"


def make_events_blueprint(settings: Settings, sink: EventSink, check: EventCheck, watch: EventWatch) -> Blueprint:
    """The route. 202 where at least one event is kept, or none was to be; 400 where all are at fault."""
    events = Blueprint("events", __name__, url_prefix=OURS)
    limits, headers = settings.events, settings.headers

    @events.post("/events", provide_automatic_options=False)
    def collect() -> tuple[Response, int]:
        started = time.monotonic()
        _check_origin(limits.allow_origins)
        if not may_be_known(read_request(request.environ).headers, headers):
            return jsonify(took=0, errors=False, consent=_NONE, items=[]), 202
        user = request.headers.get(headers.user)
        now = time.time()
        records: list[Record] = []
        items: list[dict[str, Any]] = []
        for event in read_items(_read_body(limits.max_bytes), limits.max_events):
            try:
                record = check.record_of(event, user, now)
            except RequestError as error:
                items.append({"_index": settings.profiles.events_index, "status": error.status, "error": _cause(error)})
            else:
                records.append(record)
                items.append({"_index": record.index, "_id": record.id, "status": 202})
        sink.put(records)
        watch.count_received(0, len(items) - len(records))
        took_ms = round((time.monotonic() - started) * 1000)
        answer = {
            "took": took_ms, "errors": len(records) < len(items), "items": [{"create": item} for item in items]
        }  # fmt: skip
        if items and not records:
            return jsonify(**RequestError(items[0]["error"]["reason"]).body(), **answer), 400
        return jsonify(**answer), 202

    @events.route("/events", methods=["OPTIONS"])
    def preflight() -> Response:
        _check_origin(limits.allow_origins)
        answer = Response(status=204)
        answer.headers["Allow"] = "POST, OPTIONS"
        if "Origin" in request.headers:
            answer.headers["Access-Control-Allow-Methods"] = "POST"
            answer.headers["Access-Control-Allow-Headers"] = f"Content-Type, {headers.consent}, {headers.user}"
            answer.headers["Access-Control-Max-Age"] = str(_PREFLIGHT_S)
        return answer

    @events.errorhandler(Rejected)
    def not_now(error: Rejected) -> tuple[Response, int, dict[str, str]]:
        return jsonify(error.body()), error.status, {"Retry-After": str(error.retry_after_s)}

    @events.after_request
    def allow_origin(answer: Response) -> Response:
        origin = request.headers.get("Origin")
        if limits.allow_origins:
            answer.headers["Vary"] = "Origin"
        if origin in limits.allow_origins:
            answer.headers["Access-Control-Allow-Origin"] = str(origin)
            answer.headers["Access-Control-Allow-Credentials"] = "true"  # sendBeacon sends them, always
        elif origin and "*" in limits.allow_origins:
            answer.headers["Access-Control-Allow-Origin"] = "*"
        return answer

    return events


def _check_origin(allowed: tuple[str, ...]) -> None:
    """Where origins are named, pages of others send nothing; our own host's, and who is no browser, always may."""
    origin = request.headers.get("Origin")
    if origin is None or not allowed or "*" in allowed or origin in allowed or urlsplit(origin).netloc == request.host:
        return
    raise AccessDenied(f"pages of [{origin}] may not send events; events.allow_origins names those that may")


def _read_body(max_bytes: int) -> bytes:
    asked = read_request(request.environ).started(max_bytes)
    if asked.stream is not None or len(asked.body) > max_bytes:
        raise ContentTooLarge(f"the body has more than {max_bytes} bytes (events.max_bytes)")
    try:
        body = decompress(asked.body, asked.header("content-encoding") or "", max_bytes)
    except TooLarge as error:
        raise ContentTooLarge(f"the body has more than {max_bytes} bytes (events.max_bytes) decompressed") from error
    except Unreadable as error:
        raise RequestError(f"the body cannot be decompressed: {error}") from error
    if not body.strip():
        raise RequestError("the body is empty: send an event, an array of events, or NDJSON")
    return body


def _cause(error: MiddlewareError) -> dict[str, str]:
    return {"type": error.error_type, "reason": error.reason}
