"""`/_rerank/profiles/{id}`: users may see and erase what is kept, behind the cluster's access and a token."""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from flask import Blueprint, Response, jsonify, request

from middleware.config import Settings
from middleware.errors import MiddlewareError, RequestError
from middleware.front import OURS, read_request
from middleware.message import Request
from middleware.personalization.identity import Identity
from middleware.privacy.archive import Archive
from middleware.privacy.documents import Person, find_person
from middleware.privacy.erasure import Erasure, erase
from middleware.privacy.export import Page, export_document, export_lines
from middleware.privacy.keeping import Keeping
from middleware.upstream import Upstream, authorization
from middleware.web.access import check_token

_NDJSON = "application/x-ndjson"
_MOST_SHOWN = 10_000
_log = logging.getLogger(__name__)


def make_profiles_blueprint(settings: Settings, upstream: Upstream, identity: Identity, keeping: Keeping) -> Blueprint:
    """GET and DELETE of all that is kept of one user, named by the shop's name or our hash."""
    ours = Blueprint("profiles", __name__, url_prefix=f"{OURS}/profiles")

    def open_for(asked: Request) -> tuple[Archive, Person]:
        check_token(asked, settings)
        person = find_person(_name_in(asked), identity)
        if not person.hash:
            raise RequestError(f"name a user: {OURS}/profiles/{{id}}")
        return Archive(upstream, authorization(asked)), person

    @ours.get("/<path:_user>")
    def show(_user: str) -> Response | tuple[Response, int]:
        archive, person = open_for(read_request(request.environ))
        if _wants_lines():
            return _stream(export_lines(archive, settings, person, keeping))
        document = export_document(archive, settings, person, keeping, _page(request.args))
        return jsonify(document), 200 if document["found"] else 404

    @ours.delete("/<path:_user>")
    def remove(_user: str) -> Response:
        archive, person = open_for(read_request(request.environ))
        started = time.perf_counter()
        erasure = erase(archive, settings, person, keeping)
        return jsonify(_told(erasure, settings, round((time.perf_counter() - started) * 1000)))

    @ours.errorhandler(Exception)
    def fail(error: Exception) -> tuple[Response, int, Mapping[str, str]]:
        """Flask would log the address, and with it the user's name; so may an exception of others."""
        if not isinstance(error, MiddlewareError):
            frames = "".join(traceback.format_tb(error.__traceback__))
            _log.error("%s of a profile failed: %s\n%s", request.method, type(error).__name__, frames)
            error = MiddlewareError("the request failed; the log says where")
        asks = {"WWW-Authenticate": f"{settings.headers.admin_token}"} if error.status == 401 else {}
        return jsonify(error.body()), error.status, asks

    return ours


def _name_in(asked: Request) -> str:
    """The name as it was sent: WSGI's decoded path makes other names of some."""
    return unquote(asked.path.removeprefix(f"{OURS}/profiles/"))


def _wants_lines() -> bool:
    return request.args.get("format") == "ndjson" or request.accept_mimetypes.best == _NDJSON


def _page(arguments: Mapping[str, str]) -> Page:
    return Page(_number(arguments, "from", 0, None), _number(arguments, "size", Page().size, _MOST_SHOWN))


def _number(arguments: Mapping[str, str], name: str, default: int, most: int | None) -> int:
    text = arguments.get(name, str(default))
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
    if number < 0 or (most is not None and number > most):
        raise RequestError(f"[{name}] must be a number from 0{f' to {most}' if most else ''}")
    return number


def _stream(lines: Iterator[Mapping[str, Any]]) -> Response:
    """The first line is had before the answer begins, so that a refusal still is one."""
    first = next(lines, None)

    def written(rest: Iterable[Mapping[str, Any]]) -> Iterator[str]:
        for line in ([first] if first else []), rest:
            yield from (json.dumps(each, ensure_ascii=False) + "\n" for each in line)

    return Response(written(lines), content_type=_NDJSON)


def _told(erasure: Erasure, settings: Settings, took_ms: int) -> dict[str, Any]:
    """What was erased where, and for how long other processes may still remember."""
    others_s = max(settings.profiles.cache_ttl_s, settings.rankings.ttl_s)
    return {
        "took": took_ms,
        "acknowledged": True,
        "user": erasure.user,
        "erased_at": datetime.fromtimestamp(erasure.at, UTC).isoformat(timespec="milliseconds"),
        "total": erasure.total,
        "deleted": {**erasure.documents, **erasure.records},
        "other_processes_forget_within_s": others_s,
    }
