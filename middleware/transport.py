"""One upstream node: requests sent raw over kept-alive connections, and the network's errors translated into ours."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from middleware.backoff import Backoff
from middleware.config import UpstreamSettings
from middleware.connection import Address, Connection, Head, Pool
from middleware.errors import UpstreamError, UpstreamTimeout
from middleware.message import Headers, Response, end_to_end

_LONGEST_PAUSE = 32  # times the first
# Methods to which a body is foreign (RFC 9110, section 9.3): of the others the length is told even where it is 0.
_WITHOUT_BODY = ("GET", "HEAD", "DELETE", "TRACE", "OPTIONS", "CONNECT")
# A node's answers to a request that it could not read as HTTP. Elasticsearch and OpenSearch then leave the connection
# open and answer nothing more on it: whoever used it next would wait for the whole read timeout.
_LAST_ANSWERS = (400, 408, 413, 414, 417, 431, 501, 505)


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


class Node:
    """One upstream node. Thread-safe; `backoff` (seconds, monotonic) belongs to `Upstream`."""

    def __init__(self, url: str, settings: UpstreamSettings) -> None:
        parts = urlsplit(url)
        self.url = url
        pause_s = settings.retry_dead_node_ms / 1000
        self.backoff = Backoff(pause_s, _LONGEST_PAUSE * pause_s)
        self._prefix = parts.path
        is_http = parts.scheme == "http"
        tls = None if is_http else _make_tls_context(settings)
        address = Address(parts.hostname or "", parts.port or (80 if is_http else 443), tls)
        self._pool = Pool(address, settings.pool_size)
        self._patience = (settings.connect_timeout_ms / 1000, settings.read_timeout_ms / 1000)
        self._host = parts.netloc
        policy = settings.host_header
        self._keeps_host = policy == "client" or (policy == "auto" and is_http)

    def exchange(self, message: Message) -> Response:
        """Send the message and return the answer as soon as its head is there; close its body to free the connection.

        Raises NodeUnreachable, NodeBrokeOff, UpstreamTimeout, and whatever the body's stream raises.
        """
        connection = self._take()
        try:
            head = self._ask(connection, message)
        except TimeoutError as error:
            connection.close()
            raise UpstreamTimeout(f"{self.url} was silent for longer than upstream.read_timeout_ms") from error
        except OSError as error:
            connection.close()
            raise NodeBrokeOff(f"{self.url} closed the connection before it answered: {_brief(error)}") from error
        except BaseException:
            connection.close()
            raise
        dropped = ("content-length",) if head.is_chunked else ()
        return Response(
            head.status, end_to_end(head.headers, dropped), StreamedBody(self._pool, connection, head), head.reason
        )

    def _ask(self, connection: Connection, message: Message) -> Head:
        with suppress(BrokenPipeError, ConnectionResetError):  # the node may have refused the body, and said so
            connection.send(self._head(message), message.body, chunked=message.chunked)
        return connection.read_head(message.method)

    def _head(self, message: Message) -> bytes:
        """The message's head: what the client sent; Host and Content-Length where HTTP demands them and it has none."""
        lines = [f"{message.method} {self._prefix}{message.target} HTTP/1.1"]
        names = set()
        for name, value in message.headers:
            lower = name.lower()
            if lower != "host" or self._keeps_host:
                lines.append(f"{name}: {value}")
                names.add(lower)
        if "host" not in names:
            lines.insert(1, f"Host: {self._host}")
        if message.chunked:
            lines.append("Transfer-Encoding: chunked")
        elif message.body is None and "content-length" not in names and message.method not in _WITHOUT_BODY:
            lines.append("Content-Length: 0")
        return "\r\n".join((*lines, "", "")).encode("latin-1")

    def _take(self) -> Connection:
        try:
            return self._pool.take(*self._patience)
        except ssl.SSLError as error:
            remedy = "set upstream.ca_file to the CA that signed its certificate"
            raise NodeUnreachable(f"{self._pool.address}: TLS failed: {_brief(error)}; {remedy}") from error
        except (OSError, UnicodeError) as error:
            raise NodeUnreachable(f"{self._pool.address} cannot be reached: {_brief(error)}") from error


def _make_tls_context(settings: UpstreamSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_file)
    if settings.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class StreamedBody:
    """A body that is read while it is sent on; its connection is kept only when it was read whole."""

    def __init__(self, pool: Pool, connection: Connection, head: Head) -> None:
        self._pool = pool
        self._connection = connection
        self._head = head
        self._is_open = True

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._connection.read_body(self._head)
        except OSError as error:
            raise UpstreamError(f"the upstream node broke off its answer: {_brief(error)}") from error
        if self._head.status in _LAST_ANSWERS:
            self._connection.reusable = False
        self.close()

    def close(self) -> None:
        """Release the connection; one with unread bytes is closed."""
        if self._is_open:
            self._is_open = False
            self._pool.give_back(self._connection)


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
