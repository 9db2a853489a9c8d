"""One scoring server: kept-alive connections over TCP, TLS or a unix socket, its limit, and how it is faring."""

from __future__ import annotations

import json
import socket
import time
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from middleware.config_remote import RemoteSettings
from middleware.errors import BackendError, DeadlineExceeded, Overloaded, RerankError
from middleware.rerank.backends.rerank_call import BUDGET_HEADER

_LONGEST_PAUSE_S = 32.0
_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_TEI_LIMIT = 32  # text-embeddings-inference's own default, where /info does not tell


class TooMany(BackendError):
    """The server takes no request of this size."""


class Server:
    """One server. Thread-safe; `in_flight` is how many requests wait for it."""

    def __init__(self, address: str, path: str, settings: RemoteSettings, headers: dict[str, str]) -> None:
        self.address = address
        self.in_flight = 0
        self._settings = settings
        self._headers = headers
        self._pool = _make_pool(address, settings)
        self._path = "" if address.startswith("unix:") else urlsplit(address).path.rstrip("/")
        self._call = self._path or path
        self._limit: int | None = None if settings.api == "tei" else settings.max_documents
        self._failures = 0
        self._resting_until = 0.0
        self._last_asked = 0.0
        self._lock = Lock()

    @property
    def turn(self) -> tuple[bool, int, float]:
        """Sorts servers by whom to ask first: none that failed just now; the fewest requests; the longest idle."""
        return time.monotonic() < self._resting_until, self.in_flight, self._last_asked

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
            self._failures = 0
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
            self._resting_until = time.monotonic() + min(2.0**self._failures, _LONGEST_PAUSE_S)
            self._failures = min(self._failures + 1, 6)

    def _read_limit(self, deadline: float) -> int:
        path = self._call.removesuffix("/rerank") + "/info"
        try:
            status, answer = self._ask("GET", path, None, deadline)
            told = json.loads(answer)["max_client_batch_size"] if status == 200 else _TEI_LIMIT
        except (ValueError, KeyError, TypeError):
            return _TEI_LIMIT
        return told if isinstance(told, int) and told > 0 else _TEI_LIMIT

    def _ask(self, method: str, path: str, body: bytes | None, deadline: float) -> tuple[int, bytes]:
        """Status and body of one exchange; once more where a kept connection turns out to be closed."""
        for attempt in (1, 2):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise DeadlineExceeded(f"{self.address} did not answer in time")
            headers = {**self._headers, BUDGET_HEADER: str(max(1, int(left_s * 1000)))}
            timeout = urllib3.Timeout(total=left_s, connect=min(left_s, self._settings.connect_timeout_ms / 1000))
            try:
                return self._exchange(method, path, body, headers, timeout)
            except ProtocolError as error:
                if attempt == 2:
                    raise BackendError(f"{self.address} broke off: {error}") from error
            except ReadTimeoutError as error:
                raise DeadlineExceeded(f"{self.address} did not answer in time") from error
            except (HTTPError, OSError) as error:
                raise BackendError(f"{self.address}: {' '.join(str(error).split())[:200]}") from error
        raise AssertionError("unreachable")

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], timeout: urllib3.Timeout
    ) -> tuple[int, bytes]:
        answer = self._pool.urlopen(
            method,
            path,
            body=body,
            headers=headers,
            timeout=timeout,
            retries=False,
            redirect=False,
            preload_content=False,
        )
        data = answer.read(_MAX_ANSWER_BYTES + 1)
        if len(data) > _MAX_ANSWER_BYTES:
            answer.close()
            raise BackendError(f"{self.address}: its answer is longer than {_MAX_ANSWER_BYTES} bytes")
        answer.release_conn()
        return answer.status, data


def _make_pool(address: str, settings: RemoteSettings) -> urllib3.HTTPConnectionPool:
    options: dict[str, Any] = {"maxsize": settings.connections}
    if address.startswith("unix:"):
        return _UnixPool("localhost", unix_path=address.removeprefix("unix:"), **options)
    parts = urlsplit(address)
    pool = urllib3.HTTPSConnectionPool if parts.scheme == "https" else urllib3.HTTPConnectionPool
    return pool(parts.hostname or "", parts.port, **options)


class _UnixConnection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, *args: Any, unix_path: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self._unix_path = unix_path

    def _new_conn(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(self.timeout)
            sock.connect(self._unix_path)
        except OSError:
            sock.close()
            raise
        return sock


class _UnixPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _UnixConnection
