"""Requests of the service itself: with its own credentials, on what it keeps, and page by page through an index."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from middleware.errors import MiddlewareError, UpstreamError
from middleware.message import Request
from middleware.recommend.index import hits_of
from middleware.upstream import Upstream, read_all

Ask = Callable[[str, str, Mapping[str, Any]], Mapping[str, Any]]
"""(method, path, body) -> the decoded answer, without hits where an index is not there; raises UpstreamError."""

_MAX_BYTES = 64 * 1024 * 1024
_PAGE = 2000
_KEEP_ALIVE = "2m"
_SCROLL = "/_search/scroll"


def make_ask(upstream: Upstream, credentials: Callable[[], Mapping[str, str]]) -> Ask:
    """Requests with our own credentials, read anew for each."""

    def ask(method: str, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        request = Request(method, path, tuple(credentials().items()))
        answer = upstream.search(request, path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        data = read_all(answer, _MAX_BYTES)
        if answer.status == 404:
            return {}
        if answer.status != 200 or data is None:
            raise UpstreamError(f"{method} {path} was answered with status {answer.status}")
        try:
            decoded = json.loads(data)
        except ValueError as error:
            raise UpstreamError(f"{method} {path} was answered with something that is not JSON") from error
        return decoded if isinstance(decoded, dict) else {}

    return ask


def search_path(index: str) -> str:
    """The path of a search on an index."""
    return f"/{quote(index, safe=',*<>-')}/_search"


def scroll(ask: Ask, index: str, body: Mapping[str, Any]) -> Generator[list[Mapping[str, Any]], None, None]:
    """All hits of a search, page by page, as they were at its start. Raises UpstreamError where it breaks off."""
    paged = {**body, "size": _PAGE, "sort": ["_doc"]}
    answer = ask("POST", f"{search_path(index)}?scroll={_KEEP_ALIVE}", paged)
    try:
        while hits := hits_of(answer):
            yield list(hits)
            answer = ask("POST", _SCROLL, {"scroll": _KEEP_ALIVE, "scroll_id": answer["_scroll_id"]})
            if not answer:
                raise UpstreamError(f"the scan of {index} was lost")
    finally:
        if "_scroll_id" in answer:
            with suppress(MiddlewareError):  # it ends by itself, later
                ask("DELETE", _SCROLL, {"scroll_id": answer["_scroll_id"]})
