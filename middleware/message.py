"""HTTP messages as they pass through us: raw target, headers in their order and with their repeats, streamed bodies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Protocol

from middleware.errors import MiddlewareError

Headers = tuple[tuple[str, str], ...]

_HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
CHUNK_BYTES = 64 * 1024


class Readable(Protocol):
    """What we need of a request's body stream."""

    def read(self, size: int = -1, /) -> bytes: ...


class BrokenRequest(MiddlewareError):
    """The client broke off while it sent its body; there is nobody left to answer."""

    status = 400
    error_type = "broken_request_exception"


class RequestTimeout(BrokenRequest):
    """The client was silent for too long while it sent its request."""

    status = 408
    error_type = "request_timeout_exception"


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request; `target` is the raw path and query, `body` what was already read of it, then the stream.

    `length` is the declared length in bytes, None for a chunked or an absent body (`has_body` tells which).
    """

    method: str
    target: str
    headers: Headers
    has_body: bool = False
    length: int | None = None
    body: bytes = b""
    stream: Readable | None = None

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        """The first header called `name`, in any case."""
        return find_header(self.headers, name)

    def started(self, max_bytes: int) -> Request:
        """This request with up to `max_bytes` + 1 bytes read into `body`; the stream is kept where more may follow.

        Raises BrokenRequest where the body ends before its declared length.
        """
        read = bytearray(self.body)
        while self.stream is not None and len(read) <= max_bytes:
            chunk = self._read(min(CHUNK_BYTES, max_bytes + 1 - len(read)))
            if not chunk:
                self._check_length(len(read))
                return replace(self, body=bytes(read), stream=None)
            read += chunk
        return replace(self, body=bytes(read))

    def chunks(self) -> Iterator[bytes]:
        """The body, constant in memory; raises BrokenRequest where it ends before its declared length."""
        sent = len(self.body)
        if self.body:
            yield self.body
        while self.stream is not None and sent != self.length:
            chunk = self._read(CHUNK_BYTES if self.length is None else min(CHUNK_BYTES, self.length - sent))
            if not chunk:
                break
            sent += len(chunk)
            yield chunk
        self._check_length(sent)

    def _check_length(self, received: int) -> None:
        if self.length is not None and received < self.length:
            raise BrokenRequest(f"the body ended after {received} of {self.length} bytes")

    def _read(self, size: int) -> bytes:
        try:
            return self.stream.read(size) if self.stream else b""
        except OSError as error:
            raise BrokenRequest(f"the body could not be read: {error}") from error


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: `reason` is the reason phrase, `body` an iterable of bytes that may have a `close` method."""

    status: int
    headers: Headers
    body: Iterable[bytes] = ()
    reason: str = ""

    def header(self, name: str) -> str | None:
        """The first header called `name`, in any case."""
        return find_header(self.headers, name)

    @property
    def status_line(self) -> str:
        return f"{self.status} {self.reason or phrase(self.status)}"

    def with_headers(self, extra: Mapping[str, str]) -> Response:
        """This answer with `extra` headers behind its own."""
        return replace(self, headers=(*self.headers, *extra.items()))


def find_header(headers: Headers, name: str) -> str | None:
    """The value of the first header called `name`, in any case."""
    return next((value for key, value in headers if key.lower() == name.lower()), None)


def phrase(status: int) -> str:
    """The standard reason phrase of a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def end_to_end(headers: Headers, dropped: Iterable[str] = ()) -> Headers:
    """Headers without the hop-by-hop ones, those that `Connection` names included (RFC 9110, section 7.6.1).

    Those called `dropped`, in lower case, go as well.
    """
    lowered = [key.lower() for key, _ in headers]
    gone = _HOP_BY_HOP.union(dropped)
    if "connection" in lowered:
        named = (value for key, (_, value) in zip(lowered, headers, strict=True) if key == "connection")
        gone |= {token.strip().lower() for value in named for token in value.split(",")}
    return tuple(pair for key, pair in zip(lowered, headers, strict=True) if key not in gone)


def error_response(error: MiddlewareError) -> Response:
    """An error of ours in Elasticsearch's shape."""
    return json_response(error.body(), error.status)


def json_response(body: Mapping[str, Any], status: int = 200) -> Response:
    """A JSON answer of ours."""
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    headers = (("content-type", "application/json"), ("content-length", str(len(data))))
    return Response(status, headers, (data,))
