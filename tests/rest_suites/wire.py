"""Requests to one node or proxy, and their answers as the suites look at them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import urllib3

from rest_suites.calls import Call
from rest_suites.cases import load_yaml

_TIMEOUT_S = 90
_WARNING = re.compile(r'299 \S+ "((?:\\.|[^"\\])*)"')


@dataclass(frozen=True, slots=True)
class Answer:
    """`body`: decoded JSON or YAML, else the text; of HEAD whether it is there. `reason`: the proxy's, if any."""

    status: int
    content_type: str
    warnings: tuple[str, ...]
    reason: str
    text: str
    body: Any


class Wire:
    """One place to send requests to."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._pool = urllib3.HTTPConnectionPool(
            parts.hostname or "", parts.port, timeout=_TIMEOUT_S, retries=False, maxsize=2
        )

    def send(self, call: Call, headers: Mapping[str, str] | None = None) -> Answer:
        """One request; raises urllib3's HTTPError where no whole answer comes."""
        given = {"Content-Type": call.content_type} if call.content_type else {}
        answer = self._pool.urlopen(
            call.method, call.target, body=call.body, headers={**given, **(headers or {})}, redirect=False
        )
        text = answer.data.decode("utf-8", "replace")
        kind = answer.headers.get("content-type", "")
        warnings = tuple(_WARNING.findall(", ".join(answer.headers.getlist("warning"))))
        body = answer.status < 400 if call.method == "HEAD" else _decode(text, kind)
        return Answer(answer.status, kind, warnings, answer.headers.get("x-rerank-reason", ""), text, body)

    def ask(self, method: str, target: str, body: Any = None) -> Any:
        """The decoded answer to a request of our own."""
        data = None if body is None else json.dumps(body).encode()
        return self.send(Call(method, target, data, "application/json" if data else None)).body

    def close(self) -> None:
        self._pool.close()


def _decode(text: str, kind: str) -> Any:
    if "json" in kind:
        return json.loads(text) if text else None
    return load_yaml(text) if "yaml" in kind else text
