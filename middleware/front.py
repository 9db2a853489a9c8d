"""The thin WSGI front: what is not ours and not a search goes straight to upstream."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from middleware.errors import MiddlewareError
from middleware.message import Request, Response, error_response
from middleware.search.target import SearchTarget, read_search_target

RAW_HEADERS = "es_rerank.headers"
OURS = "/_rerank"
_log = logging.getLogger(__name__)

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]


class Front:
    """A WSGI application of three doors: `/_rerank/` (Flask), searches, and everything else."""

    def __init__(
        self, search: Callable[[Request, SearchTarget], Response], forward: Callable[[Request], Response], ours: WsgiApp
    ) -> None:
        self._search = search
        self._forward = forward
        self._ours = ours

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        request = read_request(environ)
        if is_ours(request.path):
            return self._ours(environ, start_response)
        response = self._answer(request)
        start_response(response.status_line, list(response.headers))
        return response.body

    def _answer(self, request: Request) -> Response:
        target = read_search_target(request.method, request.target)
        try:
            return self._forward(request) if target is None else self._search(request, target)
        except MiddlewareError as error:
            if error.status >= 500:
                _log.warning("%s %s: %s", request.method, request.path, error)
            return error_response(error)


def is_ours(path: str) -> bool:
    """Whether it is /_rerank, below it, or below /{index}/_rerank: no index and no API of a cluster is called so."""
    first, _, rest = path.removeprefix("/").partition("/")
    return OURS[1:] in (first, rest.partition("/")[0] if first[:1] != "_" else "")


def read_request(environ: Environ) -> Request:
    """The request behind a WSGI environ: raw where the server is ours, else rebuilt as far as WSGI allows."""
    headers = environ.get(RAW_HEADERS) or _headers_of(environ)
    names = {name.lower() for name, _ in headers}
    length = environ.get("CONTENT_LENGTH") or ""
    declared = int(length) if length.isascii() and length.isdecimal() and "transfer-encoding" not in names else None
    has_body = declared is not None or "transfer-encoding" in names
    return Request(
        method=environ["REQUEST_METHOD"],
        target=environ.get("RAW_URI") or _target_of(environ),
        headers=tuple(headers),
        has_body=has_body,
        length=declared,
        stream=environ["wsgi.input"] if has_body else None,
    )


def _headers_of(environ: Environ) -> list[tuple[str, str]]:
    names = {"CONTENT_TYPE": "Content-Type", "CONTENT_LENGTH": "Content-Length"}
    headers = [(names[key], environ[key]) for key in names if environ.get(key)]
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            headers.append((key[5:].replace("_", "-").title(), value))
    return headers


def _target_of(environ: Environ) -> str:
    path = quote(environ.get("PATH_INFO", "/").encode("latin-1"))
    query = environ.get("QUERY_STRING", "")
    return f"{path}?{query}" if query else path
