"""One upstream node: requests sent raw over kept-alive connections, and urllib3's errors translated into ours."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3 import HTTPConnectionPool, HTTPHeaderDict, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util import SKIP_HEADER

from middleware.config import UpstreamSettings
from middleware.errors import UpstreamError, UpstreamTimeout
from middleware.message import CHUNK_BYTES, Headers, Response, end_to_end

_TARGET = ":target"
# A node's answers to a request that it could not read as HTTP. Elasticsearch and OpenSearch then leave the connection
# open and answer nothing more on it: whoever used it next would wait for the whole read timeout.
_LAST_ANSWERS = (400, 408, 413, 414, 417, 431, 501, 505)
# A node sends a Warning header for each deprecation that a request meets; http.client gives up after 100 headers.
http.client._MAXHEADERS = 10_000  # type: ignore[attr-defined]


class NodeUnreachable(UpstreamError):
    """No connection to the node could be made: nothing was sent, any other node may be asked."""


class NodeBrokeOff(UpstreamError):
    """The node closed the connection before it answered: whether it acted on the request is not known."""


@dataclass(frozen=True, slots=True)
class Message:
    """A request for a node: raw target, end-to-end headers, and a body that is absent, whole or a stream.

    `repeatable` says that it may arrive twice: it changes nothing at the node, and its body is whole.
    """

    method: str
    target: str
    headers: Headers
    body: bytes | Iterable[bytes] | None = None
    chunked: bool = False
    repeatable: bool = False


class _Relaying:
    """What urllib3's connections lack here: the target as the client wrote it, and a timeout that fits each step.

    urllib3 would encode the target anew, and would send the body under the timeout for connecting, which a node that
    takes a large upload slowly exceeds.
    """

    sock: Any
    timeout: float | None
    host: str
    port: int

    def __init__(self, *args: Any, silence_s: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self._silence_s = silence_s
        self._spent = False

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]
        except ssl.SSLError as error:
            remedy = "set upstream.ca_file to the CA that signed its certificate"
            raise NodeUnreachable(f"{self.host}:{self.port}: TLS failed: {_brief(error)}; {remedy}") from error
        except (HTTPError, OSError) as error:
            cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
            raise NodeUnreachable(f"{self.host}:{self.port} cannot be reached: {_brief(cause)}") from error
        self.sock.settimeout(self._silence_s)

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **options: Any) -> None:
        target = headers.pop(_TARGET, url)
        if self._spent:
            self.close()  # type: ignore[attr-defined]
        self._spent = False
        if self.sock is not None:
            self.timeout = self._silence_s
        super().request(method, target, body=body, headers=headers, **options)  # type: ignore[misc]

    def getresponse(self) -> Any:
        response = super().getresponse()  # type: ignore[misc]
        self._spent = response.status in _LAST_ANSWERS
        return response

    def _encode_request(self, request: str) -> bytes:
        return request.encode("latin-1")


class _Connection(_Relaying, HTTPConnection):
    pass


class _TlsConnection(_Relaying, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class Node:
    """One upstream node. Thread-safe; `failures` and `dead_until` (seconds, monotonic) belong to `Upstream`."""

    def __init__(self, url: str, settings: UpstreamSettings) -> None:
        parts = urlsplit(url)
        self.url = url
        self.failures = 0
        self.dead_until = 0.0
        self._prefix = parts.path
        self._pool = _make_pool(parts.scheme, parts.hostname or "", parts.port, settings)
        policy = settings.host_header
        self._keeps_host = policy == "client" or (policy == "auto" and parts.scheme == "http")

    def exchange(self, message: Message) -> Response:
        """Send the message and return the answer as soon as its head is there; close its body to free the connection.

        Raises NodeUnreachable, NodeBrokeOff, UpstreamTimeout, and whatever the body's stream raises.
        """
        try:
            answer = self._pool.urlopen(
                message.method,
                "/",
                body=message.body,
                headers=self._headers(message),
                chunked=message.chunked,
                retries=False,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
        except HTTPError as error:
            raise self._translate(error) from error
        headers = end_to_end(answer.headers.items())
        if "transfer-encoding" in answer.headers:
            headers = tuple(pair for pair in headers if pair[0].lower() != "content-length")
        return Response(answer.status, headers, StreamedBody(answer), answer.reason or "")

    def _headers(self, message: Message) -> HTTPHeaderDict:
        """The message's headers and nothing else: what urllib3 would add is suppressed."""
        sent = HTTPHeaderDict()
        for name, value in message.headers:
            if name.lower() != "host" or self._keeps_host:
                sent.add(name, value)
        sent[_TARGET] = self._prefix + message.target
        for name in ("User-Agent", "Accept-Encoding"):
            if name not in sent:
                sent[name] = SKIP_HEADER
        return sent

    def _translate(self, error: HTTPError) -> UpstreamError:
        if isinstance(error, ReadTimeoutError) or any(isinstance(cause, TimeoutError) for cause in error.args):
            return UpstreamTimeout(f"{self.url} was silent for longer than upstream.read_timeout_ms")
        return NodeBrokeOff(f"{self.url} closed the connection before it answered: {_brief(error)}")


def _make_pool(scheme: str, host: str, port: int | None, settings: UpstreamSettings) -> HTTPConnectionPool:
    timeout = urllib3.Timeout(connect=settings.connect_timeout_ms / 1000, read=settings.read_timeout_ms / 1000)
    options: dict[str, Any] = {"timeout": timeout, "maxsize": settings.pool_size}
    options["silence_s"] = settings.read_timeout_ms / 1000
    if scheme == "http":
        return _Pool(host, port, **options)
    return _TlsPool(host, port, ssl_context=_make_tls_context(settings), **options)


def _make_tls_context(settings: UpstreamSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_file)
    if settings.insecure:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class StreamedBody:
    """A body that is read while it is sent on; its connection goes back to the pool only when it was read whole."""

    def __init__(self, answer: urllib3.BaseHTTPResponse) -> None:
        self._answer = answer
        self._finished = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._answer.stream(CHUNK_BYTES, decode_content=False)
        except (HTTPError, OSError) as error:
            raise UpstreamError(f"the upstream node broke off its answer: {_brief(error)}") from error
        self._finished = True

    def close(self) -> None:
        """Release the connection; one with unread bytes is closed."""
        if self._finished:
            self._answer.release_conn()
        else:
            self._answer.close()


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
