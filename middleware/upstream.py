"""The cluster behind us: one pooled transport with failover, `forward` for streams and `search` for answers we read."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3 import HTTPConnectionPool, HTTPHeaderDict, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import SKIP_HEADER

from middleware.config import UpstreamSettings
from middleware.errors import UpstreamError, UpstreamTimeout
from middleware.message import CHUNK_BYTES, Headers, Request, Response, end_to_end

_TARGET = ":target"
_log = logging.getLogger(__name__)


class _RawTarget:
    """Sends the target as the client wrote it: urllib3 itself would encode and normalise it."""

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **options: Any) -> None:
        target = headers.pop(_TARGET, url)
        super().request(method, target, body=body, headers=headers, **options)  # type: ignore[misc]


class _Connection(_RawTarget, HTTPConnection):
    pass


class _TlsConnection(_RawTarget, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class Node:
    """One upstream node: its connection pool, and until when it counts as dead (seconds, monotonic)."""

    def __init__(self, url: str, settings: UpstreamSettings) -> None:
        parts = urlsplit(url)
        self.url = url
        self.prefix = parts.path
        self.host = parts.netloc
        self.dead_until = 0.0
        self.pool = _make_pool(parts.scheme, parts.hostname or "", parts.port, settings)
        policy = settings.host_header
        self.keeps_host = policy == "client" or (policy == "auto" and parts.scheme == "http")

    def headers(self, headers: Headers, target: str) -> HTTPHeaderDict:
        """The headers for this node; nothing is added that the client did not send."""
        sent = HTTPHeaderDict()
        for name, value in headers:
            if name.lower() != "host" or self.keeps_host:
                sent.add(name, value)
        sent[_TARGET] = self.prefix + target
        for name in ("User-Agent", "Accept-Encoding"):
            if name not in sent:
                sent[name] = SKIP_HEADER
        return sent


def _make_pool(scheme: str, host: str, port: int | None, settings: UpstreamSettings) -> HTTPConnectionPool:
    timeout = urllib3.Timeout(connect=settings.connect_timeout_ms / 1000, read=settings.read_timeout_ms / 1000)
    if scheme == "http":
        return _Pool(host, port, timeout=timeout, maxsize=settings.pool_size)
    ca_file = str(settings.ca_file) if settings.ca_file else None
    required = "CERT_NONE" if settings.insecure else "CERT_REQUIRED"
    return _TlsPool(host, port, timeout=timeout, maxsize=settings.pool_size, ca_certs=ca_file, cert_reqs=required)


class StreamedBody:
    """A response body that is read while it is sent on; its connection goes back to the pool only when it is empty."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response
        self._finished = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._response.stream(CHUNK_BYTES, decode_content=False)
        except (HTTPError, OSError) as error:
            raise UpstreamError(f"the upstream node broke off its answer: {error}") from error
        self._finished = True

    def close(self) -> None:
        """Release the connection; one with unread bytes is closed."""
        if self._finished:
            self._response.release_conn()
        else:
            self._response.close()


class Upstream:
    """All upstream nodes. Thread-safe."""

    def __init__(self, settings: UpstreamSettings) -> None:
        if settings.insecure:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._settings = settings
        self._nodes = [Node(url, settings) for url in settings.urls]
        self._turn = 0
        self._lock = threading.Lock()

    def forward(self, request: Request) -> Response:
        """Send the request on untouched and stream the answer back untouched.

        Raises UpstreamError where no node can be reached, UpstreamTimeout where a node does not answer in time,
        BrokenRequest where the client breaks off.
        """
        chunked = request.has_body and request.length is None
        headers = _forwarded(request.headers)
        body = request.chunks() if request.has_body else None
        return self._send(request.method, request.target, headers, body, chunked, repeatable=not request.stream)

    def search(self, request: Request, target: str, body: bytes) -> Response:
        """Send a search of ours in the name of the client's `request`: its headers, our target and body."""
        headers = tuple(
            (name, value)
            for name, value in _forwarded(request.headers)
            if name.lower() not in ("content-length", "accept-encoding")
        )
        if request.header("content-type") is None:
            headers += (("Content-Type", request.header("accept") or "application/json"),)
        headers += (("Accept-Encoding", "identity"), ("Content-Length", str(len(body))))
        return self._send(request.method, target, headers, (body,), chunked=False, repeatable=True)

    def _send(
        self, method: str, target: str, headers: Headers, body: Iterable[bytes] | None, chunked: bool, repeatable: bool
    ) -> Response:
        failure: UpstreamError | None = None
        for node in self._in_turn():
            for _ in range(2 if repeatable and (method in ("GET", "HEAD") or isinstance(body, tuple)) else 1):
                try:
                    return _exchange(node, method, target, headers, body, chunked)
                except (NewConnectionError, ConnectTimeoutError) as error:
                    failure = self._mark_dead(node, error)
                    break
                except HTTPError as error:
                    failure = _translate(node, error)
                    if not isinstance(error, ProtocolError):
                        raise failure from error
            else:
                raise failure or UpstreamError("no upstream node")
        raise failure or UpstreamError("no upstream node")

    def _mark_dead(self, node: Node, error: HTTPError) -> UpstreamError:
        node.dead_until = time.monotonic() + self._settings.retry_dead_node_ms / 1000
        _log.warning("upstream node %s cannot be reached: %s", node.url, error)
        return UpstreamError(f"no upstream node could be reached; last tried {node.url}: {_brief(error)}")

    def _in_turn(self) -> list[Node]:
        """Every node once: the living in rotation, then the dead, so that a returned cluster is found by itself."""
        with self._lock:
            self._turn = (self._turn + 1) % len(self._nodes)
            rotated = self._nodes[self._turn :] + self._nodes[: self._turn]
        now = time.monotonic()
        return sorted(rotated, key=lambda node: node.dead_until > now)


def _exchange(
    node: Node, method: str, target: str, headers: Headers, body: Iterable[bytes] | None, chunked: bool
) -> Response:
    sent = node.headers(headers, target)
    response = node.pool.urlopen(
        method,
        "/",
        body=body,
        headers=sent,
        chunked=chunked,
        retries=False,
        redirect=False,
        assert_same_host=False,
        preload_content=False,
        decode_content=False,
    )
    node.dead_until = 0.0
    received = end_to_end(response.headers.items())
    return Response(response.status, received, StreamedBody(response), response.reason or "")


def _forwarded(headers: Headers) -> Headers:
    """End-to-end headers; `Expect` is ours to answer, and was."""
    return tuple((name, value) for name, value in end_to_end(headers) if name.lower() != "expect")


def _translate(node: Node, error: HTTPError) -> UpstreamError:
    if isinstance(error, ReadTimeoutError):
        return UpstreamTimeout(f"{node.url} did not answer within upstream.read_timeout_ms")
    if isinstance(error, SSLError):
        return UpstreamError(f"{node.url}: TLS failed: {_brief(error)}; set upstream.ca_file")
    return UpstreamError(f"{node.url} closed the connection before it answered: {_brief(error)}")


def _brief(error: HTTPError) -> str:
    return " ".join(str(error).split())[:300]


def read_all(response: Response, max_bytes: int) -> bytes | None:
    """The whole body of an answer, its connection released; None where it is longer than `max_bytes`."""
    data = bytearray()
    try:
        for chunk in response.body:
            data += chunk
            if len(data) > max_bytes:
                return None
    finally:
        close(response)
    return bytes(data)


def close(response: Response) -> None:
    """Release what an answer holds."""
    release = getattr(response.body, "close", None)
    if release:
        release()


def authorization(request: Request) -> Mapping[str, str]:
    """The client's credentials, for searches that we send for it."""
    value = request.header("authorization")
    return {"Authorization": value} if value else {}
