"""Requests of our own to the cluster, and their answers in JSON: what is read beside a search."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from middleware.errors import UpstreamError
from middleware.message import Request
from middleware.upstream import Upstream, read_all

Fetch = Callable[[str, Mapping[str, object], Mapping[str, str]], Mapping[str, object]]
"""Search seam: (index, body, the client's headers) -> Elasticsearch's answer, empty where an index is not there.

Raises UpstreamError.
"""

Ask = Callable[[str, str, Mapping[str, Any]], Mapping[str, Any]]
"""(method, path, body) -> the decoded answer, empty where an index is not there; raises UpstreamError."""

_BESIDE_A_SEARCH_BYTES = 16 * 1024 * 1024
_IN_THE_BACKGROUND_BYTES = 64 * 1024 * 1024


def make_fetch(upstream: Upstream) -> Fetch:
    """A search on one index, with the given headers: (index, body, headers) -> decoded answer."""

    def fetch(index: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Mapping[str, Any]:
        return _ask(upstream, "POST", search_path(index), body, headers, _BESIDE_A_SEARCH_BYTES)

    return fetch


def make_ask(upstream: Upstream, credentials: Callable[[], Mapping[str, str]]) -> Ask:
    """Requests with our own credentials, read anew for each."""

    def ask(method: str, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return _ask(upstream, method, path, body, credentials(), _IN_THE_BACKGROUND_BYTES)

    return ask


def search_path(index: str) -> str:
    """The path of a search on an index."""
    return f"/{quote(index, safe=',*<>-')}/_search"


def hits_of(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The hits of an answer to a search; none where there are none."""
    outer = answer.get("hits")
    inner = outer.get("hits") if isinstance(outer, Mapping) else None
    return [hit for hit in inner if isinstance(hit, Mapping)] if isinstance(inner, list) else []


def _ask(
    upstream: Upstream, method: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str], max_bytes: int
) -> Mapping[str, Any]:
    request = Request(method, path, tuple(headers.items()))
    answer = upstream.search(request, path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    data = read_all(answer, max_bytes)
    if answer.status == 404:
        return {}
    if answer.status != 200 or data is None:
        raise UpstreamError(f"{method} {path} was answered with status {answer.status}")
    try:
        decoded = json.loads(data)
    except ValueError as error:
        raise UpstreamError(f"{method} {path} was answered with something that is not JSON") from error
    return decoded if isinstance(decoded, dict) else {}
