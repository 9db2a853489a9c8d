"""One scoring server: kept-alive connections over TCP, TLS or a unix socket, its limit, and how it is faring."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Sequence
from threading import Lock
from urllib.parse import urlsplit

from middleware.backoff import Backoff
from middleware.config.remote import RemoteSettings
from middleware.connection import Address, Connection, Pool
from middleware.errors import BackendError, DeadlineExceeded, Overloaded, RerankError
from middleware.message import find_header
from middleware.rerank.backends.rerank_call import BUDGET_HEADER, MODEL_HEADER

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 32.0
_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_TEI_LIMIT = 32  # text-embeddings-inference's own default, where /info does not tell


class TooMany(BackendError):
    """The server takes no request of this size."""


class Server:
    """One server. Thread-safe; `in_flight` is how many requests wait for it, `model` what it said scored last."""

    def __init__(self, address: str, path: str, settings: RemoteSettings, headers: Sequence[str]) -> None:
        self.address = address
        self.in_flight = 0
        self.model: str | None = None
        self._settings = settings
        self._connect_s = settings.connect_timeout_ms / 1000
        self._pool = Pool(_read_address(address), settings.connections)
        is_unix = address.startswith("unix:")
        self._headers = (f"Host: {'localhost' if is_unix else urlsplit(address).netloc}", *headers)
        self._call = ("" if is_unix else urlsplit(address).path.rstrip("/")) or path
        self._limit: int | None = None if settings.api == "tei" else settings.max_documents
        self._backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        self._last_asked = 0.0
        self._lock = Lock()

    @property
    def turn(self) -> tuple[bool, int, float]:
        """Sorts servers by whom to ask first: none that failed just now; the fewest requests; the longest idle."""
        return time.monotonic() < self._backoff.until, self.in_flight, self._last_asked

    def limit(self, deadline: float) -> int:
        """How many documents one request may hold; asks a text-embeddings-inference server once (`/info`)."""
        if self._limit is None:
            try:
                self._limit = min(self._read_limit(deadline), self._settings.max_documents)
            except RerankError:
                self._rest()
                raise
        return self._limit

    def lower_limit(self, count: int) -> None:
        """Remember that `count` documents are as many as it takes."""
        self._limit = max(1, min(count, self._limit or count))

    def rerank(self, body: bytes, deadline: float) -> bytes:
        """The answer to a rerank call, by `deadline` (seconds, monotonic).

        Raises TooMany (413, 422), Overloaded (429), DeadlineExceeded, or BackendError for all else that goes wrong.
        """
        with self._lock:
            self.in_flight += 1
            self._last_asked = time.monotonic()
        try:
            status, answer = self._ask("POST", self._call, body, deadline)
        except RerankError:
            self._rest()
            raise
        finally:
            with self._lock:
                self.in_flight -= 1
        if status == 200:
            self._backoff.failures = 0
            return answer
        text = f"{self.address} answered {status}: {answer[:200].decode('utf-8', 'replace')}"
        if status in (413, 422):
            raise TooMany(text)
        if status == 429:
            raise Overloaded(text)
        if status in (408, 504):
            raise DeadlineExceeded(text)
        if status >= 500:
            self._rest()
        raise BackendError(text)

    def _rest(self) -> None:
        with self._lock:
            self._backoff.failed(time.monotonic())

    def _read_limit(self, deadline: float) -> int:
        path = self._call.removesuffix("/rerank") + "/info"
        try:
            status, answer = self._ask("GET", path, b"", deadline)
            told = json.loads(answer)["max_client_batch_size"] if status == 200 else _TEI_LIMIT
        except (ValueError, KeyError, TypeError):
            return _TEI_LIMIT
        return told if isinstance(told, int) and told > 0 else _TEI_LIMIT

    def _ask(self, method: str, path: str, body: bytes, deadline: float) -> tuple[int, bytes]:
        """Status and body of one exchange; once more where a kept connection turns out to be closed."""
        for attempt in (1, 2):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise DeadlineExceeded(f"{self.address} did not answer in time")
            lines = (f"{method} {path} HTTP/1.1", *self._headers, f"{BUDGET_HEADER}: {max(1, int(left_s * 1000))}")
            head = "\r\n".join((*lines, f"Content-Length: {len(body)}", "", "")).encode("latin-1")
            try:
                connection = self._pool.take(min(left_s, self._connect_s), left_s)
            except (OSError, UnicodeError) as error:
                raise BackendError(f"{self.address} cannot be reached: {error}") from error
            try:
                return self._exchange(connection, method, head + body)
            except TimeoutError as error:
                raise DeadlineExceeded(f"{self.address} did not answer in time") from error
            except OSError as error:
                if attempt == 2:
                    raise BackendError(f"{self.address} broke off: {error}") from error
            finally:
                self._pool.give_back(connection)
        raise AssertionError("unreachable")

    def _exchange(self, connection: Connection, method: str, message: bytes) -> tuple[int, bytes]:
        connection.send(message, None, chunked=False)
        head = connection.read_head(method)
        answer = bytearray()
        for piece in connection.read_body(head):
            answer += piece
            if len(answer) > _MAX_ANSWER_BYTES:
                raise BackendError(f"{self.address}: its answer is longer than {_MAX_ANSWER_BYTES} bytes")
        self.model = find_header(head.headers, MODEL_HEADER) or self.model
        return head.status, bytes(answer)


def _read_address(url: str) -> Address:
    if url.startswith("unix:"):
        return Address(url.removeprefix("unix:"), None)
    parts = urlsplit(url)
    is_http = parts.scheme == "http"
    tls = None if is_http else ssl.create_default_context()
    return Address(parts.hostname or "", parts.port or (80 if is_http else 443), tls)
