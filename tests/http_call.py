"""One plain HTTP request, for tests that look at an answer's status, headers and body."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def call(
    url: str, body: Any = None, headers: Mapping[str, str] | None = None, method: str | None = None, timeout: float = 60
) -> Answer:
    """GET without a body, POST with one; anything but bytes is sent as JSON. Error statuses are answers, too."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(
        url, data=data, method=method, headers={"Content-Type": "application/json", **(headers or {})}
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


def ndjson(lines: Iterable[Mapping[str, Any]]) -> bytes:
    """The lines of a `_bulk` or an `_msearch`."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def fill(url: str, index: str, lines: Iterable[Mapping[str, Any]]) -> None:
    """Send `_bulk` lines to an index of a node, all of which must be taken, and have them found."""
    assert call(f"{url}/{index}/_bulk?refresh=true", ndjson(lines)).json["errors"] is False
